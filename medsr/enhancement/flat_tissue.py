"""What a result adds to flat tissue over cubic interpolation: ripple between slices, roughness in their plane.

Flat tissue holds no detail that a finer grid could show. What varies there within a slice, where cubic interpolation
has nothing, is noise or ringing. A check that needs no reference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from medsr.enhancement.overshoot import NOISE_FLOOR, widest
from medsr.model.intensity import Scale
from medsr.physics.acquisition import Acquisition
from medsr.volume import Volume

BLOCK_VOX = 128  # side of the central block of the result that is looked at
FLAT_SIGMAS = 8.0  # the range of 27 voxels of white noise is 4 sigma
AIR_SHARE = 0.1  # of the range of intensities: what is darker is air, where noise is another
LEAST_VOX = 2000  # of flat tissue
UNSEEN = 0.1  # of the noise that counts at least: nobody sees less, and a scan without noise has nothing to divide by
# Results on five real scans have ripple of 1.0 to 2.1 and roughness of 0.7 to 1.3; right profiles give up to 3.7 and
# 1.4 on scans that were degraded without noise. Stripes that a user saw in a CT had 18 times the amplitude that cubic
# interpolation left, and a Gaussian of 1.4 samples that is wrong in 3D gives 18 to 21. The limits lie between.
MOST_RIPPLE = 8.0  # for profiles up to one sample wide; grows with the square of a wider one
MOST_ROUGHNESS = 3.0


@dataclass(frozen=True)
class InFlatTissue:
    """Standard deviations in flat tissue, over those of cubic interpolation; None where there is nothing to measure.

    Attributes:
        ripple: Of what varies within a slice along the refined axes, the largest of these axes.
        roughness: Of second differences along the axes that are not refined, the largest of them.
    """

    ripple: float | None
    roughness: float | None


def in_flat_tissue(scan: Volume, result: Volume, acquisition: Acquisition, noise: float, scale: Scale) -> InFlatTissue:
    """Ripple and roughness of a result, measured in its central block.

    Args:
        scan: Input (i, j, k).
        result: Result (I, J, K), same unit.
        acquisition: Acquisition of the input, and the fine grid.
        noise: Standard deviation of the scan's noise, same unit.
        scale: Range of the scan's intensities.
    """
    centre = tuple(slice(max(0, (n - BLOCK_VOX) // 2), (n + BLOCK_VOX) // 2) for n in result.shape)
    y = torch.from_numpy(np.array(scan.data))
    flat = acquisition.op.nearest(_flat(scan, noise, scale)).numpy()[centre] > 0.5
    if np.count_nonzero(flat) < LEAST_VOX:
        return InFlatTissue(None, None)
    x, cubic = result.data[centre], acquisition.op.cubic(y).numpy()[centre]
    least = UNSEEN * NOISE_FLOOR * scale.width
    ripple, roughness = [], []
    for axis, factor in enumerate(acquisition.factors):
        if acquisition.degraded[axis]:
            period = max(2, round(float(factor)))
            ripple.append(_ratio(_within(x, period, axis)[flat], _within(cubic, period, axis)[flat], least))
        else:
            there = np.take(flat, np.arange(1, flat.shape[axis] - 1), axis)
            roughness.append(_ratio(np.diff(x, 2, axis)[there], np.diff(cubic, 2, axis)[there], least))
    return InFlatTissue(max(ripple) if ripple else None, max(roughness) if roughness else None)


def most_ripple(acquisition: Acquisition) -> float:
    """The ripple above which a result is sharpened too much, for the widest profile that is assumed."""
    return MOST_RIPPLE * widest(acquisition) ** 2


def _flat(scan: Volume, noise: float, scale: Scale) -> torch.Tensor:
    """1 where a voxel of the scan and its neighbours differ by no more than noise makes them differ, 0 elsewhere."""
    lower, upper = ndimage.minimum_filter(scan.data, 3), ndimage.maximum_filter(scan.data, 3)
    is_flat = upper - lower < FLAT_SIGMAS * max(noise, NOISE_FLOOR * scale.width)
    is_tissue = lower > scale.low + AIR_SHARE * scale.width
    return torch.from_numpy((is_flat & is_tissue).astype(np.float32))


def _within(x: NDArray[np.float32], period: int, axis: int) -> NDArray[np.float32]:
    """What varies within a slice: the difference from the average over its thickness."""
    return np.asarray(x - ndimage.uniform_filter1d(x, period, axis=axis), np.float32)


def _ratio(values: NDArray[np.float32], of_cubic: NDArray[np.float32], least: float) -> float:
    return _rms(values) / max(_rms(of_cubic), least)


def _rms(values: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(values), dtype=np.float64)))
