"""Docstrings are plain prose with `names` in backticks: what else reStructuredText takes for markup is escaped."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

QUOTED = re.compile(r"(`[^`]*`)")
MARKUP = re.compile(r"[|*]|(?<=\w)_(?!\w)")
TREE = "├──"


def setup(app: Sphinx) -> dict[str, bool]:
    """Change docstrings before napoleon reads them."""
    app.connect("autodoc-process-docstring", _on_docstring, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _on_docstring(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = escaped(lines)


def escaped(lines: list[str]) -> list[str]:
    """The lines of a docstring as reStructuredText that reads as they do; a drawn tree keeps its lines."""
    if any(TREE in line for line in lines):
        start = next(number for number, line in enumerate(lines) if TREE in line) - 1
        return [*map(_line, lines[:start]), "::", "", *(f"    {line}" for line in lines[start:])]
    return [_line(line) for line in lines]


def _line(line: str) -> str:
    parts = QUOTED.split(line)
    return "".join(part if part.startswith("`") else MARKUP.sub(r"\\\g<0>", part) for part in parts)
