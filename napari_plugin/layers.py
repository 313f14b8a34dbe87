"""`Volume` <-> napari layer data, without Qt and without napari.

napari slices axis by axis: it drops an out-of-plane rotation and can't show a permuted affine. So a layer holds the
scan turned to the closest canonical orientation, axes (z, y, x) = (superior, anterior, right), with a diagonal scale
and a translation in mm. World coordinates are those of RAS, read backwards: exact for scans along the body axes, while
an oblique scan is shown unrotated about its own centre, which keeps its place. The true affine stays in the metadata.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from nibabel.orientations import apply_orientation, io_orientation, ornt_transform
from numpy.typing import NDArray

from medsr.errors import InputError
from medsr.volume import Source, Volume

LayerData = tuple[NDArray[np.float32], dict[str, Any], str]

METADATA_KEY = "medsr"
AXIS_LABELS = ("z", "y", "x")
RAS = np.array([[0, 1], [1, 1], [2, 1]])


def layer_of(volume: Volume, name: str) -> LayerData:
    """Layer data of a scan, as napari's readers return it.

    Args:
        volume: axes in any order and direction, oblique or not.
        name: shown in the list of layers.

    Returns:
        data (Z, Y, X) float32; keywords of an image layer: `scale` and `translate` in mm, `units`, `axis_labels`, and
        in `metadata["medsr"]` what `volume_of` needs to give the scan back; "image".
    """
    ras = volume.to_ras()
    centre_ijk = (np.array(ras.shape) - 1) / 2
    centre_mm = ras.affine[:3, :3] @ centre_ijk + ras.affine[:3, 3]
    first_voxel_mm = centre_mm - ras.spacing_mm * centre_ijk
    keywords = {
        "name": name,
        "scale": tuple(map(float, ras.spacing_mm[::-1])),
        "translate": tuple(map(float, first_voxel_mm[::-1])),
        "units": ("mm",) * 3,
        "axis_labels": AXIS_LABELS,
        "metadata": {METADATA_KEY: _facts(volume)},
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
    stored = apply_orientation(data.transpose(2, 1, 0), ornt_transform(RAS, orientation))
    return Volume(
        data=np.ascontiguousarray(stored, dtype=np.float32),
        affine=affine,
        modality=facts["modality"],
        thickness_mm=facts["thickness_mm"],
        slice_axis=facts["slice_axis"],
        source=Source(**facts["source"]),
    )


def _facts(volume: Volume) -> dict[str, Any]:
    """All of a volume but its voxels."""
    return {
        "affine": volume.affine.copy(),
        "shape": volume.shape,
        "modality": volume.modality,
        "thickness_mm": volume.thickness_mm,
        "slice_axis": volume.slice_axis,
        "source": asdict(volume.source),
    }
