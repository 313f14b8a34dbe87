"""Distances between the slices of one stack: even, with slices missing, or changing on the way."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

MAX_STEP_JITTER = 0.03  # of the mean distance: scanners that round positions reach 0.016, a missing slice gives 1
MAX_OFF_GRID = 0.1  # of the mean distance: no slice may lie farther from its place on the even grid
MAX_ROUNDING = 0.3  # of the mean distance: beside a missing slice, positions are half a step off the even grid
MAX_FILLED_RUN = 3  # missing slices in a row that a curve may stand for
MAX_FILLED_SHARE = 0.25  # of all slices of the filled volume
MAX_STRETCH = 2.0  # of the smallest distance: wider ones leave whole slices to be made up
# Of the distance at which two slices touch: how far they may be from it where they are equally thick, and where the
# thickness changes and the table moved by one of the two.
MAX_APART, MAX_APART_AT_CHANGE = 0.05, 0.25
MAX_LISTED = 6  # changes of distance named in one message


@dataclass(frozen=True)
class Part:
    """Slices `start` to `stop` of a stack, and the place of each on one even grid: whole numbers from 0 on the grid."""

    start: int
    stop: int
    places: tuple[float, ...]

    @property
    def n_places(self) -> int:
        """Places of the grid; it ends less than half a step beyond the last slice."""
        return int(np.ceil(self.places[-1] + 0.5))

    @property
    def filled(self) -> tuple[int, ...]:
        """Places that no slice holds."""
        held = set(self.places)
        return tuple(k for k in range(self.n_places) if k not in held)


def is_even(along_mm: NDArray[np.float64], rounding_mm: float = 0.0) -> bool:
    """Whether slices lie on an even grid within the tolerances.

    Args:
        along_mm: Ascending positions (n,), n from 2.
        rounding_mm: How far a stored position may lie from the true one because it was rounded.
    """
    return _fits(along_mm, np.arange(len(along_mm)), rounding_mm)


def whole(along_mm: NDArray[np.float64]) -> Part:
    """All slices as if nothing were missing."""
    return Part(0, len(along_mm), tuple(range(len(along_mm))))


def with_gaps(along_mm: NDArray[np.float64], rounding_mm: float = 0.0) -> Part | None:
    """All slices on the even grid whose step is the smallest distance; None where distances are not multiples of it."""
    steps = np.diff(along_mm)
    step = float(np.median(steps[steps < 1.5 * steps.min()]))
    multiples = np.rint(steps / step)
    if multiples.min() < 1 or multiples.max() > 1e6:
        return None
    places = np.concatenate([[0], np.cumsum(multiples)]).astype(np.int64)
    return Part(0, len(along_mm), tuple(places.tolist())) if _fits(along_mm, places, rounding_mm) else None


def fillable(part: Part) -> bool:
    """Whether so little is missing that a curve through the neighbours may stand for it."""
    n_missing = part.n_places - len(part.places)
    widest = int(np.diff(part.places).max())
    return n_missing <= MAX_FILLED_SHARE * part.n_places and widest <= MAX_FILLED_RUN + 1


def on_even_grid(along_mm: NDArray[np.float64], rounding_mm: float = 0.0) -> Part | None:
    """All slices on an even grid through the longest run of the smallest distance, most of them between its places.

    None where there is no such run of three slices, or where a distance is over `MAX_STRETCH` times the smallest.
    """
    bounds = _bounds(_cuts_where_distances_change(along_mm, rounding_mm), len(along_mm))
    runs = [along_mm[start:stop] for start, stop in bounds if stop - start > 2]
    if not runs:
        return None
    steps = [float(run[-1] - run[0]) / (len(run) - 1) for run in runs]
    finest = [run for run, step in zip(runs, steps, strict=True) if step <= (1 + MAX_STEP_JITTER) * min(steps)]
    anchor = max(finest, key=len)
    step = float(anchor[-1] - anchor[0]) / (len(anchor) - 1)
    distances = np.diff(along_mm)
    allowed = MAX_STEP_JITTER * step + 2 * rounding_mm
    if distances.min() < step - allowed or distances.max() > MAX_STRETCH * step + allowed:
        return None
    places = (along_mm - anchor[0]) / step
    places -= np.floor(places[0] + 0.5)
    whole_ones = np.rint(places)
    places = np.where(np.abs(places - whole_ones) <= MAX_STEP_JITTER, whole_ones, places)
    return Part(0, len(along_mm), tuple(places.tolist()))


def touch(along_mm: NDArray[np.float64], thickness_mm: NDArray[np.float64]) -> bool:
    """Whether every slice reaches to the next, however thick each is.

    Args:
        along_mm: Ascending positions (n,).
        thickness_mm: Thickness of each (n,).
    """
    touching = (thickness_mm[:-1] + thickness_mm[1:]) / 2
    is_change = np.abs(np.diff(thickness_mm)) > MAX_APART * touching
    most = np.where(is_change, MAX_APART_AT_CHANGE, MAX_APART)
    return bool(np.all(np.abs(np.diff(along_mm) - touching) <= most * touching))


def even_parts(along_mm: NDArray[np.float64], rounding_mm: float = 0.0) -> list[Part] | None:
    """The slices in runs of even distances, each slice in one run; None where a run would not be a scan.

    A run of one slice is not a scan, nor is a run of two whose distance no longer run has.
    """
    gaps = with_gaps(along_mm, rounding_mm)
    at_gaps = [] if gaps is None else [(np.flatnonzero(np.diff(gaps.places) > 1) + 1).tolist()]
    for cuts in (*at_gaps, _cuts_where_distances_change(along_mm, rounding_mm)):
        bounds = _bounds(cuts, len(along_mm))
        if _are_scans(along_mm, bounds, rounding_mm):
            return [Part(start, stop, tuple(range(stop - start))) for start, stop in bounds]
    return None


def described(along_mm: NDArray[np.float64]) -> str:
    """Each distance and after which slices (from 1) it stands, such as "4 mm after slices 1 to 3"."""
    steps = np.diff(along_mm)
    changes = np.abs(np.diff(steps)) > MAX_STEP_JITTER * np.minimum(steps[:-1], steps[1:])
    cuts = [0, *(np.flatnonzero(changes) + 1).tolist(), len(steps)]
    said = []
    for first, stop in pairwise(cuts):
        after = f"slice {stop}" if stop - first == 1 else f"slices {first + 1} to {stop}"
        said.append(f"{steps[first:stop].mean():.4g} mm after {after}")
    more = f" and {len(said) - MAX_LISTED} more changes" if len(said) > MAX_LISTED else ""
    return f"{', '.join(said[:MAX_LISTED])}{more} of {len(along_mm)}"


def _fits(along_mm: NDArray[np.float64], places: NDArray[np.int64], rounding_mm: float) -> bool:
    step = float(along_mm[-1] - along_mm[0]) / int(places[-1])
    off_step = np.abs(np.diff(along_mm) - step * np.diff(places)).max()
    off_grid = np.abs(along_mm - along_mm[0] - step * places).max()
    if off_step <= MAX_STEP_JITTER * step and off_grid <= MAX_OFF_GRID * step:
        return True
    rounded = 2 * rounding_mm  # the ends of the grid are rounded as well
    return bool(off_grid <= rounded <= MAX_ROUNDING * step)


def _bounds(cuts: list[int], n: int) -> list[tuple[int, int]]:
    return list(zip([0, *cuts], [*cuts, n], strict=True))


def _cuts_where_distances_change(along_mm: NDArray[np.float64], rounding_mm: float) -> list[int]:
    cuts, start = [], 0
    for stop in range(3, len(along_mm) + 1):
        if stop - start > 2 and not is_even(along_mm[start:stop], rounding_mm):
            start = stop - 1
            cuts.append(start)
    return cuts


def _are_scans(along_mm: NDArray[np.float64], bounds: list[tuple[int, int]], rounding_mm: float) -> bool:
    if min(stop - start for start, stop in bounds) < 2:
        return False
    runs = [along_mm[start:stop] for start, stop in bounds]
    long_steps = np.array([np.diff(run).mean() for run in runs if len(run) > 2])
    short_steps = [float(run[1] - run[0]) for run in runs if len(run) == 2]
    return all(is_even(run, rounding_mm) for run in runs) and all(
        len(long_steps) and np.abs(long_steps / step - 1).min() <= MAX_STEP_JITTER for step in short_steps
    )
