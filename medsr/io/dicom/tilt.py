"""Sheared stacks made upright: each slice shifted in its own plane, none mixed with its neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.volume import check_shape

ROUNDING = 1e-6  # pixels; a shift by less needs no wider grid


def upright(data: NDArray[np.float32], affine: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The same slices on an upright grid that covers them all; their planes and distances stay.

    Values come from a cubic spline in the plane, kept within the range of their slice. What lies outside a slice gets
    the lowest value of the scan: air, or the background.

    Args:
        data: (columns, rows, slices).
        affine: (4, 4) whose first two columns are perpendicular to each other, and whose third may lean.

    Returns:
        Data (columns + a, rows + b, slices), and its affine.
    """
    in_plane = affine[:3, :2] / np.linalg.norm(affine[:3, :2], axis=0)
    lean_mm = in_plane.T @ affine[:3, 2]
    shifts = np.outer(np.arange(data.shape[2]), lean_mm / np.linalg.norm(affine[:3, :2], axis=0))
    low, high = np.floor(shifts.min(axis=0) + ROUNDING), np.ceil(shifts.max(axis=0) - ROUNDING)
    n_columns, n_rows = (int(n + extra) for n, extra in zip(data.shape, high - low, strict=False))
    check_shape((n_columns, n_rows, data.shape[2]))
    moved = np.full((n_columns, n_rows, data.shape[2]), data.min(), np.float32, order="F")
    for k, shift in enumerate(shifts - low):
        _put(data[:, :, k], moved[:, :, k], shift)
    straight = affine.copy()
    straight[:3, 2] -= in_plane @ lean_mm
    straight[:3, 3] += affine[:3, :2] @ low
    return moved, straight


def _put(picture: NDArray[np.float32], onto: NDArray[np.float32], shift: NDArray[np.float64]) -> None:
    """Write `picture` into `onto`, moved by `shift` (2,) pixels from its corner."""
    whole = np.ceil(shift - 0.5).astype(int)  # pixels of `onto` whose centres lie inside the picture
    inside = tuple(slice(start, start + n) for start, n in zip(whole, picture.shape, strict=True))
    values = ndimage.shift(picture, shift - whole, order=3, mode="nearest")
    onto[inside] = np.clip(values, picture.min(), picture.max())
