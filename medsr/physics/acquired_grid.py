"""A scan that is stored on twice as fine a grid as it was acquired on, taken back to the samples that it holds.

Scanners fill k-space with zeros or interpolate before they store a scan. Its voxels then promise twice the resolution
that is there, and no profile describes them. Seen from the acquired samples it is an ordinary scan again: on a T1w
that was zero-filled by a factor of 2, the result came within 0.1 dB of that of the acquired scan, and lay 1.5 dB below
the input before.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medsr import affine as grids
from medsr.physics.acquisition import Acquisition, on_grids
from medsr.physics.blur import upper_band
from medsr.volume import Volume

EMPTY = 0.01  # of the power below half Nyquist, above it: interpolated scans have 0 to 0.008, a Hamming window 0.017
LEAST_VOX = 32  # along every axis; with fewer the spectrum says little


def is_stored_finer(scan: Volume, acquisition: Acquisition) -> bool:
    """Whether the scan holds nothing above half its Nyquist frequency, along every axis, and all three are refined.

    Args:
        scan: Input.
        acquisition: Acquisition of the input, and the finer grid.
    """
    return (
        all(acquisition.degraded)
        and min(scan.shape) >= LEAST_VOX
        and all(upper_band(scan.data, axis) < EMPTY for axis in range(3))
    )


def acquired_samples(scan: Volume) -> Volume:
    """The scan on the grid of half as many voxels along every axis, without what lies above half its Nyquist frequency.

    Args:
        scan: Input, stored on twice as fine a grid as it was acquired on.
    """
    import torch  # here, as few scans are stored finer, and only they need it

    shape = [-(-n // 2) for n in scan.shape]
    op = on_grids(scan.affine, scan.shape, shape, "kspace", None).op
    samples = op(torch.from_numpy(np.array(scan.data))).numpy()
    return replace(scan, data=samples, affine=grids.resized(scan.affine, scan.shape, shape))


def seen_from(samples: Volume, acquisition: Acquisition) -> Acquisition:
    """The acquisition of the acquired samples, seen from the same finer grid; nothing is assumed yet.

    Args:
        samples: Result of `acquired_samples`.
        acquisition: Acquisition of the scan as it is stored, and the finer grid.
    """
    return on_grids(acquisition.fine_affine, acquisition.fine_shape, samples.shape, "kspace", None)
