"""How a scan was acquired, as the settings ask, its headers say and its voxels tell; without PyTorch."""

from __future__ import annotations

from medsr.enhancement.settings import EnhanceSettings
from medsr.physics.acquired_grid import acquired_samples, is_stored_finer, seen_from
from medsr.physics.acquisition import Acquisition, acquisition_of, with_assumed
from medsr.physics.assumption import Sampled, assumed_from_voxels, assumed_of
from medsr.volume import Volume


def acquisition_for(scan: Sampled, settings: EnhanceSettings) -> Acquisition:
    """How a scan was acquired, and the finer grid, as the settings ask and its headers say.

    Raises:
        UsageError: as `acquisition_of`.
    """
    return acquisition_of(scan, settings.spacing_mm, settings.factors, settings.profile, settings.thickness_mm)


def acquisition_of_voxels(volume: Volume, settings: EnhanceSettings) -> Acquisition:
    """As `acquisition_for`, with what the voxels tell where the settings leave the profile to medsr.

    Raises:
        UsageError: as `acquisition_of`.
    """
    acquisition = acquisition_for(volume, settings)
    if settings.profile != "auto":
        return acquisition
    if is_stored_finer(volume, acquisition):
        return of_samples(acquired_samples(volume), acquisition, settings)
    return with_assumed(acquisition, assumed_from_voxels(volume, settings.thickness_mm))


def of_samples(samples: Volume, acquisition: Acquisition, settings: EnhanceSettings) -> Acquisition:
    """How the acquired samples of a scan that is stored finer were acquired, as its headers say.

    Args:
        samples: Result of `medsr.physics.acquired_grid.acquired_samples`.
        acquisition: Acquisition of the scan as it is stored, and the finer grid.
        settings: Request; the thickness in it counts where it is given.
    """
    return with_assumed(seen_from(samples, acquisition), assumed_of(samples, settings.thickness_mm))
