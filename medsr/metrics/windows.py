"""The part of a scan that spectra are taken of: the box around the mask, faded out towards its faces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsr.metrics.arrays import Mask, Scan, as_array


def windowed(x: Scan, mask: Mask | None = None) -> NDArray[np.float64]:
    """The scan in the mask's box, its mean under the window removed, times a Hann window along all three axes.

    Args:
        x: Scan, (I, J, K), any unit.
        mask: Mask, (I, J, K) bool, at least one voxel; None for the whole scan.
    """
    data = as_array(x)
    if mask is not None:
        data = data[bounding_box(mask)]
    window = hann(data.shape)
    centred = data.astype(np.float64)
    return np.asarray((centred - float((centred * window).sum() / window.sum())) * window)


def hann(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Product of one Hann window per axis, of that shape, symmetric and nowhere zero."""
    window = np.ones(())
    for n in shape:
        window = window[..., None] * np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
    return window


def bounding_box(mask: Mask) -> tuple[slice, ...]:
    """The smallest box that holds the mask.

    Raises:
        ValueError: the mask is empty.
    """
    box = []
    for axis in range(3):
        inside = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        if inside.size == 0:
            raise ValueError("the mask is empty")
        box.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return tuple(box)
