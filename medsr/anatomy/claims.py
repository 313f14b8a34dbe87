"""What can be claimed of a structure's volume: an interval from posterior samples, calibrated on other subjects.

Split conformal prediction with the subject as unit (rank `ceil((n + 1) level)` of n scores; arXiv 2303.02770), on the
measured volume instead of voxels, as Cheung et al. do for other measurements (arXiv 2404.15274). A claim holds for a
new subject that comes from where the others do, on average over such subjects, and for one structure at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

WANTED_LEVEL = 0.9
LEAST_SPREAD = 0.01  # of the volume: samples that all agree don't make an interval of no width
ROUNDING = 1e-9  # of products such as (n + 1) level that are whole numbers on paper


@dataclass(frozen=True)
class SampledVolume:
    """One structure in the result for one scan.

    Attributes:
        reference_ml: Volume in the reference.
        volume_ml: Volume in the posterior mean: what is claimed.
        samples_ml: Volume in each posterior sample, at least one.
    """

    reference_ml: float
    volume_ml: float
    samples_ml: tuple[float, ...]

    @property
    def claimable(self) -> bool:
        """Whether the result shows the structure at all; the reference is not asked, since a new scan has none."""
        return self.volume_ml > 0

    @property
    def spread_ml(self) -> float:
        """Root mean square distance of the samples' volumes from that of the mean, or 1 % of that where it is less."""
        away = np.subtract(self.samples_ml, self.volume_ml)
        return max(math.sqrt(float(np.mean(away**2))), LEAST_SPREAD * self.volume_ml)

    @property
    def score(self) -> float:
        """Distance of the reference's volume from the claimed one, in spreads."""
        return abs(self.reference_ml - self.volume_ml) / self.spread_ml


@dataclass(frozen=True)
class Claim:
    """The interval of one volume.

    Attributes:
        low_ml: Lower end; NaN where there is no other subject.
        high_ml: Upper end; NaN as `low_ml`.
        level: Chance, 0 to 1, that the interval holds the volume of a new subject; 0 without other subjects.
        n_others: Number of other subjects that it was calibrated on.
    """

    low_ml: float
    high_ml: float
    level: float
    n_others: int

    def holds(self, volume_ml: float) -> bool:
        """Whether a volume lies inside; nothing lies in an interval that isn't there."""
        return self.low_ml <= volume_ml <= self.high_ml


def subjects_needed(level: float = WANTED_LEVEL) -> int:
    """The fewest other subjects that can carry a level: with fewer, its interval has no end."""
    return math.ceil(level / (1 - level) - ROUNDING)


def level_of(n_others: int, wanted: float = WANTED_LEVEL) -> float:
    """The level that is claimed with n other subjects: the wanted one, or n / (n + 1), the highest that n can carry."""
    return min(wanted, n_others / (n_others + 1))


def claim(volume: SampledVolume, other_scores: Sequence[float], wanted: float = WANTED_LEVEL) -> Claim:
    """The interval of a volume, of the wanted level or of the highest that the other subjects can carry.

    Args:
        volume: Volume to claim; its reference is not used.
        other_scores: Score of the same structure in each other subject.
        wanted: Level, 0 to 1.
    """
    n = len(other_scores)
    if not n:
        return Claim(math.nan, math.nan, 0.0, 0)
    level = level_of(n, wanted)
    rank = math.ceil((n + 1) * level - ROUNDING)
    reach = sorted(other_scores)[rank - 1] * volume.spread_ml
    return Claim(max(0.0, volume.volume_ml - reach), volume.volume_ml + reach, level, n)


def left_out(
    volumes: Mapping[str, Sequence[SampledVolume]], wanted: float = WANTED_LEVEL
) -> dict[str, tuple[Claim | None, ...]]:
    """Claims on one structure in each subject, each calibrated on all other subjects.

    A subject with several scans counts with its largest score. Scans whose result does not show the structure have no
    claim and calibrate none.

    Args:
        volumes: Volumes of the structure in the scans of each subject.
        wanted: Level, 0 to 1.

    Returns:
        A claim for each scan, in the same order; None where the result does not show the structure.
    """
    scores = {
        subject: max(one.score for one in scans if one.claimable)
        for subject, scans in volumes.items()
        if any(one.claimable for one in scans)
    }

    def of(subject: str, volume: SampledVolume) -> Claim | None:
        others = [score for name, score in scores.items() if name != subject]
        return claim(volume, others, wanted) if volume.claimable else None

    return {subject: tuple(of(subject, one) for one in scans) for subject, scans in volumes.items()}
