"""What a person asks for in the viewer, as a value: to the child process, and to the command line."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from medsr.errors import UsageError
from medsr.io.formats import stem

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Wish:
    """One enhancement; the defaults are those of the command line.

    Attributes:
        spacing_mm: wanted spacing, one number or one per stored axis; None: not asked for.
        factors: wanted voxels per voxel instead.
        mode: "mean", "sample" or "uncertainty".
        blend: 0 (mean) to 1 (draw), for "sample".
        samples: behind the spread.
        steps: evaluations of the network per draw.
        seed: of the draws.
        flips: axes along which the mean is averaged over flips.
        profile: of the acquisition.
        thickness_mm: of the slices; None: as the headers say.
        force: go on outside what the model was validated on.
        model: name of a packaged model, or a weights file.
        device: "auto", "cpu" or "cuda".
        region: first voxel and one past the last, on stored axes; None: the whole scan.
        watch: show every step of the draw, for "sample".
    """

    spacing_mm: tuple[float, ...] | None = None
    factors: tuple[float, ...] | None = None
    mode: str = "mean"
    blend: float = 1.0
    samples: int = 8
    steps: int = 6
    seed: int = 0
    flips: int = 1
    profile: str = "gaussian"
    thickness_mm: float | None = None
    force: bool = False
    model: str = "medsr-base"
    device: str = "auto"
    region: tuple[Triple, Triple] | None = None
    watch: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Wish:
        """The wish of `to_dict`, before or after a passage through JSON.

        Raises:
            UsageError: an unknown key.
        """
        unknown = set(content) - {field.name for field in fields(cls)}
        if unknown:
            raise UsageError(f"a wish has no {sorted(unknown)[0]!r}; this version and the viewer's differ")
        return cls(**{key: _tuples(value) for key, value in content.items()})

    def command(self, source: str, target: str) -> str:
        """The same run for the terminal; what is left at its default is left out, and the region, which it has not.

        Args:
            source: path of the scan, "" where it has none.
            target: path of the result.
        """
        words = ["medsr", "enhance", source or "SCAN", target]
        words += _numbers("--spacing", self.spacing_mm) + _numbers("--factor", self.factors)
        if self.mode != Wish.mode:
            words += ["--mode", self.mode]
        relevant = {"mean": (), "sample": ("blend", "steps", "seed"), "uncertainty": ("samples", "steps", "seed")}
        for name in (*relevant.get(self.mode, ()), "flips", "profile", "model", "device"):
            value = getattr(self, name)
            if value != getattr(Wish, name):
                words += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
        words += _numbers("--thickness", None if self.thickness_mm is None else (self.thickness_mm,))
        return shlex.join([*words, "--force"] if self.force else words)


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


def _numbers(option: str, values: Iterable[float] | None) -> list[str]:
    return [] if values is None else [option, ",".join(f"{value:g}" for value in values)]


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list | tuple) else value
