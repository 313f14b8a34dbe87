"""`Volume` <-> napari layer data, without Qt and without napari.

napari slices axis by axis: it drops an out-of-plane rotation and can't show a permuted affine. So a layer holds the
scan turned to the closest canonical orientation, axes (z, y, x) = (superior, anterior, right), with a diagonal scale
and a translation in mm. World coordinates are those of RAS, read backwards: exact for scans along the body axes, while
an oblique scan is shown unrotated about its own centre, which keeps its place. What is made of a scan (enhanced, a
region of it, uncertainty) is shown in that scan's frame, so that all of them lie upon each other. The true affine
stays in the metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from nibabel.orientations import apply_orientation, io_orientation, ornt_transform
from numpy.typing import ArrayLike, NDArray

from medsr.errors import InputError
from medsr.viewing.exchange import source_of
from medsr.volume import Volume

LayerData = tuple[NDArray[np.float32], dict[str, Any], str]

METADATA_KEY = "medsr"
AXIS_LABELS = ("z", "y", "x")
RAS = np.array([[0, 1], [1, 1], [2, 1]])

SAME_DIRECTION = 1e-2  # sine of the angle up to which a scan counts as lying along another one's axes
CT_WINDOW_HU = (-200.0, 300.0)  # soft tissue
MR_PERCENTILES = (0.5, 99.8)
MOST_SAMPLES = 200_000  # voxels that percentiles are read from


def layer_of(volume: Volume, name: str, *, frame: ArrayLike | None = None, path: str = "") -> LayerData:
    """Layer data of a scan, as napari's readers return it.

    Args:
        volume: Scan with axes in any order and direction, oblique or not.
        name: Name in the list of layers.
        frame: Affine (4, 4), true RAS mm to shown RAS mm, of the scan that this one was made of; left out where this
            one does not lie along its axes.
        path: File or folder that it was read from, for writing it back and for the command line; kept in memory only.

    Returns:
        data (Z, Y, X) float32; keywords of an image layer: `scale` and `translate` in mm, `units`, `axis_labels`,
        `contrast_limits`, and in `metadata["medsr"]` what `volume_of` needs to give the scan back; "image".
    """
    ras = volume.to_ras()
    spacing = ras.spacing_mm
    shown = _own_frame(ras) if frame is None else np.asarray(frame, dtype=np.float64)
    if np.abs(shown[:3, :3] @ (ras.affine[:3, :3] / spacing) - np.eye(3)).max() > SAME_DIRECTION:
        shown = _own_frame(ras)
    centre_ijk = (np.array(ras.shape) - 1) / 2
    centre_mm = shown[:3, :3] @ (ras.affine[:3, :3] @ centre_ijk + ras.affine[:3, 3]) + shown[:3, 3]
    first_voxel_mm = centre_mm - spacing * centre_ijk
    keywords = {
        "name": name,
        "scale": tuple(map(float, spacing[::-1])),
        "translate": tuple(map(float, first_voxel_mm[::-1])),
        "units": ("mm",) * 3,
        "axis_labels": AXIS_LABELS,
        "contrast_limits": contrast_limits_of(volume),
        "metadata": {METADATA_KEY: {**facts_of(volume), "frame": shown, "path": path}},
    }
    return ras.data.transpose(2, 1, 0), keywords, "image"


def volume_of(layer: LayerData) -> Volume:
    """The scan that a layer shows, axes and affine as they were stored; its voxels may have been changed meanwhile.

    Raises:
        InputError: the layer does not come from medsr, or no longer has the scan's voxels per axis.
    """
    data, keywords, _ = layer
    name = keywords.get("name", "layer")
    facts = keywords.get("metadata", {}).get(METADATA_KEY)
    if facts is None:
        raise InputError(f"layer {name!r} has no position in the body; open the scan with the medsr reader")
    affine = np.array(facts["affine"], dtype=np.float64)
    orientation = io_orientation(affine)
    expected = tuple(facts["shape"][int(axis)] for axis in np.argsort(orientation[:, 0]))[::-1]
    if data.shape != expected:
        raise InputError(f"layer {name!r} has {data.shape} voxels, its scan has {expected}; open the scan again")
    stored = apply_orientation(np.asarray(data).transpose(2, 1, 0), ornt_transform(RAS, orientation))
    return Volume(
        data=np.ascontiguousarray(stored, dtype=np.float32),
        affine=affine,
        modality=facts["modality"],
        thickness_mm=facts["thickness_mm"],
        slice_axis=facts["slice_axis"],
        acquisition_type=facts["acquisition_type"],
        source=source_of(facts["source"]),
    )


def facts_of(volume: Volume) -> dict[str, Any]:
    """All of a volume but its voxels."""
    return {
        "affine": volume.affine.copy(),
        "shape": volume.shape,
        "modality": volume.modality,
        "thickness_mm": volume.thickness_mm,
        "slice_axis": volume.slice_axis,
        "acquisition_type": volume.acquisition_type,
        "source": asdict(volume.source),
    }


def contrast_limits_of(volume: Volume) -> tuple[float, float]:
    """A grey window in which a person sees something: soft tissue for CT, robust percentiles for MR."""
    if volume.modality == "CT":
        return CT_WINDOW_HU
    step = max(1, volume.data.size // MOST_SAMPLES)
    low, high = np.percentile(volume.data.reshape(-1)[::step], MR_PERCENTILES)
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def stored_box(
    facts: dict[str, Any], scale: Sequence[float], translate: Sequence[float], low: ArrayLike, high: ArrayLike
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Voxels of a scan, on its stored axes, that a box in the viewer's world touches.

    Args:
        facts: Facts of the scan, as in a layer's metadata.
        scale: Scale of its layer, (z, y, x) in mm.
        translate: Translation of its layer, (z, y, x) in mm.
        low: Lower corner (3,) of the box, (z, y, x) in mm.
        high: Upper corner (3,).

    Returns:
        First voxel of each axis, and one past the last.

    Raises:
        InputError: the box lies outside the scan.
    """
    orientation = io_orientation(np.asarray(facts["affine"]))
    shape = np.array(facts["shape"])
    canonical_shape = shape[np.argsort(orientation[:, 0])]
    corners = (np.array([low, high], dtype=np.float64) - translate) / scale
    start = np.clip(np.floor(corners[0] + 0.5)[::-1], 0, canonical_shape).astype(int)
    stop = np.clip(np.ceil(corners[1] + 0.5)[::-1], 0, canonical_shape).astype(int)
    if np.any(stop <= start):
        raise InputError("the region lies outside the scan; draw the box over it")
    first, past = np.zeros(3, int), np.zeros(3, int)
    for axis, (canonical, flip) in enumerate(orientation.astype(int)):
        low_index, high_index = start[canonical], stop[canonical]
        first[axis], past[axis] = (
            (low_index, high_index) if flip > 0 else (shape[axis] - high_index, shape[axis] - low_index)
        )
    return (int(first[0]), int(first[1]), int(first[2])), (int(past[0]), int(past[1]), int(past[2]))


