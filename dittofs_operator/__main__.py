"""Starts the command line as a process."""

from __future__ import annotations

import sys

from dittofs_operator import cli


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(cli.main())


if __name__ == "__main__":
    main()
