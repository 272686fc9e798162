"""Whether a selector can be read: of labels as labels.Parse of apimachinery does it, of fields as fields.ParseSelector.

The API server would refuse each list with a selector that it can't read; here it fails once, at the start.
"""

from __future__ import annotations

import re

_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_SUBDOMAIN = r"(?=[^/]{1,253}/)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*"
_KEY = rf"(?:{_SUBDOMAIN}/)?{_NAME}"
_VALUE = rf"(?:{_NAME})?"
_REQUIREMENT = re.compile(
    rf"!\s*{_KEY}"
    rf"|{_KEY}"
    rf"|{_KEY}\s*(?:==|=|!=)\s*{_VALUE}"
    rf"|{_KEY}\s+(?:in|notin)\s*\(\s*{_VALUE}\s*(?:,\s*{_VALUE}\s*)*\)"
    rf"|{_KEY}\s*[<>]\s*-?[0-9]+"
)
#: A comma that isn't between parentheses.
_LABEL_COMMA = re.compile(r",(?![^(]*\))")

#: A comma, or an equals sign, with an even number of backslashes before it: any other one is part of a value.
_FIELD_COMMA = re.compile(r"(?<!\\)(?:\\\\)*,")
_FIELD_TERM = re.compile(r"[^=!\s]+(?:!=|==|=)(?:[^\\,=]|\\[\\,=])*")


def check_label_selector(selector: str) -> None:
    """Raises ValueError, saying which part can't be read; an empty selector selects all."""
    if not selector.strip():
        return
    for requirement in _LABEL_COMMA.split(selector):
        if not _REQUIREMENT.fullmatch(requirement.strip()):
            raise ValueError(
                f"label selector {selector!r}: {requirement.strip()!r} can't be read; "
                "it must be like app=demo, app!=demo, app, !app, app in (a,b) or app notin (a,b)"
            )


def check_field_selector(selector: str) -> None:
    """Raises ValueError, saying which part can't be read; an empty selector selects all.

    Which fields a type can be selected by only the API server knows: it refuses others with 400.
    """
    for term in _field_terms(selector):
        if term and not _FIELD_TERM.fullmatch(term):
            raise ValueError(
                f"field selector {selector!r}: {term!r} can't be read; it must be like metadata.name=demo "
                r"or status.phase!=Running, with \\, \, or \= for a backslash, comma or equals sign in a value"
            )


def _field_terms(selector: str) -> list[str]:
    terms, begin = [], 0
    for comma in _FIELD_COMMA.finditer(selector):
        terms.append(selector[begin : comma.end() - 1])
        begin = comma.end()
    return [*terms, selector[begin:]]
