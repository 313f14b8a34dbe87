"""How much of a result the scan did not measure: what it holds beyond the IBP estimate, and whether that is true.

The measured part of a scan x is G A x (`Separable.measured`). The rest, x - G A x, lies in the null space of A. The
stripes of A+ A, which every method shares, would pass for truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from medsr.metrics.arrays import Mask, Scan, as_array

WINDOW_SIGMA_VOX = 2.0
FLAT_SHARE = 1e-3  # of the range inside the mask: where both parts are smaller, there is nothing to share
ROUNDING = 1e-6  # of the largest value, the same for a scan without contrast

Measured = Callable[[Tensor], Tensor]
"""The part of a scan (I, J, K) that is measured, G A x."""


@dataclass(frozen=True)
class PriorPart:
    """The unmeasured part of a result against the reference's.

    Attributes:
        energy: Energy over that of the reference's part: below 1 is blurred, about 1 a likely sample, above 1 too much.
        correlation: Correlation with the reference's part, -1 to 1: the true share. Energy without correlation is
            invention.
        share: Median of `prior_map` inside the mask.
    """

    energy: float
    correlation: float
    share: float


def prior_part(x: Scan, reference: Scan, mask: Mask, measured: Measured) -> PriorPart:
    """Energy and correlation of x - G A x inside the mask, against the reference's.

    Args:
        x: Result, (I, J, K).
        reference: Reference, (I, J, K), same unit.
        mask: Voxels that count, (I, J, K) bool, at least one.
        measured: Function that keeps the measured part, G A.
    """
    ours, truth = (_unmeasured(scan, measured)[mask] for scan in (x, reference))
    product, own, other = (float(np.sum(a * b)) for a, b in ((ours, truth), (ours, ours), (truth, truth)))
    energy = own / other if other > 0 else float("nan")
    correlation = product / np.sqrt(own * other) if own * other > 0 else float("nan")
    return PriorPart(energy, float(correlation), float(np.median(prior_map(x, measured, mask)[mask])))


def prior_map(x: Scan, measured: Measured, mask: Mask) -> NDArray[np.float32]:
    """Share of the local contrast that was not measured, (I, J, K) float32, 0 to 1.

    e / (e + m) with the mean square e of x - G A x and the variance m of G A x under a Gaussian window of sigma 2
    voxels. Near 0 the scan shows what is seen, near 1 only prior knowledge does. 0 where the scan is flat.

    Args:
        x: Result, (I, J, K).
        measured: Function that keeps the measured part, G A.
        mask: Mask that the range is taken in, (I, J, K) bool; the map covers the whole scan.
    """
    data = as_array(x).astype(np.float64)
    rest = _unmeasured(x, measured)
    seen = data - rest
    e = _blurred(rest**2)
    m = np.maximum(_blurred(seen**2) - _blurred(seen) ** 2, 0.0)
    flat = max(FLAT_SHARE * float(np.ptp(data[mask])), ROUNDING * float(np.abs(data).max())) ** 2
    return np.asarray(e / np.maximum(e + m, max(flat, np.finfo(np.float64).tiny)), dtype=np.float32)


def _unmeasured(x: Scan, measured: Measured) -> NDArray[np.float64]:
    data = torch.from_numpy(as_array(x).astype(np.float64))
    return np.asarray((data - measured(data)).numpy())


def _blurred(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(ndimage.gaussian_filter(x, WINDOW_SIGMA_VOX, mode="reflect"))
