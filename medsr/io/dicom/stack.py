"""Slices to one regular grid, or a refusal that says what keeps them from being one.

Distances come from positions alone: SpacingBetweenSlices may hold the gap (old GE) or the step along the table (tilted
gantry), SliceThickness is nominal, and instance numbers need not follow the anatomy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from medsr.affine import MAX_SHEAR_COSINE, spacing_mm
from medsr.errors import GeometryError
from medsr.io.dicom import distances
from medsr.io.dicom.distances import Part
from medsr.io.dicom.frames import Frame
from medsr.io.dicom.options import DEFAULT, Policies
from medsr.volume import AcquisitionType

MAX_TILT_DEG = 45.0  # gantries tilt by 30 at most; what is sheared by more was made by something else
MAX_SIDEWAYS_PIXELS = 0.25  # a slice may lie so much beside the line through the first and last one
MAX_TURN = 1e-3  # largest difference between direction cosines of slices that count as parallel
MAX_SPACING_CHANGE = 1e-3  # relative, of the pixel spacing
SAME_PLACE_MM = 1e-2  # slices closer than this lie at one position
SAME_THICKNESS = 0.01  # relative; nominal thicknesses that differ by more are not one thickness
FEWEST_OF_PASS = 3  # slices; fewer that come late are no second pass
NEVER_MIXED = ("echo time", "image type", "b-value")  # one volume has one of each
CHOOSE = "choose one of the volumes that medsr inspect lists, with --volume"
Fault = tuple[str, str]  # what is wrong and where, what to do about it
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Stack:
    """Source slices on one even grid, before their pixels are read.

    Attributes:
        frames: The source slices in order along row x column.
        affine: (4, 4) index (column, row, slice) to RAS mm. Sheared where the gantry was tilted; the volume then lies
            on an upright grid of its own.
        part: The slice index of each of `frames`; not a whole number where distances are uneven.
    """

    frames: tuple[Frame, ...]
    affine: NDArray[np.float64]
    part: Part

    @property
    def shape(self) -> tuple[int, int, int]:
        """(columns, rows, slices), filled ones included."""
        rows, columns = self.frames[0].shape
        return columns, rows, self.part.n_places

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Spacing (3,) between columns, rows and slices."""
        return spacing_mm(self.affine)

    @property
    def slice_axis(self) -> int:
        """Axis along which slices were acquired."""
        return 2

    @property
    def thickness_mm(self) -> float | None:
        """Nominal slice thickness where it is known and the same for all."""
        known = [frame.thickness_mm for frame in self.frames if frame.thickness_mm is not None]
        if len(known) < len(self.frames) or max(known) > (1 + SAME_THICKNESS) * min(known):
            return None
        return float(np.median(known))

    @property
    def acquisition_type(self) -> AcquisitionType | None:
        """The acquisition type, "2D" or "3D", where it is known and the same for all."""
        known = {frame.acquisition_type for frame in self.frames}
        return known.pop() if len(known) == 1 else None

    @property
    def is_sheared(self) -> bool:
        """Whether the slices are shifted against each other in their plane."""
        columns = self.affine[:3, :3] / self.spacing_mm
        return bool(np.abs(columns[:, :2].T @ columns[:, 2]).max() > MAX_SHEAR_COSINE)

    @property
    def places(self) -> tuple[float, ...]:
        """The slice index of each of `frames`."""
        return self.part.places

    @property
    def filled(self) -> tuple[int, ...]:
        """Indices of slices that no source slice gave, ascending."""
        return self.part.filled

    @property
    def distance_mm(self) -> float:
        """Distance between slices of the grid along their normal, which a tilted gantry does not change."""
        columns = self.affine[:3, :3] / self.spacing_mm
        return float(abs(np.cross(columns[:, 0], columns[:, 1]) @ self.affine[:3, 2]))

    @property
    def distances_text(self) -> str:
        """Each distance between source slices along their normal, and where it stands."""
        return distances.described(np.array(self.places) * self.distance_mm)

    @property
    def filled_said(self) -> str:
        """Which slices of the grid are interpolated, and why; "" where none are."""
        if not self.filled:
            return ""
        numbers = ", ".join(str(k + 1) for k in self.filled)
        return (
            f"slices lie unevenly ({self.distances_text}); on the even grid every {self.distance_mm:.4g} mm "
            f"these are interpolated from their neighbours: {numbers} of {self.shape[2]}"
        )


