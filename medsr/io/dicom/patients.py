"""Whether DICOM series are of one patient, without a word of who that is."""

from __future__ import annotations

from collections.abc import Sequence

from medsr.errors import InputError
from medsr.io.dicom.headers import KIND_TAGS, parsing, read_header
from medsr.io.dicom.stack import Stack

TAGS = ("PatientID", "PatientBirthDate")


def check_one_patient(stacks: Sequence[Stack | None]) -> None:
    """Refuse series of different patients.

    A tag that is missing or empty in one of two series says nothing of them.

    Args:
        stacks: Slices of each series, None for a scan that is no DICOM.

    Raises:
        InputError: two of them have different patient IDs or birth dates, or a file is gone or damaged.
    """
    differs = difference(stacks)
    if differs is not None:
        first, other, tag = differs
        raise InputError(
            f"stacks {first + 1} and {other + 1} are of different patients, as their {tag} says; fuse series of one "
            "patient"
        )


def difference(stacks: Sequence[Stack | None]) -> tuple[int, int, str] | None:
    """The first two series of different patients, by their places in `stacks`, and the tag that says so.

    Args:
        stacks: Slices of each series, None for a scan that is no DICOM.

    Raises:
        InputError: a file is gone or damaged.
    """
    known: dict[str, tuple[int, str]] = {}
    for number, stack in enumerate(stacks):
        for tag, said in _identity(stack).items() if stack is not None else ():
            first, expected = known.setdefault(tag, (number, said))
            if said != expected:
                return first, number, tag
    return None


def _identity(stack: Stack) -> dict[str, str]:
    """The tags that are filled in."""
    path = stack.frames[0].path
    header = read_header(path, [*KIND_TAGS, *TAGS])
    with parsing(path):
        found = {tag: str(header.get(tag) or "").strip() for tag in TAGS}
    return {tag: said for tag, said in found.items() if said}
