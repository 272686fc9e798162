"""Makes many empty files in a share over NFS, by libnfs in this process: its programs make one each."""

from __future__ import annotations

import ctypes
import ctypes.util


class _Url(ctypes.Structure):
    _fields_ = (("server", ctypes.c_char_p), ("path", ctypes.c_char_p), ("file", ctypes.c_char_p))


def make_files(port: int, share: str, count: int) -> None:
    """Make `count` files in `share` of the server at `port` of loopback; OSError when it says no or without libnfs."""
    libnfs = ctypes.CDLL(ctypes.util.find_library("nfs") or "libnfs.so.13")
    libnfs.nfs_init_context.restype = ctypes.c_void_p
    libnfs.nfs_parse_url_dir.restype = ctypes.POINTER(_Url)
    libnfs.nfs_get_error.restype = ctypes.c_char_p
    context = ctypes.c_void_p(libnfs.nfs_init_context())

    def check(failed: object) -> None:
        if failed:
            raise OSError(libnfs.nfs_get_error(context).decode())

    try:
        url = f"nfs://127.0.0.1{share}?version=3&nfsport={port}&mountport={port}&uid=0&gid=0"
        place = libnfs.nfs_parse_url_dir(context, url.encode())
        check(not place)
        check(libnfs.nfs_mount(context, place.contents.server, place.contents.path))
        for number in range(count):
            handle = ctypes.c_void_p()
            check(libnfs.nfs_creat(context, f"/file-{number}".encode(), 0o644, ctypes.byref(handle)))
            check(libnfs.nfs_close(context, handle))
    finally:
        libnfs.nfs_destroy_context(context)
