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
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.acquisition import Acquisition, acquisition_of
from medsr.conditioning import conditioned, expected_detail, flip_averaged, roughness, scan_conditions, scan_maps
from medsr.consistency import consistent, noise_ratio, residual_map
from medsr.diffusion.denoiser import RawNetwork, estimate, mean_of
from medsr.diffusion.samplers import dpm_solver_2m
from medsr.diffusion.schedule import SIGMA_MAX, karras
from medsr.envelope import Verdict, judge
from medsr.errors import EnvelopeError, UsageError
from medsr.intensity import Scale, scale_of
from medsr.metrics.fidelity import residual_in_noise_units
from medsr.models import Model
from medsr.nets.detail import GRID
from medsr.ops import Separable
from medsr.ops.noise import estimate_sigma
from medsr.record import Record
from medsr.spreads import UNUSED, spread_of, trust_of
from medsr.tiles import tiled, white_noise
from medsr.volume import Volume

Mode = Literal["mean", "sample", "spread"]
MODES: tuple[Mode, ...] = get_args(Mode)
OnProgress = Callable[[str, int, int], None]
"""Called with the stage, the finished parts and all parts."""
OnState = Callable[[int, Volume], None]
"""Called with the number of the step and the scan as it then stands, its noise included."""

NOISE_FLOOR = 5e-4  # of the model range: a quieter scan counts as having this much noise
# What the estimate finds in scans degraded without noise, in the model range; k-space sampling blurs least.
ANATOMY_SIGMA = 0.0125
ANATOMY_SIGMA_KSPACE = 0.02
WHOLE_VOXELS = 24_000_000  # up to here a scan is computed in one piece: about 3 GiB with the base model


@dataclass(frozen=True)
class EnhanceSettings:
    """What is asked for beside the grid.

    Attributes:
        mode: "mean" (best expected error), "sample" (one plausible draw) or "spread" (mean, and how draws differ).
        dial: 0 (mean) to 1 (draw), for "sample".
        draws: draws behind the spread.
        steps: evaluations of the network per draw.
        seed: of the draws.
        flips: axes along which the mean is averaged over flips; each doubles its evaluations.
        noise: standard deviation of the scan's noise in its own unit; None estimates it.
        tile: side of a tile in voxels; None chooses by size.
        force: go on outside what the model was validated on.
    """

    mode: Mode = "mean"
    dial: float = 1.0
    draws: int = 8
    steps: int = 6
    seed: int = 0
    flips: int = 2
    noise: float | None = None
    tile: int | None = None
    force: bool = False

    def __post_init__(self) -> None:
        mode_named(self.mode)
        if not 0 <= self.dial <= 1:
            raise UsageError(f"dial is {self.dial:g}; expected 0 (mean) to 1 (draw)")
        if self.draws < 2 or self.steps < 1 or not 0 <= self.seed < 2**64:
            raise UsageError("expected at least 2 draws, 1 step and a seed from 0 to 2**64 - 1")
        if not 0 <= self.flips <= 3:
            raise UsageError(f"flips is {self.flips}; expected 0 to 3 axes")
        if self.noise is not None and not 0 <= self.noise < float("inf"):
            raise UsageError(f"noise is {self.noise:g}; expected 0 or more, in the scan's own unit")
        if self.tile is not None and self.tile < 1:
            raise UsageError(f"tile is {self.tile} voxels; expected at least 1")


def mode_named(name: str) -> Mode:
    """The mode of that name.

    Raises:
        UsageError: no such mode.
    """
    for known in MODES:
        if name == known:
            return known
    raise UsageError(f"mode is {name!r}; choose {', '.join(MODES)}")


@dataclass(frozen=True)
class Enhancement:
    """A finer scan and what goes with it.

    Attributes:
        volume: the finer scan.
        spread: standard deviation of draws, in the scan's unit, on the fine grid, calibrated where the weights hold
            factors; None but in mode "spread".
        residual: scan minus degraded result, in the scan's unit, on the coarse grid.
        record: what was done.
    """

    volume: Volume
    spread: Volume | None
    residual: Volume
    record: Record


@dataclass(frozen=True)
class Whole:
    """What a part of a scan takes from the whole, so that it is enhanced as it would be there.

    Attributes:
        scale: intensities of the whole scan to the model range.
        noise: of the whole scan, in the model range.
        origin: of the part on the whole fine grid, in voxels.
    """

    scale: Scale
    noise: float
    origin: tuple[int, int, int]


