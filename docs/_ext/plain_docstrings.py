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
    """The lines of a docstring as reStructuredText that reads the same; trees and indented tables keep their lines."""
    if any(TREE in line for line in lines):
        start = next(number for number, line in enumerate(lines) if TREE in line) - 1
        return [*escaped(lines[:start]), "::", "", *(f"    {line}" for line in lines[start:])]
    found: list[str] = []
    literal = False
    for number, line in enumerate(lines):
        literal = literal and (not line or line.startswith("    "))
        if line.endswith(":") and _is_indented(lines[number + 1 : number + 3]):
            literal = True
            found.append(f"{_line(line)}:")
        else:
            found.append(line if literal else _line(line))
    return found


def _is_indented(following: list[str]) -> bool:
    """Whether a blank line and an indented one follow: what a paragraph that ends in a colon announces."""
    return len(following) == 2 and not following[0] and following[1].startswith("    ")


def _line(line: str) -> str:
    parts = QUOTED.split(line)
    return "".join(part if part.startswith("`") else MARKUP.sub(r"\\\g<0>", part) for part in parts)
