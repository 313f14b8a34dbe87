"""The result of an enhancement: the scan on the fine grid, its uncertainty, its residual and its record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.physics.acquisition import Acquisition
from medsr.record import Record
from medsr.volume import Volume


@dataclass(frozen=True)
class Enhancement:
    """An enhanced scan and what goes with it.

    Attributes:
        volume: The result on the fine grid.
        uncertainty: Standard deviation of the mean, in the scan's unit, on the fine grid, calibrated where the weights
            hold factors; None but in mode "uncertainty".
        residual: Scan minus degraded result, in the scan's unit, on the scan's own grid, or on that of its acquired
            samples where it was stored finer (`medsr.physics.acquired_grid`).
        record: What was done.
        acquisition: How the scan was taken to have been acquired, and the fine grid.
    """

    volume: Volume
    uncertainty: Volume | None
    residual: Volume
    record: Record
    acquisition: Acquisition

    def __repr__(self) -> str:
        residual = "" if self.record.residual is None else f", residual {self.record.residual:.2f} noise units"
        return f"Enhancement({self.volume!r}, mode {self.record.settings.get('mode')}{residual})"


def on_fine_grid(volume: Volume, data: NDArray[np.float32], acquisition: Acquisition) -> Volume:
    """A result; where the slices were refined, the slice thickness of the input is no longer its own.

    Args:
        volume: The input.
        data: (I, J, K) voxels of the result.
        acquisition: How the input was acquired, and the fine grid.
    """
    refined = volume.slice_axis is None or acquisition.degraded[volume.slice_axis]
    thickness_mm = None if refined else volume.thickness_mm
    return replace(volume, data=data, affine=acquisition.fine_affine, thickness_mm=thickness_mm)


def described(volume: Volume) -> dict[str, Any]:
    """What a record says of its input: nothing that names a patient or a file."""
    return {
        "format": volume.source.format,
        "content_sha256": volume.source.content_sha256,
        "modality": volume.modality,
        "modality_guessed": volume.source.modality_guessed,
        "contrast": volume.source.contrast,
        "shape": list(volume.shape),
        "spacing_mm": [round(float(h), 4) for h in volume.spacing_mm],
        "thickness_mm": volume.thickness_mm,
        "acquisition_type": volume.acquisition_type,
        "acquired": list(volume.source.acquired),
    }
