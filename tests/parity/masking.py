"""Makes answers of two servers comparable: what each chooses freely gets a name that says only which one it is."""

from __future__ import annotations

import re
from typing import Any

_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
#: Only times of now: the cases' own lie before 2025 and stay.
_MICRO_TIME = re.compile(r"20(2[5-9]|[3-9]\d)-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_TIME = re.compile(r"20(2[5-9]|[3-9]\d)-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_VERSION_IN_TEXT = re.compile(r"((?:resource ?version|current)\w*:? *\"?)\d+( \(\d+\))?", re.IGNORECASE)
_VERSION_IN_RECORD = re.compile(r"(ResourceVersion in record )\(\d+\)")
_CHOSEN = {"clusterIP": "address", "nodePort": "port", "healthCheckNodePort": "port", "continue": "continue"}


class Mask:
    """Masks the answers of one case on one server; `names` are the values that stand for variables of the case."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names
        self._uids: dict[str, str] = {}
        self._versions: dict[str, str] = {}

    def __call__(self, value: Any) -> Any:
        """A masked copy of an answer's body."""
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            return [self(item) for item in value]
        return self._text(value) if isinstance(value, str) else value

    def _object(self, value: dict[str, Any]) -> dict[str, Any]:
        loose = _is_collection(value)
        masked: dict[str, Any] = {}
        for key, item in sorted(value.items()):
            if key == "metadata" and isinstance(item, dict):
                masked[key] = self._metadata(item, loose=loose)
            elif key in _CHOSEN and item not in ("", "None", None):
                masked[key] = f"<{_CHOSEN[key]}>"
            elif key == "clusterIPs" and item != ["None"]:
                masked[key] = ["<address>"] * len(item)
            elif key == "resourceVersion" and isinstance(item, str):
                masked[key] = self._version(item)
            else:
                masked[self._text(key)] = self(item)
        return masked

    def _metadata(self, metadata: dict[str, Any], *, loose: bool) -> dict[str, Any]:
        masked = self._object({key: item for key, item in metadata.items() if key != "resourceVersion"})
        if "resourceVersion" in metadata:
            version = str(metadata["resourceVersion"])
            masked["resourceVersion"] = "<version>" if loose and version else self._version(version)
        if isinstance(masked.get("managedFields"), list):
            masked["managedFields"].sort(key=lambda entry: [entry.get(key, "") for key in _ENTRY_ORDER])
        return masked

    def _version(self, version: str) -> str:
        return self._versions.setdefault(version, f"<version {len(self._versions) + 1}>") if version else version

    def _text(self, text: str) -> str:
        for value, name in self._names.items():
            text = text.replace(value, name)
        text = _UID.sub(lambda found: self._uids.setdefault(found[0], f"<uid {len(self._uids) + 1}>"), text)
        text = _TIME.sub("<time>", _MICRO_TIME.sub("<micro time>", text))
        return _VERSION_IN_RECORD.sub(r"\1(<version>)", _VERSION_IN_TEXT.sub(r"\1<version>", text))


_ENTRY_ORDER = ("manager", "operation", "subresource")


def _is_collection(value: dict[str, Any]) -> bool:
    """Whether the version is that of the whole storage, which others move too."""
    kind = str(value.get("kind", ""))
    return (
        kind.endswith("List")
        or kind == "Table"
        or "items" in value
        or value.keys() == {"kind", "apiVersion", "metadata"}
    )
