"""What is typed into the viewer's form, and the command line that asks for the same."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from medsr.enhancement.settings import EnhanceSettings, Input, Mode, Output
from medsr.errors import UsageError
from medsr.io.formats import stem

OPTIONS = {"spacing_mm": "--spacing", "factors": "--factor", "thickness_mm": "--thickness"}
"""Options that are not called as the setting is."""
UNUSED: dict[Mode, tuple[str, ...]] = {
    "mean": ("blend", "samples", "steps", "sampler", "seed", "data_step", "guidance", "classifier", "classifier_scale"),
    "sample": ("samples",),
    "uncertainty": ("blend",),
}
"""Settings that change nothing in a mode."""


def command_of(
    settings: EnhanceSettings, source: str, target: str, stacks: Sequence[str] = (), grid: str | None = None
) -> str:
    """The run of these settings for the terminal; what is left at its default is left out.

    Args:
        settings: What is asked.
        source: Path of the scan, "" where it has none.
        target: Path of the result.
        stacks: Paths of the further stacks that are fused with the scan, "" where one has none.
        grid: Path of the image whose grid they are fused on, "" where it has none; None: no such image.
    """
    further = [path or f"STACK{number}" for number, path in enumerate(stacks, start=2)]
    words = ["medsr", "enhance", source or "SCAN", *further, target]
    for name, value in _changed(settings):
        words += _words(OPTIONS.get(name, f"--{name.replace('_', '-')}"), value)
    if grid is not None:
        words += ["--grid", grid or "GRID"]
    return shlex.join(words)


def numbers_of(text: str) -> tuple[float, ...] | None:
    """One or three numbers above 0 separated by commas or blanks; None for an empty text.

    Raises:
        UsageError: anything else.
    """
    words = text.replace(",", " ").split()
    try:
        values = tuple(float(word) for word in words)
    except ValueError:
        values = (-1.0,)
    if not values:
        return None
    if len(values) not in (1, 3) or not all(0 < value < float("inf") for value in values):
        raise UsageError(f"{text!r}: expected one number above 0, or three separated by commas, such as 1,1,1")
    return values


def result_path(source: str) -> str:
    """Where the result of a scan would lie: beside it, as NIfTI, "finer.nii.gz" where it has no path."""
    if not source:
        return "finer.nii.gz"
    path = Path(source)
    return str(path.with_name(f"{stem(path.name)}_finer.nii.gz"))


def _changed(settings: EnhanceSettings) -> Iterator[tuple[str, Any]]:
    """Names and values of the settings that are not at their defaults and that count in their mode."""
    for part, kind in ((settings, EnhanceSettings), (settings.input, Input), (settings.output, Output)):
        for entry in fields(kind):
            value = getattr(part, entry.name)
            aside = entry.name in (*UNUSED[settings.mode], "input", "output")
            if not aside and value != getattr(kind, entry.name):
                yield entry.name, value


def _words(option: str, value: Any) -> list[str]:
    if value is True:
        return [option]
    if option == "--region":
        return [option, ",".join(f"{start}:{stop}" for start, stop in zip(*value, strict=True))]
    if isinstance(value, tuple):
        return [option, ",".join(f"{number:g}" for number in value)]
    return [option, f"{value:g}" if isinstance(value, float) else str(value)]
