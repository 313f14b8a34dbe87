"""`enhance`: a scan, or the path of one, enhanced as asked: whole, a region of it, or in slabs where memory is short.

The command line, batch, the viewer and validation call this function with the same `EnhanceSettings`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medsr.enhancement.piece import OnState, enhance_piece
from medsr.enhancement.posterior import OnProgress
from medsr.enhancement.region import Box, enhance_region
from medsr.enhancement.result import Enhancement
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.slabs import enhance_within
from medsr.model.weights import Model, load_model
from medsr.physics.acquisition import Acquisition, acquisition_of, with_assumed
from medsr.physics.assumption import Sampled, assumed_from_voxels
from medsr.volume import Volume


def enhance(
    scan: Volume | Path | str,
    model: Model | None = None,
    settings: EnhanceSettings | None = None,
    acquisition: Acquisition | None = None,
    on_progress: OnProgress | None = None,
    *,
    on_state: OnState | None = None,
    memory_bytes: int | None = None,
) -> Enhancement:
    """The enhanced scan, its uncertainty where it is asked for, its residual and its record.

    docs/explanation/equations.md has the mathematics.

    Args:
        scan: The input, or the path of a NIfTI file or DICOM series that holds one scan.
        model: Loaded model; None: the one that `settings` name, on the device that they name.
        settings: What is asked; None: the defaults.
        acquisition: How the scan was acquired, and the finer grid; None: as `settings` ask.
        on_progress: Called with the stage, the finished parts and all parts.
        on_state: Called after each step of a sample with its number and the scan as it then stands, noise included.
        memory_bytes: Memory that may be used: a larger scan is computed in slabs; None: no limit.

    Returns:
        The result on the fine grid, in the scan's unit.

    Raises:
        EnvelopeError: outside what the model was validated on, and `settings.force` is not set.
        InputError: a path that can't be read or holds several scans, or a constant image.
        ModelError: the model that `settings` name can't be loaded.
        ResourceError: not even the thinnest slab fits into `memory_bytes`.
        UsageError: a grid, acquisition or region that does not fit the scan.
    """
    settings = settings or EnhanceSettings()
    volume = scan if isinstance(scan, Volume) else _loaded(scan, settings)
    if settings.modality is not None:
        volume = replace(volume, modality=settings.modality)
    model = model or load_model(settings.model, settings.device)
    acquisition = acquisition or acquisition_of_voxels(volume, settings)
    if settings.region is not None:
        return enhance_region(volume, Box(*settings.region), model, settings, acquisition, on_progress, on_state)
    if memory_bytes is not None:
        return enhance_within(volume, model, settings, acquisition, on_progress, memory_bytes)
    return enhance_piece(volume, model, settings, acquisition, on_progress, on_state=on_state)


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
    return with_assumed(acquisition, assumed_from_voxels(volume, settings.thickness_mm))


def _loaded(path: Path | str, settings: EnhanceSettings) -> Volume:
    from medsr.io import load

    return load(path, settings.input.policies)
