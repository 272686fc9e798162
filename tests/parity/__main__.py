"""Writes the table of differences into the documentation."""

from __future__ import annotations

import re
from pathlib import Path

from tests.parity import case, differences

_DOCUMENT = Path(__file__).parents[2] / "docs" / "local-cluster.md"
_BETWEEN = re.compile(r"(?<=<!-- differences -->\n\n).*?(?=\n<!-- end -->)", re.DOTALL)

if __name__ == "__main__":
    table = differences.table(case.load())
    _DOCUMENT.write_text(_BETWEEN.sub(lambda _: table, _DOCUMENT.read_text()))
