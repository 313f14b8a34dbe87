"""Names that are safe everywhere: letters, digits, dot, underscore, hyphen; and ids made of hashes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

MAX_PART = 80
_OTHER = re.compile(r"[^A-Za-z0-9._-]")
ID_DIGITS = 16


def digest(*texts: str) -> str:
    """SHA-256 of some texts, in hex; a different split gives a different hash."""
    return hashlib.sha256("\x1f".join(texts).encode("utf-8", "surrogateescape")).hexdigest()


def case_id(identity: str) -> str:
    """The id of a case: 16 hex digits."""
    return digest(identity)[:ID_DIGITS]


def shard_of(case: str, count: int) -> int:
    """To which of `count` shards, from 0, a case belongs: a new case moves no other."""
    return int(case, 16) % count


def safe(name: str) -> str:
    """A relative path whose every part has safe signs only; what had to change keeps a hash, so nothing collides."""
    return "/".join(_safe_part(part) for part in name.split("/") if part not in ("", "."))


def _safe_part(part: str) -> str:
    cleaned = _OTHER.sub("_", part).lstrip(".")[:MAX_PART]
    return cleaned if cleaned == part else f"{cleaned or 'x'}-{digest(part)[:8]}"


def fingerprint(paths: Iterable[Path]) -> str:
    """Hash of names, sizes and times of change of some files; "" where one is missing."""
    try:
        facts = [(path.name, path.stat()) for path in paths]
    except OSError:
        return ""
    return digest(*(f"{name}|{stat.st_size}|{stat.st_mtime_ns}" for name, stat in facts))[:16]


def nameless(text: str, paths: Iterable[str], work: str = "") -> str:
    """One line of text without the names of files and folders."""
    known = [Path(path) for path in paths]
    names = {str(part) for path in known for part in (path, path.parent, path.name)}
    for name in sorted({*names, work} - {"", "/"}, key=len, reverse=True):
        text = text.replace(name, "output" if name == work else "input")
    return " ".join(text.split()).removeprefix("input: ")[:500]
