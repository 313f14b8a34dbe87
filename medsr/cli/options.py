"""Parsing of what several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medsr.errors import UsageError

if TYPE_CHECKING:
    from medsr.ops import Profile
    from medsr.volume import Modality

PROFILE_NAMES: tuple[Profile, ...] = ("gaussian", "box", "trapezoid", "kspace")


def numbers(text: str | None, what: str) -> tuple[float, ...] | None:
    """One or three numbers separated by commas, such as "1,1,1"; None stays None.

    Raises:
        UsageError: anything else.
    """
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) not in (1, 3):
        raise UsageError(f"{what} is {text!r}; expected one number or three separated by commas, such as 1,1,1")
    return values


def profile_named(name: str) -> Profile:
    """The profile of that name.

    Raises:
        UsageError: no such profile.
    """
    for known in PROFILE_NAMES:
        if name == known:
            return known
    raise UsageError(f"no profile is called {name!r}; choose {', '.join(PROFILE_NAMES)}")


def modality_named(name: str) -> Modality | None:
    """MR, CT, or None for "auto".

    Raises:
        UsageError: anything else.
    """
    if name == "auto":
        return None
    if name == "MR":
        return "MR"
    if name == "CT":
        return "CT"
    raise UsageError(f"modality is {name!r}; choose auto, MR or CT")