@dataclass(frozen=True)
class _Problem:
    """One scan in the model range, ready for the network."""

    op: Separable
    y: Tensor  # (1, 1, i, j, k)
    start: Tensor  # (1, 1, I, J, K)
    rest: Tensor  # what the start leaves of y, in units of the expected detail
    detail: float
    noise: float  # in the model range
    raw: RawNetwork
    raw_mean: RawNetwork  # averaged over flips: for the posterior mean
    error_variance: float
    shape: tuple[int, int, int]
    origin: tuple[int, int, int]  # of the noise


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
        model: of `medsr.models.load_model`.
        settings: mode, dial, seed and the rest.
        acquisition: how the scan was acquired and the finer grid; by default `acquisition_of(volume)`.
        on_progress: called as the work goes on.
        whole: of the scan that `volume` is a part of (`medsr.region`).
        on_state: called after each step of the draw, in mode "sample".

    Raises:
        EnvelopeError: outside what the model was validated on, and `settings.force` is not set.
        InputError: a constant image.
        UsageError: an acquisition that does not fit the scan.
    """
    settings = settings or EnhanceSettings()
    acquisition = acquisition or acquisition_of(volume)
    verdict, warnings = _envelope(volume, model, acquisition, settings, whole)
    seconds: dict[str, float] = {}
    with _timed(seconds, "start"):
        scale = scale_of(volume.data, volume.modality) if whole is None else whole.scale
        problem = _problem(volume, model, acquisition, settings, scale, on_progress, whole)

    def on_step(number: int, state: Tensor) -> None:
        if on_state is not None:
            on_state(number, _volume(volume, _finish(problem, state), scale, acquisition))

    with _timed(seconds, "network"):
        detail, deviation = _solve(problem, model, settings, on_step)
    with _timed(seconds, "finish"):
        x = _finish(problem, detail)
        finer = _volume(volume, x, scale, acquisition)
        spread = None
        trust = UNUSED
        if deviation is not None:
            known, factors = model.spec.calibration, acquisition.factors
            trust = trust_of(known, volume.modality, factors, settings.draws, settings.steps)
            spread = _on_fine_grid(volume, trust.factor * deviation * problem.detail * scale.width, acquisition)
        left = residual_map(problem.op, x, problem.y) * scale.width
        residual = volume.with_data(_array(left), volume.affine)
        noise = max(problem.noise, NOISE_FLOOR)
        chi = residual_in_noise_units(problem.op, x, problem.y, noise)
        typical = None if spread is None else float(np.sqrt(np.mean(np.square(spread.data)))) / scale.width
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
        spread=typical,
        envelope=verdict.level,
        warnings=(*volume.source.warnings, *warnings, *trust.warnings),
        uncertainty=trust.facts,
    )
    return Enhancement(finer, spread, residual, record)


@dataclass(frozen=True)
class Posterior:
    """What the model believes of one scan, in the scan's unit on the fine grid, uncalibrated.

    Attributes:
        mean: the expected scan.
        deviation: standard deviation that the variance head gives each voxel.
        draws: plausible scans, each computed when it is asked for.
    """

    mean: Volume
    deviation: Volume
    draws: Iterator[Volume]


def posterior(
    volume: Volume, model: Model, settings: EnhanceSettings, acquisition: Acquisition, whole: Whole | None = None
) -> Posterior:
    """Mean, deviation and `settings.draws` draws of one scan, for measuring how far they can be trusted.

    Args:
        volume: the coarse scan.
        model: of `medsr.models.load_model`.
        settings: draws, steps, seed, flips and noise; the mode does not matter.
        acquisition: how the scan was acquired.
        whole: of the scan that `volume` is a part of.

    Raises:
        MedsrError: as `enhance`.
    """
    _envelope(volume, model, acquisition, settings, whole)
    scale = scale_of(volume.data, volume.modality) if whole is None else whole.scale
    problem = _problem(volume, model, acquisition, settings, scale, None, whole)
    mean = _posterior_mean(problem, model)
    width = problem.detail * scale.width
    states = (_last(_draw(problem, mean, model, settings, draw)) for draw in range(settings.draws))
    return Posterior(
        _volume(volume, _finish(problem, mean.detail), scale, acquisition),
        _on_fine_grid(volume, torch.sqrt(mean.variance) * width, acquisition),
        (_volume(volume, _finish(problem, state), scale, acquisition) for state in states),
    )


def draw_states(
    volume: Volume, model: Model, settings: EnhanceSettings, acquisition: Acquisition | None = None
) -> Iterator[Volume]:
    """The expected clean scan at every step of one draw, noise becoming anatomy; the last one is the draw."""
    acquisition = acquisition or acquisition_of(volume)
    _envelope(volume, model, acquisition, settings)
    scale = scale_of(volume.data, volume.modality)
    problem = _problem(volume, model, acquisition, settings, scale, None)
    mean = _posterior_mean(problem, model)
    for _, state in _draw(problem, mean, model, settings, draw=0):
        yield _volume(volume, _finish(problem, state), scale, acquisition)


def _problem(
    volume: Volume,
    model: Model,
    acquisition: Acquisition,
    settings: EnhanceSettings,
    scale: Scale,
    on_progress: OnProgress | None,
    whole: Whole | None = None,
) -> _Problem:
    op = acquisition.op
    y = scale.to_model(torch.from_numpy(np.array(volume.data)))[None, None].to(model.device)
    noise = scan_noise(volume, scale, settings, op) if whole is None else whole.noise
    start = op.start(y, roughness(noise))
    detail = expected_detail(op)
    numbers = scan_conditions(op, acquisition.fine_spacing_mm, noise)[None].to(model.device)
    draws = {"mean": 0, "sample": 1, "spread": settings.draws}[settings.mode]
    net = _network(model, acquisition.fine_shape, settings, on_progress, 2**settings.flips + settings.steps * draws)
    maps = scan_maps(op, start, acquisition.fine_spacing_mm).to(model.dtype)
    return _Problem(
        op=op,
        y=y,
        start=start,
        rest=(y - op(start)) / detail,
        detail=detail,
        noise=noise,
        raw=conditioned(net, maps, numbers),
        raw_mean=conditioned(flip_averaged(net, range(settings.flips)), maps, numbers),
        error_variance=model.spec.error_variance,
        shape=acquisition.fine_shape,
        origin=(0, 0, 0) if whole is None else whole.origin,
    )


def _network(
    model: Model,
    shape: tuple[int, int, int],
    settings: EnhanceSettings,
    on_progress: OnProgress | None,
    evaluations: int,
) -> Callable[[Tensor, Tensor], Tensor]:
    """The model, tiled where the scan is large, that tells how far it is."""
    tile = settings.tile
    if tile is None:
        tile = max(shape) if int(np.prod(shape)) <= WHOLE_VOXELS else 128
    tile = -(-tile // GRID) * GRID
    done = 0

    def on_tile(number: int, count: int) -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress("network", done, count * evaluations)

    return tiled(model, tile, model.net.spec.reach, GRID, on_tile)


def _solve(
    problem: _Problem, model: Model, settings: EnhanceSettings, on_step: Callable[[int, Tensor], None]
) -> tuple[Tensor, Tensor | None]:
    """The detail that was asked for and, in mode "spread", its standard deviation, in units of the expected one."""
    mean = _posterior_mean(problem, model)
    if settings.mode == "mean":
        return mean.detail, None
    if settings.mode == "sample":
        drawn = mean.detail
        for number, (state, clean) in enumerate(_draw(problem, mean, model, settings, 0)):
            on_step(number, state)
            drawn = clean
        return mean.detail + settings.dial * (drawn - mean.detail), None
    total = torch.zeros_like(mean.detail)
    for draw in range(settings.draws):
        total += (_last(_draw(problem, mean, model, settings, draw)) - mean.detail) ** 2
    return mean.detail, spread_of(total / settings.draws)


@dataclass(frozen=True)
class _Mean:
    detail: Tensor
    variance: Tensor


def _posterior_mean(problem: _Problem, model: Model) -> _Mean:
    infinite = torch.full((1,), torch.inf, device=model.device)
    answer = estimate(problem.raw_mean, torch.zeros_like(problem.start), infinite)
    ratio = noise_ratio(problem.noise / problem.detail, problem.error_variance)
    return _Mean(problem.op.prox(answer.mean, problem.rest, ratio), torch.exp(answer.log_variance.clamp(-10, 3)))


def _draw(
    problem: _Problem, mean: _Mean, model: Model, settings: EnhanceSettings, draw: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Noisy and expected clean states of one draw (docs/physics.md, eq. 12), from the mean plus noise to the draw.

    A noisy state is the one that its step started from; the last one is the draw.
    """
    noise = white_noise(problem.shape, settings.seed, draw, 0, problem.origin).to(model.device)
    sigmas = karras(settings.steps)
    x = mean.detail + torch.sqrt(SIGMA_MAX**2 + mean.variance) * noise
    denoise = consistent(
        mean_of(problem.raw), problem.op, problem.rest, problem.noise / problem.detail, problem.error_variance
    )
    for number, step in enumerate(dpm_solver_2m(denoise, x, sigmas), start=1):
        if number < settings.steps:
            yield x, step.clean
        else:
            draw_state = _spread_as_expected(step.clean, mean, model.spec.draw_spread)
            yield draw_state, draw_state
        x = step.x


