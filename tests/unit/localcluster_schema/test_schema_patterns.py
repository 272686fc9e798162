"""Patterns mean what they mean to RE2, not what they mean to Python."""

from __future__ import annotations

import pytest

from hack.localcluster.apiserver.schema.patterns import compile_pattern


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("b", "abc", True),
        ("^a$", "a", True),
        ("^a$", "a\n", False),
        (r"a\z", "a\n", False),
        (r"^\d+$", "१", False),
        (r"^\w+$", "é", False),
        ("^[[:alpha:]]+$", "aZ", True),
        ("^[[:^alpha]+$", "a", True),
        ("^[]a]+$", "]a", True),
        ("^[^]a]+$", "b", True),
        (r"^[\d.-]+$", "1.2-3", True),
        ("(?i)^ABC$", "abc", True),
        ("(?P<x>a)", "a", True),
        ("(?<x>a)", "a", True),
        ("[$]", "$", True),
        (r"\$", "$", True),
    ],
)
def test_a_pattern_is_searched_as_re2_does(pattern: str, text: str, found: bool) -> None:
    assert bool(compile_pattern(pattern).search(text)) is found


@pytest.mark.parametrize(
    "pattern", ["(?=a)", "(?!a)", "(?<=a)b", r"(a)\1", "a++", "(?>a)", "a)", "[a", "\\", "[[:x:]]", r"\pL"]
)
def test_what_re2_does_not_know_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="error parsing regexp"):
        compile_pattern(pattern)