def stacked(frames: Sequence[Frame], policies: Policies = DEFAULT) -> list[Stack]:
    """The frames as one regular stack, or as several where `policies` split it.

    The step between slices runs from the first to the last position.

    Raises:
        GeometryError: one slice, mixed matrix, spacing or orientation, several volumes, repeated positions; and, where
            `policies` don't mend it, uneven distances or slices sheared against their normal (tilted gantry).
    """
    _check_alike(frames)
    _check_one_pass(frames)
    normal = np.cross(*frames[0].directions)
    ordered = sorted(frames, key=lambda frame: float(frame.position_mm @ normal))
    along_mm = np.array([frame.position_mm @ normal for frame in ordered])
    _check_single(ordered, along_mm)
    rounding_mm = _rounding_mm(frames)
    thickness_mm = np.array([frame.thickness_mm or np.nan for frame in ordered])
    parts, faults = _parts(along_mm, thickness_mm, rounding_mm * float(np.abs(normal).sum()), policies)
    for part in parts:
        faults += _faults(ordered[part.start : part.stop], normal, rounding_mm, policies)
    if faults:
        what, advice = zip(*dict.fromkeys(faults), strict=True)
        raise GeometryError("; ".join([*what, *advice]))
    return [_stack(ordered[part.start : part.stop], part, normal, rounding_mm) for part in parts]


def ct_passes(frames: Sequence[Frame]) -> list[list[Frame]]:
    """The slices of each CT acquisition where several cover the same part of the body; else all of them together.

    Acquisitions that follow each other along the table are one scan, and those with the same positions are points in
    time, which `splitting` tells apart.

    Args:
        frames: Parallel slices.
    """
    passes: dict[str, list[Frame]] = {}
    for frame in frames:
        passes.setdefault(frame.ct_pass, []).append(frame)
    if len(passes) == 1:
        return _passes_in_time(frames) if frames[0].ct_pass else [list(frames)]
    places = sorted(sorted(_along(members)) for members in passes.values())
    if all(len(one) == len(places[0]) and np.allclose(one, places[0], atol=SAME_PLACE_MM) for one in places):
        return [list(frames)]
    overlap = any(after[0] < before[-1] - SAME_PLACE_MM for before, after in pairwise(places))
    return list(passes.values()) if overlap else [list(frames)]


def _passes_in_time(frames: Sequence[Frame]) -> list[list[Frame]]:
    """The slices before and after the longest pause of one acquisition where both cover the same part of the body.

    While a table moves on, slices that are later in time lie further along; a second pass begins again where the first
    one did, whatever number the scanner gave it.
    """
    found = (_seconds(frame.labels.get("acquisition time", "")) for frame in frames)
    times = np.array([time for time in found if time is not None])
    if len(times) < len(frames) or np.ptp(times) == 0:
        return [list(frames)]
    order = np.argsort(times, kind="stable")
    split = int(np.argmax(np.diff(times[order]))) + 1
    runs = [[frames[number] for number in part] for part in (order[:split], order[split:])]
    first, second = (sorted(_along(run)) for run in runs)
    if len(first) == len(second) and np.allclose(first, second, atol=SAME_PLACE_MM):
        return [list(frames)]
    shared = min(first[-1], second[-1]) - max(first[0], second[0])
    shorter = min(first[-1] - first[0], second[-1] - second[0])
    return runs if min(len(first), len(second)) >= FEWEST_OF_PASS and shared > shorter / 2 else [list(frames)]


def _along(frames: Sequence[Frame]) -> list[float]:
    """Places along the normal of the slices, in mm."""
    normal = np.cross(*frames[0].directions)
    return [float(frame.position_mm @ normal) for frame in frames]


def _seconds(time: str) -> float | None:
    """Seconds of a DICOM time (HHMMSS.F) or date and time; None for anything else."""
    clock = time[8:] if len(time.partition(".")[0]) == 14 else time
    try:
        return int(clock[:2]) * 3600 + int(clock[2:4]) * 60 + float(clock[4:])
    except ValueError:
        return None


def _rounding_mm(frames: Sequence[Frame]) -> float:
    """How far positions may lie from the true ones because they were written with few decimals."""
    return min((frame.rounding_mm for frame in frames if frame.rounding_mm), default=0.0)


def _beside_mm(rounding_mm: float) -> float:
    """How far two rounded positions may seem to lie beside each other."""
    return 2 * 3**0.5 * rounding_mm


def _parts(
    along_mm: NDArray[np.float64], thickness_mm: NDArray[np.float64], rounding_mm: float, policies: Policies
) -> tuple[list[Part], list[Fault]]:
    """Which slices go into which scan, and what is wrong with the distances."""
    if distances.is_even(along_mm, rounding_mm):
        return [distances.whole(along_mm)], []
    gaps, runs = distances.with_gaps(along_mm, rounding_mm), distances.even_parts(along_mm, rounding_mm)
    if gaps is not None and not distances.fillable(gaps):
        gaps = None
    filled = gaps or distances.on_even_grid(along_mm, rounding_mm)
    if policies.gaps == "split" and runs is not None:
        return runs, []
    nothing_is_missing = policies.gaps == "refuse" and distances.touch(along_mm, thickness_mm)
    if filled is not None and (policies.gaps == "fill" or nothing_is_missing):
        return [filled], []
    what = "distances between slices vary"
    if gaps is not None:
        what = f"{len(gaps.filled)} slice{'s are' if len(gaps.filled) > 1 else ' is'} missing"
    ways = ["--gaps fill"] * (filled is not None)
    ways += ["--gaps split, which makes a scan of each even part"] * (runs is not None)
    fault = (
        f"{what} ({distances.described(along_mm)}); expected even distances within {distances.MAX_STEP_JITTER:.0%}",
        f"send the series again, or use {' or '.join(ways)}" if ways else "send the whole series again",
    )
    return [distances.whole(along_mm)], [fault]


