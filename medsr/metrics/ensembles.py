"""What samples say together: scores of joint values in small blocks, means of blocks, spectrum, histogram.

A test that looks at one voxel at a time can't tell samples from a mean with white noise of the right size. Blocks of
4 x 4 x 4 voxels can: their means vary as much as neighbours go together. Samples are (M, I, J, K), M at least 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from medsr.metrics.arrays import Mask
from medsr.metrics.sharpness import high_frequency_power_ratio

BLOCK_VOX = 4

Values = NDArray[Any]


def blocks(x: Values, mask: Mask, side: int = BLOCK_VOX) -> Values:
    """The voxels of every whole block of a mask, (..., blocks, side^3); what is left at the far faces is left out.

    Args:
        x: Scans, (..., I, J, K).
        mask: Voxels that count, (I, J, K) bool; a block counts where all of its voxels do.
        side: Voxels along each side.
    """
    return _cut(x, side)[..., _cut(mask, side).all(axis=-1), :]


def energy_score(samples: Values, truth: Values, mask: Mask, spread: float = 1.0) -> float:
    """Mean energy score of blocks of 4 x 4 x 4 voxels, per root voxel, in the scan's unit; NaN without any block.

    With a block's 64 values as a vector: mean |sample - truth| - sum over i, j |sample_i - sample_j| / (2 M (M - 1)),
    over the root of 64 (Gneiting & Raftery 2007; the sum as in Ferro 2014, so that its expectation does not depend on
    M). Lengths of longer vectors hardly vary, so over more voxels at once it would hardly see how neighbours go
    together.

    Args:
        samples: Posterior samples, (M, I, J, K).
        truth: True values, (I, J, K).
        mask: Voxels that count, (I, J, K) bool.
        spread: As for `crps_of_samples`.
    """
    found, true = blocks(samples, mask), blocks(truth, mask)
    if not true.size:
        return float("nan")
    m = len(found)
    near = np.mean([_norms(one - true) for one in found])
    apart = sum(float(np.mean(_norms(found[i] - found[j]))) for i in range(m) for j in range(i))
    return float((near - apart / (m * (m - 1)) / spread) / np.sqrt(true.shape[-1]))


def block_coverage(samples: Values, mean: Values, truth: Values, mask: Mask, level: float) -> float:
    """Share of blocks of 4 x 4 x 4 voxels whose true mean lies in the central interval that the samples state, 0 to 1.

    The interval is Student's with M - 1 degrees of freedom around the mean, in units of the root mean square distance
    of the samples' means to it. For normal values and samples that balance each other it covers `level` however few
    there are; for independent ones it is a little wide. NaN without any block.

    Args:
        samples: Posterior samples, (M, I, J, K).
        mean: Centre of the interval, (I, J, K).
        truth: True values, (I, J, K).
        mask: Voxels that count, (I, J, K) bool.
        level: Stated share.
    """
    centre = blocks(mean, mask).mean(axis=-1)
    if not centre.size:
        return float("nan")
    distance = blocks(samples, mask).mean(axis=-1) - centre
    deviation = np.sqrt(np.mean(np.square(distance, dtype=np.float64), axis=0))
    width = float(stdtrit(len(samples) - 1, (1 + level) / 2)) * deviation
    return float(np.mean(np.abs(blocks(truth, mask).mean(axis=-1) - centre) <= width))


def power_ratio_of_samples(samples: Values, truth: Values, axes: Sequence[int], mask: Mask) -> float:
    """Mean over samples of the high-frequency power over the truth's, 1 where samples are as sharp.

    Args:
        samples: Posterior samples, (M, I, J, K).
        truth: True values, (I, J, K).
        axes: Degraded axes.
        mask: Mask whose bounding box is the window, (I, J, K) bool.
    """
    return float(np.mean([high_frequency_power_ratio(one, truth, axes, mask) for one in samples]))


def histogram_distance(samples: Values, truth: Values, mask: Mask) -> float:
    """Mean over samples of the Wasserstein-1 distance of the histogram in the mask to the truth's, in the scan's unit.

    For as many values on both sides it is the mean distance of the sorted ones.

    Args:
        samples: Posterior samples, (M, I, J, K).
        truth: True values, (I, J, K).
        mask: Voxels that count, (I, J, K) bool, at least one.
    """
    true = np.sort(truth[mask])
    return float(np.mean([np.mean(np.abs(np.sort(one[mask]) - true)) for one in samples]))


def _cut(x: Values, side: int) -> Values:
    """Every whole block of a field of view, (..., blocks, side^3)."""
    n = [size // side for size in x.shape[-3:]]
    whole = x[..., : n[0] * side, : n[1] * side, : n[2] * side]
    split = whole.reshape(*x.shape[:-3], n[0], side, n[1], side, n[2], side)
    return np.moveaxis(split, (-5, -3, -1), (-3, -2, -1)).reshape(*x.shape[:-3], -1, side**3)


def _norms(x: Values) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(x.astype(np.float64), axis=-1))
