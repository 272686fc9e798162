"""The hash of a password that SMB wants: MD4, which OpenSSL no longer has."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

_MASK = 0xFFFFFFFF
_BLOCK_BYTES = 64

#: Per round of RFC 1320: the order of the words, the shifts, the constant and the function.
_ROUNDS: tuple[tuple[Sequence[int], Sequence[int], int, Callable[[int, int, int], int]], ...] = (
    (range(16), (3, 7, 11, 19), 0, lambda x, y, z: x & y | ~x & z),
    (
        [column + 4 * row for column in range(4) for row in range(4)],
        (3, 5, 9, 13),
        0x5A827999,
        lambda x, y, z: x & y | x & z | y & z,
    ),
    ([0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15], (3, 9, 11, 15), 0x6ED9EBA1, lambda x, y, z: x ^ y ^ z),
)


def nt_hash(password: str) -> str:
    """The NT hash of `password` in hexadecimal, as the server keeps it."""
    return md4(password.encode("utf-16-le")).hex()


def md4(content: bytes) -> bytes:
    """The MD4 of `content` (RFC 1320)."""
    padded = content + b"\x80" + bytes(-(len(content) + 9) % _BLOCK_BYTES) + struct.pack("<Q", 8 * len(content))
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    for start in range(0, len(padded), _BLOCK_BYTES):
        words = struct.unpack("<16I", padded[start : start + _BLOCK_BYTES])
        a, b, c, d = state
        for order, shifts, constant, mix in _ROUNDS:
            for step, word in enumerate(order):
                total = (a + mix(b, c, d) + words[word] + constant) & _MASK
                shift = shifts[step % 4]
                a, b, c, d = d, (total << shift | total >> (32 - shift)) & _MASK, b, c
        state = [(old + new) & _MASK for old, new in zip(state, (a, b, c, d), strict=True)]
    return struct.pack("<4I", *state)
