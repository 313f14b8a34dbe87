"""Parsing of what several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar, get_args

from medsr.errors import UsageError
from medsr.io.formats import FormatName

if TYPE_CHECKING:
    from medsr.io import Policies
    from medsr.io.dicom.derived import Compression
    from medsr.physics.ops import Profile
    from medsr.volume import Modality

Name = TypeVar("Name", bound=str)

PROFILE_NAMES: tuple[Profile, ...] = ("gaussian", "box", "trapezoid", "kspace")
FORMAT_NAMES: tuple[FormatName, ...] = get_args(FormatName)
COMPRESSION_NAMES: tuple[Compression, ...] = ("none", "j2k", "rle", "jpegls")
GAPS: tuple[Literal["refuse", "fill", "split"], ...] = ("refuse", "fill", "split")
TILTS: tuple[Literal["refuse", "resample"], ...] = ("refuse", "resample")


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


def format_named(name: str | None) -> FormatName | None:
    """A format by its name, or None where nothing was asked for.

    Raises:
        UsageError: anything else.
    """
    return None if name is None else _one_of(FORMAT_NAMES, name, "format")


def compression_named(name: str) -> Compression:
    """The lossless compression of that name.

    Raises:
        UsageError: no such compression.
    """
    return _one_of(COMPRESSION_NAMES, name, "compression")


def policies_named(gaps: str, tilt: str) -> Policies:
    """What to do with an irregular series.

    Raises:
        UsageError: no such policy.
    """
    from medsr.io import Policies

    return Policies(_one_of(GAPS, gaps, "--gaps"), _one_of(TILTS, tilt, "--tilt"))


def _one_of(known: tuple[Name, ...], name: str, what: str) -> Name:
    for one in known:
        if name == one:
            return one
    raise UsageError(f"{what} is {name!r}; choose {', '.join(known)}")
