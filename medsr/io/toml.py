"""Recipes: TOML files that a user writes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from medsr.errors import UsageError


def read_toml(path: Path, expected: str) -> dict[str, Any]:
    """The keys and values of a TOML file.

    Args:
        path: Recipe to read.
        expected: Name of what it should hold, such as "a batch recipe".

    Raises:
        UsageError: it can't be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: can't be read; expected {expected} in TOML") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not TOML ({error})") from error
