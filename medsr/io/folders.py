"""What lies below a folder: every file, through links, and why a folder was not searched."""

from __future__ import annotations

import os
from pathlib import Path

from medsr.errors import InputError
from medsr.io.files import reason

LINKED = "a link to a folder that is read already, or that holds this one"
HIDDEN = "a hidden folder, which is not searched"


def tree(folder: Path, *, without: Path | None = None) -> list[Path]:
    """Every file below a folder, sorted.

    A link to a folder elsewhere is followed, once. A link into the tree itself, or to a folder that another link led to
    already, is listed like a file: what it leads to is in the list. A folder whose name begins with a dot is listed and
    not searched. `not_searched` says why a folder is in the list.

    Args:
        folder: Root of the tree.
        without: Folder to leave alone, such as an output inside the input.

    Raises:
        InputError: the folder can't be listed.
    """

    def refuse(error: OSError) -> None:
        if error.filename == str(folder):
            raise InputError(f"{folder}: can't be listed ({reason(error)}); check the path and its permissions")

    root = Path(os.path.realpath(folder))
    avoided = None if without is None else os.path.realpath(without)
    followed: set[str] = set()
    listed: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        listed += [Path(place, name) for name in names]
        searched = []
        for name in sorted(folders):
            path = Path(place, name)
            target = os.path.realpath(path)
            if target == avoided:
                continue
            if name.startswith("."):
                listed.append(path)
                continue
            if path.is_symlink():
                inside = Path(target).is_relative_to(root) and not any(
                    part.startswith(".") for part in Path(target).relative_to(root).parts
                )
                if target in followed or inside or root.is_relative_to(target):
                    listed.append(path)
                    continue
                followed.add(target)
            searched.append(name)
        folders[:] = searched
    return sorted(listed)


def not_searched(path: Path) -> str:
    """Why `tree` lists a folder instead of what is in it; "" for a file."""
    if not path.is_dir():
        return ""
    return HIDDEN if path.name.startswith(".") else LINKED
