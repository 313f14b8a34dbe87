"""`enhance`: a scan, or the path of one, enhanced as asked: whole, a region of it, or in blocks where memory is short.

The command line, batch, the viewer and validation call this function with the same `EnhanceSettings`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np

from medsr.enhancement.assumed import as_acquired
from medsr.enhancement.blocks import enhance_within
from medsr.enhancement.cascade import cascaded, stages_of
from medsr.enhancement.consistency import residual_said
from medsr.enhancement.envelope import admitted
from medsr.enhancement.estimate import Estimate, estimate, measured_speed
from medsr.enhancement.leading import led_model
from medsr.enhancement.memory import Sizes, block_for, check_fits, usable_memory
from medsr.enhancement.piece import OnState
from medsr.enhancement.posterior import OnProgress, evaluations_of
from medsr.enhancement.reference_free import faults, warnings_of
from medsr.enhancement.region import Box, central_block, check_inside, enhance_region, part_of
from medsr.enhancement.result import Enhancement, described
from medsr.enhancement.sample_check import check_sample
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.without_network import without_network
from medsr.errors import EnvelopeError
from medsr.io.padding import padding_said, without_ct_padding
from medsr.model.intensity import scale_of
from medsr.model.weights import Model, load_model
from medsr.physics.acquired_grid import stored_finer_said
from medsr.physics.acquisition import Acquisition, with_assumed
from medsr.physics.assumption import (
    assumed_from_voxels,
    header_said,
    narrowed,
    softness_said,
)
from medsr.volume import Volume

OnEstimate = Callable[[Estimate], None]
"""Called with what an enhancement will need."""

LONG_VOXELS = 4_000_000  # evaluations of voxels; less takes under a minute, and measuring the speed some seconds
TRIAL_VOX = 48  # side in coarse voxels of the block on which an estimated acquisition is tried
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
    """`medsr.fusion.entry.enhance`, which says what all this is, with PyTorch loaded."""
    settings = settings or EnhanceSettings()
    volume = scan if isinstance(scan, Volume) else _loaded(scan, settings)
    volume, told = _of_modality(volume, settings)
    model = led_model(model or load_model(settings.model, settings.device), settings)
    stored = volume
    may_leave_out = acquisition is None and settings.profile == "auto" and settings.mode == "mean"
    if acquisition is None:
        volume, acquisition, said = _assumed(volume, model, settings)
        told = (*told, *said)
    if settings.mode == "sample" and not settings.force:
        _check_admitted(volume, acquisition, model, settings)
        check_sample(volume, model, settings, acquisition)

    limit = usable_memory(model.device.type) if memory_bytes is None else memory_bytes
    box = None if settings.region is None else _on_grid_of(volume, Box(*settings.region), stored)
    seen = acquisition if box is None else part_of(volume, box, acquisition).acquisition
    if settings.cascade is not None:
        seen = stages_of(acquisition)[-1]
        check_fits(seen, model, settings, limit)
    elif box is None:
        block_for(Sizes.of(seen), model, settings, limit)  # refuses what does not fit before any time is spent
    else:
        check_fits(seen, model, settings, limit)
    if on_estimate is not None and prod(seen.fine_shape) * evaluations_of(settings, model.process) >= LONG_VOXELS:
        speed, planned = measured_speed(model), seen if settings.cascade is None else acquisition
        on_estimate(estimate(planned, volume.modality, model, settings, speed, limit, in_blocks=box is None))

    def computed(model: Model, acquisition: Acquisition) -> Enhancement:
        if settings.cascade is not None:
            return cascaded(volume, model, settings, acquisition, on_progress, on_state)
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


def _on_grid_of(volume: Volume, box: Box, stored: Volume) -> Box:
    """A box of a stored scan in voxels of its acquired samples, widened to whole ones; the same where they are one.

    Raises:
        UsageError: the box does not lie within the stored scan.
    """
    check_inside(stored, box)
    places = np.linalg.inv(volume.affine) @ stored.affine
    edges = [np.diag(places)[:3] * (np.array(corner) - 0.5) + places[:3, 3] + 0.5 for corner in (box.start, box.stop)]
    start, stop = np.floor(edges[0] + 1e-6), np.ceil(edges[1] - 1e-6)
    within = [np.clip(corner, 0, volume.shape) for corner in (start, stop)]
    (a, b), (c, d), (e, f) = ((int(low), int(high)) for low, high in zip(*within, strict=True))
    return Box((a, c, e), (b, d, f))


def _assumed(volume: Volume, model: Model, settings: EnhanceSettings) -> tuple[Volume, Acquisition, tuple[str, ...]]:
    """The samples that were acquired and how, by the headers and, where it is left to medsr, by the voxels.

    Returns:
        The scan, or the acquired samples of one that is stored finer; its acquisition; warnings.
    """
    scan, by_headers = as_acquired(volume, settings)
    said = () if settings.thickness_mm is not None else header_said(scan)
    if scan is not volume:
        finer = stored_finer_said(volume, scan)
        try:
            _check_admitted(scan, by_headers, model, settings)
        except EnvelopeError as error:
            raise EnvelopeError(f"{error}; {finer}; --profile kspace takes it as it is stored") from error
        return scan, by_headers, (*said, finer)
    if settings.profile != "auto":
        return volume, by_headers, said
    acquisition, more = _without_overshoot(volume, model, settings, by_headers)
    return volume, acquisition, (*said, *more)


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
    _check_admitted(volume, by_headers, model, settings)
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


def _check_admitted(volume: Volume, acquisition: Acquisition, model: Model, settings: EnhanceSettings) -> None:
    """Refuse a scan outside the envelope, if it is not forced, before the network is tried on a block of it."""
    if not settings.force:
        admitted(volume, acquisition, model.spec, force=False, voxels=settings.region is None)


def _loaded(path: Path | str, settings: EnhanceSettings) -> Volume:
    from medsr.io import load

    return load(path, settings.policies)
