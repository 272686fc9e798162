"""Writes the table of behaviours into the documentation."""

from __future__ import annotations

from tests.behaviours import behaviour

if __name__ == "__main__":
    table = behaviour.table(behaviour.load(), behaviour.shown_by())
    behaviour.PAGE.write_text(behaviour.write(behaviour.PAGE.read_text(), table))
