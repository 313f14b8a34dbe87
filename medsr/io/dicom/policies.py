"""What the reader does with a DICOM series that is not one regular volume as it lies there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Policies:
    """Refusal unless something else is asked for. NIfTI files, regular by their nature, ignore them.

    Attributes:
        gaps: Missing slices or distances that change on the way: "refuse"; "fill" what is missing on the even grid,
            linearly between its neighbours; or "split" into several scans, each regular.
        tilt: Slices sheared against their normal: "refuse", or "resample" to an upright grid.
    """

    gaps: Literal["refuse", "fill", "split"] = "refuse"
    tilt: Literal["refuse", "resample"] = "refuse"


DEFAULT = Policies()
