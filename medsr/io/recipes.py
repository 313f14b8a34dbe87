"""Recipes: TOML tables read once, at the edge, into frozen dataclasses; an unknown key is an error."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from medsr.errors import UsageError

Recipe = TypeVar("Recipe")

FORBID_UNKNOWN: dict[str, Any] = {"extra": "forbid"}
"""Configuration of pydantic, as `__pydantic_config__` in every dataclass that a recipe may hold."""


def read_toml(path: Path, expected: str) -> dict[str, Any]:
    """The keys and values of a TOML file.

    Args:
        path: The file.
        expected: What it should hold, such as "a batch recipe".

    Raises:
        UsageError: it can't be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: can't be read; expected {expected} in TOML") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not TOML ({error})") from error


def parsed(kind: type[Recipe], content: Mapping[str, Any], where: str) -> Recipe:
    """A frozen dataclass from a table of keys, tables within tables included.

    Args:
        kind: The dataclass; it and those within it set `__pydantic_config__` to `FORBID_UNKNOWN`.
        content: Keys and values as TOML or JSON gives them.
        where: What errors call the table, such as the name of its file.

    Raises:
        UsageError: an unknown key, or a value of the wrong kind; the message says where it stands.
        MedsrError: a value that the dataclass itself refuses.
    """
    from pydantic import TypeAdapter, ValidationError  # as long to import as all of medsr's settings

    try:
        return TypeAdapter(kind).validate_python(dict(content))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "unexpected_keyword_argument":
            known = ", ".join(sorted(_known_at(kind, first["loc"][:-1])))
            raise UsageError(f"{where}: unknown key {place}; known are {known}") from error
        raise UsageError(f"{where}: {place}: {first['msg']}") from error


def present(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table without the keys that were not set: a recipe may leave them out, but not set them to nothing."""
    kept = {key: value for key, value in table.items() if value is not None}
    return {key: present(value) if isinstance(value, dict) else value for key, value in kept.items()}


def _known_at(kind: Any, place: Sequence[int | str]) -> list[str]:
    """Names of the fields that a dataclass has at a place within another one."""
    for part in place:
        inner = kind if isinstance(part, int) else get_type_hints(kind)[part]
        kind = next((one for one in (inner, *get_args(inner)) if is_dataclass(one)), inner)
    return [entry.name for entry in fields(kind)]
