"""Slices to one regular grid, or a refusal that says what keeps them from being one.

Distances come from positions alone: SpacingBetweenSlices may hold the gap (old GE) or the step along the table (tilted
gantry), SliceThickness is nominal, and instance numbers need not follow the anatomy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsr.affine import MAX_SHEAR_COSINE
from medsr.errors import GeometryError
from medsr.io.frames import Frame

MAX_STEP_JITTER = 0.03  # of the mean distance: scanners that round positions reach 0.016, a missing slice gives 1
MAX_OFF_GRID = 0.1  # of the mean distance: no slice may lie farther from its place on the even grid
MAX_SIDEWAYS_PIXELS = 0.25  # a slice may lie so much beside the line through the first and last one
MAX_TURN = 1e-3  # largest difference between direction cosines of slices that count as parallel
MAX_SPACING_CHANGE = 1e-3  # relative, of the pixel spacing
SAME_PLACE_MM = 1e-2  # slices closer than this lie at one position
NEVER_MIXED = ("echo time", "image type", "b-value")  # one volume has one of each
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Stack:
    """Slices in order along row x column, and the affine (4, 4) of index (column, row, slice) to RAS mm."""

    frames: tuple[Frame, ...]
    affine: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(columns, rows, slices)."""
        rows, columns = self.frames[0].shape
        return columns, rows, len(self.frames)


def stacked(frames: Sequence[Frame]) -> Stack:
    """The frames as one regular volume; its step between slices runs from the first to the last position.

    Raises:
        GeometryError: one slice, mixed matrix, spacing or orientation, several volumes, repeated positions, uneven
            distances, or slices sheared against their normal (tilted gantry).
    """
    _check_alike(frames)
    normal = np.cross(*frames[0].directions)
    ordered = sorted(frames, key=lambda frame: float(frame.position_mm @ normal))
    positions = np.array([frame.position_mm for frame in ordered])
    _check_single(ordered, positions @ normal)
    step = (positions[-1] - positions[0]) / (len(ordered) - 1)
    _check_distances(positions @ normal)
    _check_upright(step, ordered[0], normal)
    _check_in_line(positions, step, normal, min(ordered[0].spacing_mm))
    return Stack(tuple(ordered), _affine(ordered[0], step))


def _affine(first: Frame, step: NDArray[np.float64]) -> NDArray[np.float64]:
    between_rows, between_columns = first.spacing_mm
    lps = np.eye(4)
    lps[:3, 0] = first.directions[0] * between_columns
    lps[:3, 1] = first.directions[1] * between_rows
    lps[:3, 2] = step
    lps[:3, 3] = first.position_mm
    return np.asarray(LPS_TO_RAS @ lps, dtype=np.float64)


def _check_alike(frames: Sequence[Frame]) -> None:
    first = frames[0]
    shapes = sorted({frame.shape for frame in frames})
    if len(shapes) > 1:
        sizes = ", ".join(f"{columns} x {rows}" for rows, columns in shapes[:4])
        raise GeometryError(f"slices have different matrices: {sizes}; expected one for all")
    turned = sum(bool(np.abs(frame.directions - first.directions).max() > MAX_TURN) for frame in frames)
    if turned:
        raise GeometryError(
            f"mixed orientation: {turned} of {len(frames)} slices are not parallel to the first; "
            "expected one stack of parallel slices"
        )
    spacings = np.array([frame.spacing_mm for frame in frames])
    if np.any(np.abs(spacings / spacings[0] - 1) > MAX_SPACING_CHANGE):
        raise GeometryError(f"pixel spacing varies from {spacings.min():.4g} to {spacings.max():.4g} mm; expected one")
    if len({frame.frame_of_reference for frame in frames}) > 1:
        raise GeometryError("slices are measured from different origins (frames of reference); expected one for all")
    if len(frames) == 1:
        raise GeometryError(f"one slice of {first.shape[1]} x {first.shape[0]} pixels is no volume; expected 2 or more")


def _check_single(ordered: list[Frame], along_mm: NDArray[np.float64]) -> None:
    """Every position once, and nothing that tells several volumes apart."""
    starts = [0, *(np.flatnonzero(np.diff(along_mm) > SAME_PLACE_MM) + 1).tolist()]
    counts = np.diff([*starts, len(ordered)])
    if counts.max() == 1:
        mixed = _differing(ordered, NEVER_MIXED)
        if mixed:
            raise GeometryError(f"slices differ in {mixed}; expected one volume, so keep only slices that agree")
        return
    place = starts[int(np.argmax(counts))]
    said = _differing(ordered[place : place + int(counts.max())], tuple(ordered[place].labels))
    if counts.min() == counts.max():
        raise GeometryError(
            f"{counts[0]} volumes of {len(counts)} slices in one series, differing in {said or 'nothing but pixels'}; "
            "put the files of one volume into a folder of their own"
        )
    raise GeometryError(
        f"{counts.max()} different slices at one position ({len(ordered)} slices at {len(counts)} positions), "
        f"differing in {said or 'nothing but pixels'}; remove the ones not wanted"
    )


def _differing(frames: Sequence[Frame], names: Sequence[str]) -> str:
    return " and ".join(name for name in names if len({frame.labels.get(name) for frame in frames}) > 1)


def _check_distances(along_mm: NDArray[np.float64]) -> None:
    steps = np.diff(along_mm)
    mean = float(steps.mean())
    off_grid = np.abs(along_mm - along_mm[0] - mean * np.arange(len(along_mm))).max()
    if np.abs(steps - mean).max() > MAX_STEP_JITTER * mean or off_grid > MAX_OFF_GRID * mean:
        gap = int(np.argmax(steps))
        raise GeometryError(
            f"slices are {steps.min():.4g} to {steps.max():.4g} mm apart (widest after slice {gap + 1} of "
            f"{len(along_mm)}): a slice is missing or distances vary; expected even distances within "
            f"{MAX_STEP_JITTER:.0%}"
        )


def _check_upright(step: NDArray[np.float64], first: Frame, normal: NDArray[np.float64]) -> None:
    unit = step / np.linalg.norm(step)
    if np.abs(first.directions @ unit).max() > MAX_SHEAR_COSINE:
        angle = float(np.degrees(np.arccos(np.clip(unit @ normal, -1, 1))))
        raise GeometryError(
            f"slices are sheared by {angle:.3g} degrees against their normal, as by a tilted gantry; "
            "resample to upright slices first"
        )


def _check_in_line(
    positions: NDArray[np.float64], step: NDArray[np.float64], normal: NDArray[np.float64], pixel_mm: float
) -> None:
    off = positions - positions[0] - np.arange(len(positions))[:, None] * step
    sideways = float(np.linalg.norm(off - np.outer(off @ normal, normal), axis=1).max())
    if sideways > MAX_SIDEWAYS_PIXELS * pixel_mm:
        raise GeometryError(
            f"a slice lies {sideways:.3g} mm beside the line of the others; expected at most a quarter of a pixel"
        )
