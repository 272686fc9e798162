"""Removes the file at an nfs:// URL with libnfs, whose programs can't: `python nfs_remove.py URL`."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys


class Url(ctypes.Structure):
    """What libnfs makes of a URL."""

    _fields_ = (("server", ctypes.c_char_p), ("path", ctypes.c_char_p), ("file", ctypes.c_char_p))


def remove(url: str) -> None:
    """Remove the file; OSError when the server says no, or when there is no libnfs."""
    libnfs = ctypes.CDLL(ctypes.util.find_library("nfs") or "libnfs.so.13")
    libnfs.nfs_init_context.restype = ctypes.c_void_p
    libnfs.nfs_parse_url_full.restype = ctypes.POINTER(Url)
    libnfs.nfs_get_error.restype = ctypes.c_char_p
    context = ctypes.c_void_p(libnfs.nfs_init_context())
    try:
        place = libnfs.nfs_parse_url_full(context, url.encode())
        if (
            not place
            or libnfs.nfs_mount(context, place.contents.server, place.contents.path)
            or libnfs.nfs_unlink(context, place.contents.file)
        ):
            raise OSError(libnfs.nfs_get_error(context).decode())
    finally:
        libnfs.nfs_destroy_context(context)


if __name__ == "__main__":
    try:
        remove(sys.argv[1])
    except OSError as failure:
        sys.exit(str(failure))
