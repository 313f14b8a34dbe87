"""How a scan was acquired, as the settings ask, its headers say and its voxels tell; without PyTorch."""

from __future__ import annotations

from medsr.enhancement.settings import EnhanceSettings
from medsr.physics.acquired_grid import acquired_samples, over_field_of_view, seen_from
from medsr.physics.acquisition import Acquisition, acquisition_of, with_assumed
from medsr.physics.assumption import Sampled, assumed_from_voxels, assumed_of
from medsr.volume import Volume


def acquisition_for(scan: Sampled, settings: EnhanceSettings) -> Acquisition:
    """How a scan was acquired, and the finer grid, as the settings ask and its headers say.

    Raises:
        UsageError: as `acquisition_of`.
    """
    return acquisition_of(scan, settings.spacing_mm, settings.factors, settings.profile, settings.thickness_mm)


def acquisition_of_voxels(volume: Volume, settings: EnhanceSettings, white: float | None = None) -> Acquisition:
    """As `acquisition_for`, with what the voxels tell where the settings leave the profile to medsr.

    Args:
        volume: Input.
        settings: What is asked.
        white: Standard deviation of its white noise (`white_noise`) where it is known already; None: it is estimated.

    Raises:
        UsageError: as `acquisition_of`.
    """
    acquisition = acquisition_for(volume, settings)
    if settings.profile != "auto":
        return acquisition
    samples = samples_of(volume, acquisition, settings)
    if samples is not None:
        return of_samples(samples, acquisition, settings)
    return with_assumed(acquisition, assumed_from_voxels(volume, settings.thickness_mm, white))


def samples_of(volume: Volume, acquisition: Acquisition, settings: EnhanceSettings) -> Volume | None:
    """The samples that a scan holds which is stored finer than it was acquired; None of others.

    They lie where they were taken, and the default finer grid is theirs. For a grid that is asked for they are moved to
    cover the field of view of the scan.

    Args:
        volume: Scan.
        acquisition: Its acquisition as it is stored, and the finer grid.
        settings: Request; only the grid matters here.
    """
    samples = acquired_samples(volume, acquisition)
    return over_field_of_view(samples, volume) if samples is not None and _asks_for_a_grid(settings) else samples


def of_samples(samples: Volume, acquisition: Acquisition, settings: EnhanceSettings) -> Acquisition:
    """How the samples of a scan that is stored finer were acquired, as its headers say, and the finer grid.

    Args:
        samples: Result of `samples_of`.
        acquisition: Acquisition of the scan as it is stored, and the finer grid.
        settings: Request; grid and thickness count where they are given.
    """
    if _asks_for_a_grid(settings):
        return with_assumed(seen_from(samples, acquisition), assumed_of(samples, settings.thickness_mm))
    return acquisition_for(samples, settings)


def _asks_for_a_grid(settings: EnhanceSettings) -> bool:
    return settings.spacing_mm is not None or settings.factors is not None
