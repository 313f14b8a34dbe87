"""`Outline`: what headers say of the grid of a scan, without its voxels, for plans over thousands of files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsr.affine import spacing_mm
from medsr.volume import AcquisitionType, Modality


@dataclass(frozen=True)
class Outline:
    """The grid of a scan whose voxels have not been read.

    Attributes:
        shape: Voxels per axis.
        affine: (4, 4) to RAS mm.
        n_volumes: Time points.
        thickness_mm: Slice thickness, None where not known.
        slice_axis: Axis along which slices were acquired, None where not known.
        acquisition_type: "2D" or "3D", None where not known.
        modality: "MR" or "CT", None where not known.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    n_volumes: int = 1
    thickness_mm: float | None = None
    slice_axis: int | None = None
    acquisition_type: AcquisitionType | None = None
    modality: Modality | None = None

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Spacing (3,) in mm."""
        return spacing_mm(self.affine)

    @property
    def n_voxels(self) -> int:
        """Voxels of all volumes together."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.n_volumes
