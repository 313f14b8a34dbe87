"""One scan, or one part of a scan, enhanced in one piece: result, uncertainty, residual and record.

Pure: it knows no paths, prints nothing and its only randomness is the noise of its seed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.affine import axes_text
from medsr.enhancement.consistency import residual_map
from medsr.enhancement.envelope import Verdict, admitted
from medsr.enhancement.posterior import (
    NOISE_FLOOR,
    OnProgress,
    finished,
    finished_deviation,
    last_of,
    posterior_mean,
    prepared,
    sample_steps,
    solved,
)
from medsr.enhancement.reference_free import measured
from medsr.enhancement.result import Enhancement, described, on_fine_grid
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.uncertainty import UNUSED, trust_of
from medsr.enhancement.walk import WalkStep
from medsr.enhancement.whole import Whole
from medsr.errors import UsageError
from medsr.metrics.fidelity import residual_in_noise_units
from medsr.model.intensity import Scale
from medsr.model.weights import Model
from medsr.physics.acquisition import Acquisition
from medsr.record import Record
from medsr.volume import Volume

OnState = Callable[[int, WalkStep], None]
"""Called with the number of a step, and the step."""


def enhance_piece(
    volume: Volume,
    model: Model,
    settings: EnhanceSettings,
    acquisition: Acquisition,
    on_progress: OnProgress | None = None,
    *,
    whole: Whole | None = None,
    on_state: OnState | None = None,
) -> Enhancement:
    """The enhancement of a scan, or of a part of it, in one piece (docs/explanation/equations.md).

    Args:
        volume: The input, or a part of it.
        model: Loaded model (`medsr.load_model`).
        settings: What is asked; grid and acquisition are those of `acquisition`.
        acquisition: How `volume` was acquired, and the finer grid.
        on_progress: Called as the work goes on.
        whole: What a part takes from the whole scan (`medsr.enhancement.region`); None: `volume` is the whole.
        on_state: Called after each step of the sample, in mode "sample".

    Raises:
        EnvelopeError: outside what the model was validated on, and `settings.force` is not set.
        InputError: a constant image.
        UsageError: an acquisition that does not fit the scan.
    """
    verdict = _admitted(volume, model, acquisition, settings, whole)
    seconds: dict[str, float] = {}
    with _timed(seconds, "start"):
        whole = Whole.of(volume, settings, acquisition) if whole is None else whole
        problem, scale = prepared(volume, model, acquisition, settings, whole, on_progress), whole.scale

    def on_step(number: int, noisy: Tensor, clean: Tensor) -> None:
        if on_state is not None:
            before, after = (_volume(volume, finished(problem, one), scale, acquisition) for one in (noisy, clean))
            on_state(number, WalkStep.of(before, after, acquisition.op))

    with _timed(seconds, "network"):
        detail, deviation = solved(problem, model, settings, None if on_state is None else on_step)
    with _timed(seconds, "finish"):
        x = finished(problem, detail)
        finer = _volume(volume, x, scale, acquisition)
        uncertainty = None
        trust = UNUSED
        if deviation is not None:
            known, factors = model.spec.calibration, acquisition.factors
            trust = trust_of(known, volume.modality, factors, settings)
            uncertainty = _placed(volume, trust.factor * problem.detail * deviation * scale.width, acquisition)
        left = residual_map(acquisition.op, x, problem.y) * scale.width
        residual = volume.with_data(_array(left), volume.affine)
        noise = max(problem.noise, NOISE_FLOOR)
        chi = residual_in_noise_units(acquisition.op, x, problem.y, noise)
        checks = measured(volume, finer, acquisition, problem.noise * scale.width, scale)
        typical = None if uncertainty is None else float(np.sqrt(np.mean(np.square(uncertainty.data)))) / scale.width
    record = Record(
        versions=Record.versions_here(),
        input=described(volume),
        model=model.facts(),
        task=acquisition.summary(),
        settings=settings.facts(),
        device=f"{model.device.type}, {str(model.dtype).removeprefix('torch.')}",
        seconds={stage: round(value, 3) for stage, value in seconds.items()},
        peak_memory_bytes=_peak_memory_bytes(),
        noise_sigma=problem.noise * scale.width,
        residual=chi,
        drift=-float(left.mean()) / scale.width,
        overshoot=checks.overshoot,
        ripple=checks.flat.ripple,
        roughness=checks.flat.roughness,
        uncertainty_rms=typical,
        envelope=verdict.level,
        envelope_measured=verdict.measured,
        warnings=(*volume.source.warnings, *verdict.warnings, *trust.warnings),
        uncertainty=trust.facts,
    )
    return Enhancement(finer, uncertainty, residual, record, acquisition)


@dataclass(frozen=True)
class Posterior:
    """The posterior of one scan, in the scan's unit on the fine grid, uncalibrated.

    Attributes:
        mean: Posterior mean.
        deviation: Standard deviation of each voxel, as the variance head predicts it.
        samples: Posterior samples, each computed when it is asked for.
    """

    mean: Volume
    deviation: Volume
    samples: Iterator[Volume]


def posterior(
    volume: Volume, model: Model, settings: EnhanceSettings, acquisition: Acquisition, whole: Whole | None = None
) -> Posterior:
    """Mean, deviation and `settings.samples` samples of one scan, to measure how far they can be trusted.

    Args:
        volume: Input, or a part of it.
        model: Loaded model.
        settings: Request; samples, steps, sampler, seed, flips and noise matter here, the mode does not.
        acquisition: How `volume` was acquired, and the finer grid.
        whole: What a part takes from the whole scan; None: `volume` is the whole.

    Raises:
        MedsrError: as `enhance`.
    """
    _admitted(volume, model, acquisition, settings, whole)
    whole = Whole.of(volume, settings, acquisition) if whole is None else whole
    problem, scale = prepared(volume, model, acquisition, settings, whole, None), whole.scale
    mean = posterior_mean(problem, model, settings)
    states = (
        last_of(sample_steps(problem, mean, model, settings, sample, watched=False))
        for sample in range(settings.samples)
    )
    return Posterior(
        _volume(volume, finished(problem, mean.detail), scale, acquisition),
        _placed(volume, finished_deviation(problem, torch.sqrt(mean.variance)) * scale.width, acquisition),
        (_volume(volume, finished(problem, state), scale, acquisition) for state in states),
    )


def _volume(volume: Volume, x: Tensor, scale: Scale, acquisition: Acquisition) -> Volume:
    return _placed(volume, scale.from_model(x), acquisition)


def _placed(volume: Volume, x: Tensor, acquisition: Acquisition) -> Volume:
    return on_fine_grid(volume, _array(x), acquisition)


def _admitted(
    volume: Volume, model: Model, acquisition: Acquisition, settings: EnhanceSettings, whole: Whole | None = None
) -> Verdict:
    if acquisition.coarse_shape != volume.shape:
        raise UsageError(
            f"the acquisition is for {axes_text(acquisition.coarse_shape)} voxels and the scan has "
            f"{axes_text(volume.shape)}; give the acquisition of this scan"
        )
    return admitted(volume, acquisition, model.spec, force=settings.force, voxels=whole is None)


def _array(x: Tensor) -> NDArray[np.float32]:
    return np.asarray(x[0, 0].float().cpu().numpy(), dtype=np.float32)


def _peak_memory_bytes() -> int:
    """Peak memory of this process; 0 where Python has no module that tells it, as on Windows."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        seconds[stage] = seconds.get(stage, 0.0) + time.monotonic() - began