def slice_axis_of(facts: dict[str, Any]) -> int | None:
    """The axis of a layer, (z, y, x), across the slices of its scan; None where they are not known."""
    if facts["slice_axis"] is None:
        return None
    return 2 - int(io_orientation(np.asarray(facts["affine"]))[facts["slice_axis"], 0])


def voxel_at(data: NDArray[np.float32], place: ArrayLike) -> float | None:
    """The voxel of a layer at a place in its own indices, None outside; it counts whether the layer is visible or not.

    Args:
        data: Voxels (Z, Y, X).
        place: Index (3,), not rounded.
    """
    index = np.rint(np.asarray(place, dtype=np.float64)).astype(int)
    if np.any(index < 0) or np.any(index >= data.shape):
        return None
    return float(data[tuple(index)])


def shown_mm(facts: dict[str, Any], ras_mm: ArrayLike) -> tuple[float, ...]:
    """Where the viewer shows a place of the body, (z, y, x) in mm, for layers in the frame of these facts."""
    frame = np.asarray(facts["frame"])
    return tuple(map(float, (frame[:3, :3] @ np.asarray(ras_mm) + frame[:3, 3])[::-1]))


def true_mm(facts: dict[str, Any], zyx_mm: ArrayLike) -> list[float]:
    """The place of the body, in RAS mm, that the viewer shows at (z, y, x)."""
    frame = np.asarray(facts["frame"])
    x, y, z = (float(value) for value in frame[:3, :3].T @ (np.asarray(zyx_mm)[::-1] - frame[:3, 3]))
    return [x, y, z]


def _own_frame(ras: Volume) -> NDArray[np.float64]:
    """The turn about a scan's own centre that lays its axes along those of the body."""
    left, _, right = np.linalg.svd(ras.affine[:3, :3] / ras.spacing_mm)
    turn = (left @ right).T
    centre_mm = ras.affine[:3, :3] @ ((np.array(ras.shape) - 1) / 2) + ras.affine[:3, 3]
    frame = np.eye(4)
    frame[:3, :3] = turn
    frame[:3, 3] = centre_mm - turn @ centre_mm
    return frame
