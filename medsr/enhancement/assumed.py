"""How a scan was acquired, as the settings ask, its headers say and its voxels tell; without PyTorch."""

from __future__ import annotations

from dataclasses import replace

from medsr.enhancement.settings import EnhanceSettings
from medsr.physics.acquired_grid import acquired_samples, over_field_of_view, seen_from
from medsr.physics.acquisition import Acquisition, acquisition_of, check_thickness, with_assumed
from medsr.physics.assumption import Sampled, assumed_from_voxels, assumed_of
from medsr.volume import Volume


def acquisition_for(scan: Sampled, settings: EnhanceSettings) -> Acquisition:
    """How a scan was acquired, and the finer grid, as the settings ask and its headers say.

    Raises:
        UsageError: as `acquisition_of`.
    """
    return acquisition_of(scan, settings.spacing_mm, settings.factors, settings.profile, settings.thickness_mm)


def as_acquired(volume: Volume, settings: EnhanceSettings) -> tuple[Volume, Acquisition]:
    """A scan, or the samples that it holds where it is stored finer, and how it was acquired by settings and headers.

    A profile that is told takes the scan as it is stored.

    Raises:
        UsageError: as `acquisition_of`.
    """
    if settings.profile != "auto":
        return volume, acquisition_for(volume, settings)
    as_stored = acquisition_for(volume, replace(settings, thickness_mm=None))  # slices may be thicker than their voxels
    samples = samples_of(volume, as_stored, settings)
    if samples is None:
        return volume, acquisition_for(volume, settings)
    return samples, of_samples(samples, as_stored, settings)


def told_by_voxels(volume: Volume, settings: EnhanceSettings, white: float | None = None) -> tuple[Volume, Acquisition]:
    """As `as_acquired`, with what the voxels tell where the settings leave the profile to medsr.

    Args:
        volume: Input.
        settings: What is asked.
        white: Standard deviation of its white noise (`white_noise`) where it is known already; None: it is estimated.

    Raises:
        UsageError: as `acquisition_of`.
    """
    scan, acquisition = as_acquired(volume, settings)
    if settings.profile != "auto" or scan is not volume:
        return scan, acquisition
    return scan, with_assumed(acquisition, assumed_from_voxels(volume, settings.thickness_mm, white))


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

    Raises:
        UsageError: as `acquisition_of`.
    """
    if _asks_for_a_grid(settings):
        check_thickness(samples, settings.thickness_mm)
        return with_assumed(seen_from(samples, acquisition), assumed_of(samples, settings.thickness_mm))
    return acquisition_for(samples, settings)


def _asks_for_a_grid(settings: EnhanceSettings) -> bool:
    return settings.spacing_mm is not None or settings.factors is not None
