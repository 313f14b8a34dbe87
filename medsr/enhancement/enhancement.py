"""`enhance`: a scan, or the path of one, enhanced as asked: whole, a region of it, or in blocks where memory is short.

The command line, batch, the viewer and validation call this function with the same `EnhanceSettings`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np

from medsr.enhancement.blocks import enhance_within
from medsr.enhancement.consistency import residual_said
from medsr.enhancement.estimate import Estimate, estimate, measured_speed
from medsr.enhancement.memory import Sizes, block_for, check_fits, usable_memory
from medsr.enhancement.piece import OnState
from medsr.enhancement.posterior import OnProgress, evaluations_of
from medsr.enhancement.reference_free import faults, warnings_of
from medsr.enhancement.region import Box, central_block, enhance_region, part_of
from medsr.enhancement.result import Enhancement, described
from medsr.enhancement.sample_check import check_sample
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.without_network import without_network
from medsr.io.padding import padding_said, without_ct_padding
from medsr.model.intensity import scale_of
from medsr.model.weights import Model, load_model
from medsr.physics.acquired_grid import acquired_samples, is_stored_finer, seen_from
from medsr.physics.acquisition import Acquisition, acquisition_of, with_assumed
from medsr.physics.assumption import (
    Sampled,
    assumed_from_voxels,
    assumed_of,
    header_said,
    narrowed,
    softness_said,
)
from medsr.volume import Volume

OnEstimate = Callable[[Estimate], None]
"""Called with what an enhancement will need."""

LONG_VOXELS = 4_000_000  # evaluations of voxels; less takes under a minute, and measuring the speed some seconds
TRIAL_VOX = 48  # side in coarse voxels of the block on which an estimated acquisition is tried
STORED_FINER = (
    "the scan is stored on twice as fine a grid as it was acquired on (zero-filled or interpolated): it was taken back "
    "to the samples that it holds, and factors count from there"
)
TRIED_WIDTHS = (1.0, 0.8)  # shares of the estimated widths; after them only what the headers say is left


def enhance(
    scan: Volume | Path | str,
    model: Model | None = None,
    settings: EnhanceSettings | None = None,
    acquisition: Acquisition | None = None,
    on_progress: OnProgress | None = None,
    *,
    on_state: OnState | None = None,
    memory_bytes: int | None = None,
    on_estimate: OnEstimate | None = None,
) -> Enhancement:
    """The enhanced scan, its uncertainty where it is asked for, its residual and its record.

    docs/explanation/equations.md has the mathematics.

    Args:
        scan: The input, or the path of a NIfTI file or DICOM series that holds one scan.
        model: Loaded model; None: the one that `settings` name, on the device that they name.
        settings: What is asked; None: the defaults.
        acquisition: How the scan was acquired, and the finer grid; None: as `settings` ask.
        on_progress: Called with the stage, the finished parts and all parts.
        on_state: Called after each step of a sample with its number and the scan as it then stands, noise included; not
            where a scan is computed in blocks.
        memory_bytes: Memory that may be used: a larger scan is computed in blocks; None: most of what is free.
        on_estimate: Called before long work with what it will need; the speed of the machine is measured for it.

    Returns:
        The result on the fine grid, in the scan's unit.

    Raises:
        EnvelopeError: outside what the model was validated on, or a sample asked for where samples are noise, and
            `settings.force` is not set.
        InputError: a path that can't be read or holds several scans, or a constant image.
        ModelError: the model that `settings` name can't be loaded.
        ResourceError: not even the smallest blocks fit into `memory_bytes`, or a region does not.
        UsageError: a grid, acquisition or region that does not fit the scan.
    """
    settings = settings or EnhanceSettings()
    volume = scan if isinstance(scan, Volume) else _loaded(scan, settings)
    volume, told = _of_modality(volume, settings)
    model = model or load_model(settings.model, settings.device)
    stored = volume
    may_leave_out = acquisition is None and settings.profile == "auto" and settings.mode == "mean"
    if acquisition is None:
        volume, acquisition, said = _assumed(volume, model, settings)
        told = (*told, *said)
    if settings.mode == "sample" and not settings.force:
        check_sample(volume, model, settings, acquisition)

    limit = usable_memory(model.device.type) if memory_bytes is None else memory_bytes
    box = None if settings.region is None else _on_grid_of(volume, Box(*settings.region), stored)
    seen = acquisition if box is None else part_of(volume, box, acquisition).acquisition
    if box is None:
        block_for(Sizes.of(seen), model, settings, limit)  # refuses what does not fit before any time is spent
    else:
        check_fits(seen, model, settings, limit)
    if on_estimate is not None and prod(seen.fine_shape) * evaluations_of(settings) >= LONG_VOXELS:
        speed, whole = measured_speed(model), box is None
        on_estimate(estimate(seen, volume.modality, model, settings, speed, limit, in_blocks=whole))

    def computed(model: Model, acquisition: Acquisition) -> Enhancement:
        if box is not None:
            return enhance_region(volume, box, model, settings, acquisition, on_progress, on_state)
        return enhance_within(volume, model, settings, acquisition, on_progress, limit, on_state)

    result = computed(model, acquisition)
    found = faults(result.record, acquisition)
    if may_leave_out and settings.region is None and found:
        result, why = without_network(computed, model, acquisition, found)
        told = (*told, why)
    record, width = result.record, scale_of(volume.data, volume.modality).width
    told = (
        *told,
        *residual_said(record.residual or 0.0, (record.noise_sigma or 0.0) / width),
        *(() if settings.mode == "sample" else warnings_of(record, acquisition)),
    )
    return replace(result, record=replace(record, input=described(stored), warnings=(*record.warnings, *told)))


def _of_modality(volume: Volume, settings: EnhanceSettings) -> tuple[Volume, tuple[str, ...]]:
    """The scan with the modality that is told, and a warning where it was guessed against some evidence."""
    source = volume.source
    if settings.modality is None:
        doubt = f"the modality was guessed to be {volume.modality}: {source.modality_doubt}; give --modality"
        return volume, (doubt,) if source.modality_doubt else ()
    stated = replace(source, modality_guessed=False, modality_doubt="")
    data, n_padded = volume.data, 0
    if settings.modality == "CT" and source.modality_guessed:
        data, n_padded = without_ct_padding(volume.data)
    told = replace(volume, data=data, modality=settings.modality, source=stated)
    return told, (padding_said(n_padded),) if n_padded else ()


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
        return _of_samples(acquired_samples(volume), acquisition, settings)
    return with_assumed(acquisition, assumed_from_voxels(volume, settings.thickness_mm))


def _on_grid_of(volume: Volume, box: Box, stored: Volume) -> Box:
    """A box of a stored scan in voxels of its acquired samples, widened to whole ones; the same where they are one."""
    ratio = np.array(volume.shape) / stored.shape
    start, stop = np.floor(np.array(box.start) * ratio + 1e-6), np.ceil(np.array(box.stop) * ratio - 1e-6)
    (a, b), (c, d), (e, f) = ((int(low), int(high)) for low, high in zip(start, stop, strict=True))
    return Box((a, c, e), (b, d, f))


def _assumed(volume: Volume, model: Model, settings: EnhanceSettings) -> tuple[Volume, Acquisition, tuple[str, ...]]:
    """The samples that were acquired and how, by the headers and, where it is left to medsr, by the voxels.

    Returns:
        The scan, or the acquired samples of one that is stored finer; its acquisition; warnings.
    """
    by_headers = acquisition_for(volume, settings)
    said = () if settings.thickness_mm is not None else header_said(volume)
    if settings.profile != "auto":
        return volume, by_headers, said
    if is_stored_finer(volume, by_headers):
        samples = acquired_samples(volume)
        return samples, _of_samples(samples, by_headers, settings), (*said, STORED_FINER)
    acquisition, more = _without_overshoot(volume, model, settings, by_headers)
    return volume, acquisition, (*said, *more)


def _of_samples(samples: Volume, acquisition: Acquisition, settings: EnhanceSettings) -> Acquisition:
    """How the acquired samples of a scan that is stored finer were acquired, as its headers say."""
    return with_assumed(seen_from(samples, acquisition), assumed_of(samples, settings.thickness_mm))


def _without_overshoot(
    volume: Volume, model: Model, settings: EnhanceSettings, by_headers: Acquisition
) -> tuple[Acquisition, tuple[str, ...]]:
    """What the voxels tell of the acquisition, narrower or by the headers alone where a trial overshoots.

    Returns:
        The acquisition, and warnings: a soft scan, and an acquisition that is not what the voxels told.
    """
    assumed = assumed_from_voxels(volume, settings.thickness_mm)
    estimated, said = with_assumed(by_headers, assumed), softness_said(assumed, volume.spacing_mm)
    if estimated.op == by_headers.op:
        return by_headers, said
    block = central_block(volume, TRIAL_VOX)
    quick = replace(settings, mode="mean", flips=0, tile=None, force=True, region=None)
    for share in TRIED_WIDTHS:
        tried = with_assumed(estimated, narrowed(estimated.assumed, share))
        if not faults(enhance_region(volume, block, model, quick, tried).record, tried):
            break
    else:
        tried = by_headers
    if tried.op == estimated.op:
        return estimated, said
    return tried, (
        *said,
        f"the voxels suggest {estimated.assumed_text}; a trial with it sharpened too much, "
        f"so this was taken instead: {tried.assumed_text}",
    )


def _loaded(path: Path | str, settings: EnhanceSettings) -> Volume:
    from medsr.io import load

    return load(path, settings.policies)
