"""The main job: a coarse scan and a model to a finer scan, with what is uncertain and what was done.

Pure: it knows no paths, prints nothing and draws noise only from its seed.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.enhancement.consistency import residual_map
from medsr.enhancement.envelope import Verdict, admitted
from medsr.enhancement.posterior import (
    MODES,
    NOISE_FLOOR,
    EnhanceSettings,
    Mode,
    OnProgress,
    Whole,
    finished,
    last_of,
    mode_named,
    posterior_mean,
    prepared,
    sample_steps,
    solved,
)
from medsr.enhancement.uncertainty import UNUSED, trust_of
from medsr.errors import UsageError
from medsr.metrics.fidelity import residual_in_noise_units
from medsr.model.intensity import Scale, scale_of
from medsr.model.weights import Model
from medsr.physics.acquisition import Acquisition, acquisition_of
from medsr.record import Record
from medsr.volume import Volume

__all__ = [
    "MODES",
    "EnhanceSettings",
    "Enhancement",
    "Mode",
    "OnProgress",
    "OnState",
    "Posterior",
    "Whole",
    "described",
    "enhance",
    "mode_named",
    "on_fine_grid",
    "posterior",
    "sample_states",
]

OnState = Callable[[int, Volume], None]
"""Called with the number of the step and the scan as it then stands, its noise included."""


@dataclass(frozen=True)
class Enhancement:
    """A finer scan and what goes with it.

    Attributes:
        volume: the finer scan.
        uncertainty: standard deviation of samples, in the scan's unit, on the fine grid, calibrated where the weights
            hold factors; None but in mode "uncertainty".
        residual: scan minus degraded result, in the scan's unit, on the coarse grid.
        record: what was done.
    """

    volume: Volume
    uncertainty: Volume | None
    residual: Volume
    record: Record


def enhance(
    volume: Volume,
    model: Model,
    settings: EnhanceSettings | None = None,
    acquisition: Acquisition | None = None,
    on_progress: OnProgress | None = None,
    *,
    whole: Whole | None = None,
    on_state: OnState | None = None,
) -> Enhancement:
    """A finer scan out of a coarse one (docs/physics.md).

    Args:
        volume: the coarse scan.
        model: of `medsr.model.weights.load_model`.
        settings: mode, dial, seed and the rest.
        acquisition: how the scan was acquired and the finer grid; by default `acquisition_of(volume)`.
        on_progress: called as the work goes on.
        whole: of the scan that `volume` is a part of (`medsr.enhancement.region`).
        on_state: called after each step of the draw, in mode "sample".

    Raises:
        EnvelopeError: outside what the model was validated on, and `settings.force` is not set.
        InputError: a constant image.
        UsageError: an acquisition that does not fit the scan.
    """
    settings = settings or EnhanceSettings()
    acquisition = acquisition or acquisition_of(volume)
    verdict = _admitted(volume, model, acquisition, settings, whole)
    seconds: dict[str, float] = {}
    with _timed(seconds, "start"):
        scale = scale_of(volume.data, volume.modality) if whole is None else whole.scale
        problem = prepared(volume, model, acquisition, settings, scale, on_progress, whole)

    def on_step(number: int, state: Tensor) -> None:
        if on_state is not None:
            on_state(number, _volume(volume, finished(problem, state), scale, acquisition))

    with _timed(seconds, "network"):
        detail, deviation = solved(problem, model, settings, on_step)
    with _timed(seconds, "finish"):
        x = finished(problem, detail)
        finer = _volume(volume, x, scale, acquisition)
        uncertainty = None
        trust = UNUSED
        if deviation is not None:
            known, factors = model.spec.calibration, acquisition.factors
            trust = trust_of(known, volume.modality, factors, settings.samples, settings.steps)
            uncertainty = _placed(volume, trust.factor * deviation * problem.detail * scale.width, acquisition)
        left = residual_map(problem.op, x, problem.y) * scale.width
        residual = volume.with_data(_array(left), volume.affine)
        noise = max(problem.noise, NOISE_FLOOR)
        chi = residual_in_noise_units(problem.op, x, problem.y, noise)
        typical = None if uncertainty is None else float(np.sqrt(np.mean(np.square(uncertainty.data)))) / scale.width
    record = Record(
        versions=Record.versions_here(),
        input=described(volume),
        model={"name": model.spec.name, "version": model.spec.version, "sha256": model.sha256},
        task=acquisition.summary(),
        settings=asdict(settings),
        device=f"{model.device.type}, {str(model.dtype).removeprefix('torch.')}",
        seconds={stage: round(value, 3) for stage, value in seconds.items()},
        peak_memory_bytes=_peak_memory_bytes(),
        noise_sigma=problem.noise * scale.width,
        residual=chi,
        drift=-float(left.mean()) / scale.width,
        uncertainty_rms=typical,
        envelope=verdict.level,
        warnings=(*volume.source.warnings, *verdict.warnings, *trust.warnings),
        uncertainty=trust.facts,
    )
    return Enhancement(finer, uncertainty, residual, record)


@dataclass(frozen=True)
class Posterior:
    """What the model believes of one scan, in the scan's unit on the fine grid, uncalibrated.

    Attributes:
        mean: the expected scan.
        deviation: standard deviation that the variance head gives each voxel.
        samples: plausible scans, each computed when it is asked for.
    """

    mean: Volume
    deviation: Volume
    samples: Iterator[Volume]


def posterior(
    volume: Volume, model: Model, settings: EnhanceSettings, acquisition: Acquisition, whole: Whole | None = None
) -> Posterior:
    """Mean, deviation and `settings.draws` draws of one scan, for measuring how far they can be trusted.

    Args:
        volume: the coarse scan.
        model: of `medsr.model.weights.load_model`.
        settings: draws, steps, seed, flips and noise; the mode does not matter.
        acquisition: how the scan was acquired.
        whole: of the scan that `volume` is a part of.

    Raises:
        MedsrError: as `enhance`.
    """
    _admitted(volume, model, acquisition, settings, whole)
    scale = scale_of(volume.data, volume.modality) if whole is None else whole.scale
    problem = prepared(volume, model, acquisition, settings, scale, None, whole)
    mean = posterior_mean(problem, model)
    width = problem.detail * scale.width
    states = (last_of(sample_steps(problem, mean, model, settings, sample)) for sample in range(settings.samples))
    return Posterior(
        _volume(volume, finished(problem, mean.detail), scale, acquisition),
        _placed(volume, torch.sqrt(mean.variance) * width, acquisition),
        (_volume(volume, finished(problem, state), scale, acquisition) for state in states),
    )


def sample_states(
    volume: Volume, model: Model, settings: EnhanceSettings, acquisition: Acquisition | None = None
) -> Iterator[Volume]:
    """The expected clean scan at every step of one draw, noise becoming anatomy; the last one is the draw."""
    acquisition = acquisition or acquisition_of(volume)
    _admitted(volume, model, acquisition, settings)
    scale = scale_of(volume.data, volume.modality)
    problem = prepared(volume, model, acquisition, settings, scale, None)
    mean = posterior_mean(problem, model)
    for _, state in sample_steps(problem, mean, model, settings, sample=0):
        yield _volume(volume, finished(problem, state), scale, acquisition)


def _volume(volume: Volume, x: Tensor, scale: Scale, acquisition: Acquisition) -> Volume:
    return _placed(volume, scale.from_model(x), acquisition)


def _placed(volume: Volume, x: Tensor, acquisition: Acquisition) -> Volume:
    return on_fine_grid(volume, _array(x), acquisition)


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


def _admitted(
    volume: Volume, model: Model, acquisition: Acquisition, settings: EnhanceSettings, whole: Whole | None = None
) -> Verdict:
    if acquisition.coarse_shape != volume.shape:
        raise UsageError(f"acquisition gives {acquisition.coarse_shape} voxels, the scan has {volume.shape}")
    return admitted(volume, acquisition, model.spec, force=settings.force, voxels=whole is None)


def described(volume: Volume) -> dict[str, Any]:
    """What a record holds of its input: nothing that names a patient or a file."""
    return {
        "format": volume.source.format,
        "content_sha256": volume.source.content_sha256,
        "modality": volume.modality,
        "contrast": volume.source.contrast,
        "shape": list(volume.shape),
        "spacing_mm": [round(float(h), 4) for h in volume.spacing_mm],
        "thickness_mm": volume.thickness_mm,
    }


def _array(x: Tensor) -> NDArray[np.float32]:
    return np.asarray(x[0, 0].float().cpu().numpy(), dtype=np.float32)


def _peak_memory_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        seconds[stage] = seconds.get(stage, 0.0) + time.monotonic() - began
