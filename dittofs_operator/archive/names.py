"""What archives and their files are called."""

from __future__ import annotations

import re

MANIFEST = "manifest.json"
PARTS = "parts"
#: Names an archive in folders and buckets, hence no more than what both take.
ARCHIVE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