def _faults(
    ordered: Sequence[Frame], normal: NDArray[np.float64], rounding_mm: float, policies: Policies
) -> list[Fault]:
    """What is wrong with the line that the positions follow."""
    positions = np.array([frame.position_mm for frame in ordered])
    line = positions[-1] - positions[0]
    faults = []
    unit = line / np.linalg.norm(line)
    if _is_leaning(ordered[0], line, rounding_mm):
        angle = float(np.degrees(np.arccos(np.clip(unit @ normal, -1, 1))))
        what = f"slices are sheared by {angle:.3g} degrees against their normal, as by a tilted gantry"
        if angle > MAX_TILT_DEG:
            faults.append((what, f"expected at most {MAX_TILT_DEG:g} degrees, so repair the positions"))
        elif policies.tilt == "refuse":
            faults.append((what, "use --tilt resample for upright slices"))
    along = (positions - positions[0]) @ normal
    beside_mm = np.linalg.norm(positions - positions[0] - np.outer(along / along[-1], line), axis=1)
    if beside_mm.max() > max(MAX_SIDEWAYS_PIXELS * min(ordered[0].spacing_mm), _beside_mm(rounding_mm)):
        what = f"slice {int(np.argmax(beside_mm)) + 1} lies {beside_mm.max():.3g} mm beside the line of the others"
        faults.append((what, "expected at most a quarter of a pixel, so repair the positions"))
    return faults


def _is_leaning(first: Frame, line: NDArray[np.float64], rounding_mm: float) -> bool:
    """Whether the line of positions misses the normal of the slices by more than rounding explains."""
    beside_mm = float(np.abs(first.directions @ line).max())
    return beside_mm > max(MAX_SHEAR_COSINE * float(np.linalg.norm(line)), _beside_mm(rounding_mm))


def _stack(ordered: Sequence[Frame], part: Part, normal: NDArray[np.float64], rounding_mm: float) -> Stack:
    line = ordered[-1].position_mm - ordered[0].position_mm
    if _is_leaning(ordered[0], line, 0.0) and not _is_leaning(ordered[0], line, rounding_mm):
        line = normal * float(line @ normal)
    step = line / (part.places[-1] - part.places[0])
    return Stack(tuple(ordered), _affine(ordered[0], step, part.places[0]), part)


def _affine(first: Frame, step: NDArray[np.float64], place: float) -> NDArray[np.float64]:
    between_rows, between_columns = first.spacing_mm
    lps = np.eye(4)
    lps[:3, 0] = first.directions[0] * between_columns
    lps[:3, 1] = first.directions[1] * between_rows
    lps[:3, 2] = step
    lps[:3, 3] = first.position_mm - place * step
    return np.asarray(LPS_TO_RAS @ lps, dtype=np.float64)


def _check_alike(frames: Sequence[Frame]) -> None:
    first = frames[0]
    shapes = sorted({frame.shape for frame in frames})
    if len(shapes) > 1:
        sizes = ", ".join(f"{columns} x {rows}" for rows, columns in shapes[:4])
        raise GeometryError(f"slices have different matrices: {sizes}; expected one for all, so {CHOOSE}")
    turned = sum(bool(np.abs(frame.directions - first.directions).max() > MAX_TURN) for frame in frames)
    if turned:
        raise GeometryError(
            f"mixed orientation: {turned} of {len(frames)} slices are not parallel to the first; "
            f"expected one stack of parallel slices, so {CHOOSE}"
        )
    spacings = np.array([frame.spacing_mm for frame in frames])
    if np.any(np.abs(spacings / spacings[0] - 1) > MAX_SPACING_CHANGE):
        found = f"{spacings.min():.4g} to {spacings.max():.4g} mm"
        raise GeometryError(f"pixel spacing varies from {found}; expected one, so {CHOOSE}")
    if len({frame.frame_of_reference for frame in frames}) > 1:
        raise GeometryError(
            f"slices are measured from different origins (frames of reference); expected one for all, so {CHOOSE}"
        )
    if len(frames) == 1:
        raise GeometryError(f"one slice of {first.shape[1]} x {first.shape[0]} pixels; a volume has 2 or more")


def _check_one_pass(frames: Sequence[Frame]) -> None:
    passes = ct_passes(frames)
    if len(passes) > 1:
        sizes = ", ".join(str(len(members)) for members in passes)
        raise GeometryError(
            f"{len(passes)} acquisitions of {sizes} slices in one CT series cover the same part of the body; {CHOOSE}"
        )


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
