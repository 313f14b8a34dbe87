"""Damage that knows no format: what bad disks, broken transfers and careless scripts do to any file."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Damage = Callable[[bytes, Random], bytes]


def flipped(content: bytes, chance: Random) -> bytes:
    """One to 64 bits turned over."""
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8, 64)) if damaged else 0):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def flipped_at_start(content: bytes, chance: Random) -> bytes:
    """As `flipped`, where headers lie."""
    n = min(len(content), 1200)
    return flipped(content[:n], chance) + content[n:]


def cut(content: bytes, chance: Random) -> bytes:
    """The end is missing."""
    return content[: chance.randrange(len(content) + 1)]


def cut_in_header(content: bytes, chance: Random) -> bytes:
    """Nearly everything is missing."""
    return content[: chance.randrange(min(len(content), 1200) + 1)]


def zeroed(content: bytes, chance: Random) -> bytes:
    """A stretch reads as zeros."""
    start, end = _stretch(content, chance)
    return content[:start] + bytes(end - start) + content[end:]


def overwritten(content: bytes, chance: Random) -> bytes:
    """A stretch holds something else."""
    start, end = _stretch(content, chance)
    return content[:start] + chance.randbytes(end - start) + content[end:]


def removed(content: bytes, chance: Random) -> bytes:
    """A stretch is missing, so that all that follows moves."""
    start, end = _stretch(content, chance)
    return content[:start] + content[end:]


def repeated(content: bytes, chance: Random) -> bytes:
    """A stretch stands there twice."""
    start, end = _stretch(content, chance)
    return content[:end] + content[start:]


def extended(content: bytes, chance: Random) -> bytes:
    """Something follows the end."""
    return content + chance.randbytes(chance.choice((1, 2, 100, 5000)))


ANY_BYTES: tuple[Damage, ...] = (
    *(flipped, flipped_at_start, cut, cut_in_header, zeroed, overwritten),
    *(removed, repeated, extended),
)


def _stretch(content: bytes, chance: Random) -> tuple[int, int]:
    start = chance.randrange(len(content) + 1)
    return start, min(len(content), start + chance.choice((1, 2, 4, 16, 512, 4096)))
