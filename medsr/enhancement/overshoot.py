"""Overshoot: values of a result beyond all that the scan shows around them. A check that needs no reference.

Sharpening by a profile wider than the true one rings. The right profile overshoots too, since a voxel averages over
its peak: on training scans that were degraded by Gaussians 1.0 and 1.4 samples wide, 3 and 8 % of the voxels do. A
wrong one that costs over 1 dB against cubic interpolation makes that 6 to 40 %.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from medsr.physics.acquisition import Acquisition
from medsr.volume import Volume

BLOCK_VOX = 128  # side of the central block of the result that is looked at
NOISE_SIGMAS = 3.0  # a value may lie beyond the range around it by this much noise
EDGE_SHARE = 0.1  # and by this share of that range
NOISE_FLOOR = 0.004  # of the range of intensities: what counts as noise at least
MOST = 0.05  # share of voxels for profiles up to one sample wide; grows with the cube of a wider one


def overshoot(scan: Volume, result: Volume, acquisition: Acquisition, noise: float, width: float) -> float:
    """Share of voxels beyond the range of the scan around them, 3 samples a side, by more than noise and a tenth of it.

    Args:
        scan: Input (i, j, k).
        result: Result (I, J, K), same unit.
        acquisition: Acquisition of the input, and the fine grid.
        noise: Standard deviation of the scan's noise, same unit.
        width: Range of the scan's intensities, same unit.
    """
    i, j, k = (slice(max(0, (n - BLOCK_VOX) // 2), (n + BLOCK_VOX) // 2) for n in result.shape)
    lower, upper = (
        acquisition.op.nearest(torch.from_numpy(around(scan.data, 3, mode="nearest"))).numpy()[i, j, k]
        for around in (ndimage.minimum_filter, ndimage.maximum_filter)
    )
    x = result.data[i, j, k]
    allowed = NOISE_SIGMAS * max(noise, NOISE_FLOOR * width) + EDGE_SHARE * (upper - lower)
    return float(np.mean(np.maximum(x - upper, lower - x) > allowed))


def most_overshoot(acquisition: Acquisition) -> float:
    """The overshoot above which a result is sharpened too much, for the widest profile that is assumed."""
    return MOST * widest(acquisition) ** 3


def widest(acquisition: Acquisition) -> float:
    """Width of the widest Gaussian that is assumed, in samples; 1 where none is wider."""
    widths = [
        axis.fwhm * axis.n_coarse / axis.n_fine
        for axis in acquisition.op.axes
        if axis is not None and axis.profile == "gaussian"
    ]
    return float(max([1.0, *widths]))
