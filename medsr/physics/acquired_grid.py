"""A scan that is stored on a finer grid than it was acquired on, taken back to the samples that it holds.

Scanners fill k-space with zeros or interpolate before they store a scan, and so do the programs that it passes through.
Its voxels then promise a resolution that is not there, and no profile describes them. Seen from the acquired samples it
is an ordinary scan again: on a T1w that was zero-filled by a factor of 2, the result came within 0.1 dB of that of the
acquired scan, and lay 1.5 dB below the input before.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medsr import affine as grids
from medsr.physics.acquisition import Acquisition, on_grids
from medsr.physics.blur import upper_band
from medsr.physics.interpolation import interpolation_of, moved
from medsr.volume import Volume

EMPTY = 0.01  # of the power below half Nyquist, above it: zero-filled scans have 0 to 0.008, a Hamming window 0.017
LEAST_VOX = 32  # along every axis; with fewer the spectrum says little
ROUNDING = 1e-4  # of places, in samples


def acquired_samples(scan: Volume, acquisition: Acquisition) -> Volume | None:
    """The samples that a scan holds, where they lie; None where it is stored as it was acquired.

    Every refined axis that was interpolated linearly or by splines is taken back. A scan that holds nothing above half
    its Nyquist frequency along every axis, if all three are refined, is taken back to half as many voxels.

    Args:
        scan: Input.
        acquisition: Acquisition of the input, and the finer grid.
    """
    data: NDArray[np.floating] = scan.data
    stored_at = np.eye(4)  # voxel index of the samples to that of the scan
    for axis, is_refined in enumerate(acquisition.degraded):
        found = interpolation_of(scan.data, axis) if is_refined else None
        if found is not None:
            places = found.places(scan.shape[axis])
            data = np.moveaxis(found.samples(np.moveaxis(data, axis, 0)), 0, axis)
            stored_at[axis, [axis, 3]] = places[1] - places[0], places[0]
    if data.shape == scan.shape:
        return _lower_half_of_k_space(scan) if _upper_half_is_empty(scan, acquisition) else None
    return replace(scan, data=np.ascontiguousarray(data, np.float32), affine=scan.affine @ stored_at)


def over_field_of_view(samples: Volume, scan: Volume) -> Volume:
    """Samples moved in k-space onto a grid that covers the field of view of the scan that held them.

    Across thick slices that costs detail: between them their spectrum is folded.

    Args:
        samples: Result of `acquired_samples`.
        scan: Scan that it was made of.
    """
    stored_at = np.linalg.inv(scan.affine) @ samples.affine
    data: NDArray[np.floating] = samples.data
    for axis, n in enumerate(scan.shape):
        step, start = stored_at[axis, axis], stored_at[axis, 3]
        m = int(np.ceil(n / step - ROUNDING))
        places = ((np.arange(m) + 0.5) * n / m - 0.5 - start) / step
        if len(places) != samples.shape[axis] or not np.allclose(places, np.arange(m), atol=ROUNDING):
            data = np.moveaxis(moved(np.moveaxis(data, axis, 0), places), 0, axis)
    affine = grids.resized(scan.affine, scan.shape, data.shape)
    return replace(samples, data=np.ascontiguousarray(data, np.float32), affine=affine)


def _upper_half_is_empty(scan: Volume, acquisition: Acquisition) -> bool:
    return (
        all(acquisition.degraded)
        and min(scan.shape) >= LEAST_VOX
        and all(upper_band(scan.data, axis) < EMPTY for axis in range(3))
    )


def _lower_half_of_k_space(scan: Volume) -> Volume:
    import torch  # here, as few scans are stored finer, and only they need it

    shape = [-(-n // 2) for n in scan.shape]
    op = on_grids(scan.affine, scan.shape, shape, "kspace", None).op
    samples = op(torch.from_numpy(np.array(scan.data))).numpy()
    return replace(scan, data=samples, affine=grids.resized(scan.affine, scan.shape, shape))


def stored_finer_said(stored: Volume, samples: Volume) -> str:
    """A line that names the axes along which a scan is stored finer than it was acquired, and by how much."""
    ratios = samples.spacing_mm / stored.spacing_mm
    text = ", ".join(f"axis {axis} {ratio:.2g} times" for axis, ratio in enumerate(ratios) if ratio > 1 + ROUNDING)
    return (
        f"the scan is stored on a finer grid than it was acquired on (zero-filled or interpolated: {text}); it was "
        "taken back to the samples that it holds, and factors count from there"
    )


def seen_from(samples: Volume, acquisition: Acquisition) -> Acquisition:
    """The acquisition of the acquired samples, seen from the same finer grid; nothing is assumed yet.

    Args:
        samples: Result of `over_field_of_view`.
        acquisition: Acquisition of the scan as it is stored, and the finer grid.
    """
    return on_grids(acquisition.fine_affine, acquisition.fine_shape, samples.shape, "kspace", None)