def _spread_as_expected(draw: Tensor, mean: _Mean, draw_spread: float) -> Tensor:
    """The draw moved along its line from the mean until it lies as far away as the variance head says.

    A few steps of an imperfect denoiser give draws that lie too near or too far, and by how much depends on the
    scan; the energy of the whole deviation sets it right without changing its texture.
    """
    away = draw - mean.detail
    expected, found = mean.variance.mean(), away.square().mean()
    return mean.detail + draw_spread * torch.sqrt(expected / found.clamp_min(1e-12)) * away


def _finish(problem: _Problem, detail: Tensor) -> Tensor:
    return problem.start + problem.detail * detail


def _volume(volume: Volume, x: Tensor, scale: Scale, acquisition: Acquisition) -> Volume:
    return _on_fine_grid(volume, scale.from_model(x), acquisition)


def _on_fine_grid(volume: Volume, x: Tensor, acquisition: Acquisition) -> Volume:
    """A result; where the slices were refined, the coarse scan's thickness is no longer its own."""
    refined = volume.slice_axis is None or acquisition.degraded[volume.slice_axis]
    thickness_mm = None if refined else volume.thickness_mm
    return replace(volume, data=_array(x), affine=acquisition.fine_affine, thickness_mm=thickness_mm)


def _envelope(
    volume: Volume, model: Model, acquisition: Acquisition, settings: EnhanceSettings, whole: Whole | None = None
) -> tuple[Verdict, list[str]]:
    if acquisition.coarse_shape != volume.shape:
        raise UsageError(f"acquisition gives {acquisition.coarse_shape} voxels, the scan has {volume.shape}")
    verdict = judge(volume, acquisition, model.spec.envelope, voxels=whole is None)
    if verdict.objections and not settings.force:
        raise EnvelopeError(
            f"outside what {model.spec.name} was validated on: {'; '.join(verdict.objections)}; --force goes on"
        )
    outside = [f"outside the validated range: {text}" for text in verdict.objections]
    return verdict, outside + [f"at the edge of the validated range: {text}" for text in verdict.notices]


def scan_noise(volume: Volume, scale: Scale, settings: EnhanceSettings, op: Separable) -> float:
    """Standard deviation of the scan's noise in the model range, as given or estimated from the scan.

    Fine anatomy looks like noise to the estimate, so what it finds in scans without noise is taken off.
    """
    if settings.noise is not None:
        return settings.noise / scale.width
    found = estimate_sigma(scale.to_model(torch.from_numpy(np.array(volume.data))), _fine_axes(volume))
    kspace = any(axis is not None and axis.profile == "kspace" for axis in op.axes)
    anatomy = ANATOMY_SIGMA_KSPACE if kspace else ANATOMY_SIGMA
    return float(np.sqrt(max(found**2 - anatomy**2, 0.0)))


def _fine_axes(volume: Volume) -> tuple[int, ...]:
    """Axes whose neighbouring voxels are alike enough to read the noise from."""
    spacing = volume.spacing_mm
    return tuple(axis - 3 for axis in range(3) if spacing[axis] < 1.6 * spacing.min())


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


def _last(states: Iterator[tuple[Tensor, Tensor]]) -> Tensor:
    *_, (_, last) = states
    return last


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
