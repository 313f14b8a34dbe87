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

    A profile that is told takes the scan as it is stored. Samples lie where they were taken, and the default finer grid
    is theirs; for a grid that is asked for they are moved to cover the field of view of the scan.

    Raises:
        UsageError: as `acquisition_of`.
    """
    if settings.profile != "auto":
        return volume, acquisition_for(volume, settings)
    as_stored = acquisition_for(volume, replace(settings, thickness_mm=None))  # slices may be thicker than their voxels
    samples = acquired_samples(volume, as_stored)
    if samples is None:
        return volume, acquisition_for(volume, settings)
    if settings.spacing_mm is None and settings.factors is None:
        return samples, acquisition_for(samples, settings)
    covering = over_field_of_view(samples, volume)
    check_thickness(covering, settings.thickness_mm)
    return covering, with_assumed(seen_from(covering, as_stored), assumed_of(covering, settings.thickness_mm))


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
