"""What patches may hold that those of the shipped weights did not: shares of a recipe, all left out by default."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from medsr.io.recipes import FORBID_UNKNOWN


@dataclass(frozen=True)
class Extras:
    """Shares of the patches, 0 to 1, that differ from an ideal acquisition of a real scan.

    The defaults leave every batch as it is without them.

    Attributes:
        full_range: Factors over all that the model card claims: to 6 on several axes, slices every 7.5 mm.
        synthetic: Geometry with random contrasts in the place of a scan.
        soft: Truth softer than its spacing: half smoothed, half zero-filled.
        correlated: Noise that neighbours share, as kernels (CT) and filters (MR) leave it.
        uneven: Every other slice brighter or darker by up to a tenth, as interleaved slices may be.
        moved: Slices shifted in their plane against each other by up to half a voxel.
        told_wrong: The width that is told is off by a factor of 0.8 to 1.25; for half of them the profile is wrong too.
        stages: Stages of a cascade: references of 1, 2 or 4 times coarser voxels along one axis, refined by about 2.

    Raises:
        ValueError: A share outside 0 to 1.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    full_range: bool = False
    synthetic: float = 0.0
    soft: float = 0.0
    correlated: float = 0.0
    uneven: float = 0.0
    moved: float = 0.0
    told_wrong: float = 0.0
    stages: float = 0.0

    def __post_init__(self) -> None:
        for name, share in asdict(self).items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} is {share:g}; expected a share from 0 to 1")


NO_EXTRAS = Extras()


def happens(rng: np.random.Generator, share: float) -> bool:
    """Whether something happens that does so in a share of the cases; what never does costs no random number."""
    return share > 0 and float(rng.random()) < share
