"""Makes a file at an nfs:// URL with libnfs and keeps it open: `python nfs_overwrite.py URL`.

Each line of the standard input is written over the start of the file when it comes; each is answered by `ok` or by what
the server said.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys

from nfs_remove import Url


def overwrite(url: str) -> None:
    """Make the file and write each line; OSError when it can't be made, or when there is no libnfs."""
    libnfs = ctypes.CDLL(ctypes.util.find_library("nfs") or "libnfs.so.13")
    libnfs.nfs_init_context.restype = ctypes.c_void_p
    libnfs.nfs_parse_url_full.restype = ctypes.POINTER(Url)
    libnfs.nfs_get_error.restype = ctypes.c_char_p
    libnfs.nfs_pwrite.argtypes = (
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_uint64,
        ctypes.c_uint64,
        ctypes.c_char_p,
    )
    context, handle = ctypes.c_void_p(libnfs.nfs_init_context()), ctypes.c_void_p()
    place = libnfs.nfs_parse_url_full(context, url.encode())
    if (
        not place
        or libnfs.nfs_mount(context, place.contents.server, place.contents.path)
        or libnfs.nfs_creat(context, place.contents.file, 0o666, ctypes.byref(handle))
    ):
        raise OSError(libnfs.nfs_get_error(context).decode())
    _tell("open")
    for line in sys.stdin:
        content = line.rstrip("\n").encode()
        written = libnfs.nfs_pwrite(context, handle, 0, len(content), content)
        _tell("ok" if written == len(content) else libnfs.nfs_get_error(context).decode().split("\n")[0])


def _tell(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        overwrite(sys.argv[1])
    except OSError as failure:
        sys.exit(str(failure))
