"""A scan without headers in the place of a DICOM series: the same place in the body, axes in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from medsr.errors import UsageError
from medsr.io.dicom.options import DEFAULT, Policies
from medsr.io.dicom.reading import DicomScan, read_dicom_scans
from medsr.volume import Volume

MIN_SHARED = 0.5  # share of the smaller field of view that two scans of one place have in common
SAMPLES = 24  # points per axis at which the share is counted


def placed(volumes: Sequence[Volume], like: Path, policies: Policies = DEFAULT) -> list[DicomScan]:
    """Volumes with the source slices of the series that they were made of, whose modality they take.

    Args:
        volumes: Volumes of one scan, such as the time points of a NIfTI file.
        like: Folder or file of a series with one volume.
        policies: What to do with an irregular series.

    Raises:
        UsageError: the series holds several volumes, or lies somewhere else.
        InputError: it can't be read.
    """
    found = read_dicom_scans(like, policies)
    if len(found) > 1:
        raise UsageError(f"{like}: holds {len(found)} volumes; name a series that holds the one that was converted")
    (place,) = found
    scans = []
    for volume in volumes:
        check_same_place(volume, place.volume)
        turned = on_axes_of(volume, place.volume.affine)
        scans.append(DicomScan(replace(turned, modality=place.volume.modality), place.stack))
    return scans


def check_same_place(volume: Volume, other: Volume) -> None:
    """Refuse two scans whose fields of view lie apart.

    Raises:
        UsageError: less than half of the smaller field of view is in both.
    """
    shared = max(_share(volume, other), _share(other, volume))
    if shared < MIN_SHARED:
        raise UsageError(
            f"the scan and the series it is to be like share {shared:.0%} of their field of view; "
            f"expected at least {MIN_SHARED:.0%}, so name the series that the scan was made of"
        )


def on_axes_of(volume: Volume, affine: NDArray[np.float64]) -> Volume:
    """The same scan with axes permuted and flipped to run closest to those of `affine` (4, 4)."""
    orientation = io_orientation(np.linalg.inv(affine) @ volume.affine)
    data = np.ascontiguousarray(apply_orientation(volume.data, orientation))
    turned = volume.affine @ inv_ornt_aff(orientation, volume.shape)
    axis = volume.slice_axis
    return replace(volume, data=data, affine=turned, slice_axis=None if axis is None else int(orientation[axis, 0]))


def _share(inner: Volume, outer: Volume) -> float:
    """Share of one field of view that lies in the other."""
    steps = [np.linspace(-0.5, n - 0.5, 2 * SAMPLES + 1)[1::2] for n in inner.shape]
    points = np.stack([axis.ravel() for axis in np.meshgrid(*steps, indexing="ij")])
    to_outer = np.linalg.inv(outer.affine) @ inner.affine
    there = to_outer[:3, :3] @ points + to_outer[:3, 3:]
    limits = np.array(outer.shape)[:, None] - 0.5
    return float(np.mean(np.all((there >= -0.5) & (there <= limits), axis=0)))
