"""What a command leaves for whoever started it: one JSON object that fits a termination message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from dittofs_operator.archive.manifest import Manifest

#: What the kubelet keeps of a termination message.
MAX_BYTES = 4096
#: Of a message, each at most six bytes long: what is around them always fits too.
_MAX_CHARACTERS = 600
COMPLETED, FAILED = "Completed", "Failed"


def completed(manifest: Manifest, manifest_sha256: str) -> dict[str, object]:
    """What to tell of an archive that is good."""
    return {
        "result": COMPLETED,
        "archive": manifest.id,
        "manifestSHA256": manifest_sha256,
        "storedBytes": manifest.stored_bytes,
        "contentBytes": manifest.content_bytes,
        "files": sum(tree.files for tree in manifest.trees),
        "encrypted": manifest.encryption is not None,
        "cleanStop": manifest.description.clean_stop,
        "covered": manifest.covered.model_dump(mode="json", by_alias=True),
    }


def removed(archive: str) -> dict[str, object]:
    """What to tell of an archive that is no more."""
    return {"result": COMPLETED, "archive": archive}


def objects_removed(bucket: str, prefix: str, objects: int, kept: int) -> dict[str, object]:
    """What to tell of a share's objects that are no more, and of how many others there are below its prefix."""
    return {"result": COMPLETED, "location": f"s3://{bucket}/{prefix}", "objects": objects, "kept": kept}


def failed(reason: str, message: str) -> dict[str, object]:
    """What to tell of a command that gave up."""
    return {"result": FAILED, "reason": reason, "message": message[:_MAX_CHARACTERS]}


def write(file: Path | None, told: Mapping[str, object]) -> None:
    """Leave `told` in `file`, which may be there already; raises OSError."""
    if file is not None:
        # A name of a file that is no text stays what JSON has for it.
        file.write_bytes(json.dumps(told, ensure_ascii=False).encode("utf-8", "backslashreplace"))
