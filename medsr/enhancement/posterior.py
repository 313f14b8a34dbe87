"""One scan in the model range, and what the network answers: the posterior mean, and draws from the posterior.

Pure: it knows no paths, prints nothing and draws noise only from its seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medsr.diffusion.denoiser import RawNetwork, estimate, mean_of
from medsr.diffusion.noise import sample_noise, white_noise
from medsr.diffusion.samplers import SAMPLERS
from medsr.diffusion.schedule import START_SIGMA, karras
from medsr.enhancement.consistency import consistent, noise_ratio
from medsr.enhancement.settings import EnhanceSettings
from medsr.enhancement.uncertainty import standard_deviation
from medsr.model.conditioning import conditioned, expected_detail, flip_averaged, roughness, scan_conditions, scan_maps
from medsr.model.intensity import Scale
from medsr.model.nets.detail import GRID
from medsr.model.tiling import tiled
from medsr.model.weights import Model
from medsr.physics.acquisition import Acquisition
from medsr.physics.ops import Separable
from medsr.physics.ops.noise import estimate_sigma
from medsr.volume import Volume

OnProgress = Callable[[str, int, int], None]
"""Called with the stage, the finished parts and all parts."""

NOISE_FLOOR = 5e-4  # of the model range: a quieter scan counts as having this much noise
# What the estimate finds in scans degraded without noise, in the model range; k-space sampling blurs least.
ANATOMY_SIGMA = 0.0125
ANATOMY_SIGMA_KSPACE = 0.02
WHOLE_VOXELS = 24_000_000  # up to here in one piece; 7 million take 3.6 GiB with the base model


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
class Problem:
    """One scan in the model range, ready for the network."""

    op: Separable
    y: Tensor  # (1, 1, i, j, k)
    ibp: Tensor  # (1, 1, I, J, K)
    rest: Tensor  # what the IBP estimate leaves of y, in units of the expected detail
    detail: float
    noise: float  # in the model range
    raw: RawNetwork
    raw_mean: RawNetwork  # averaged over flips: for the posterior mean
    error_variance: float
    shape: tuple[int, int, int]
    origin: tuple[int, int, int]  # of the noise


@dataclass(frozen=True)
class PosteriorMean:
    """Expected detail (1, 1, I, J, K) and its variance, in units of the expected detail and its square."""

    detail: Tensor
    variance: Tensor


def prepared(
    volume: Volume,
    model: Model,
    acquisition: Acquisition,
    settings: EnhanceSettings,
    scale: Scale,
    on_progress: OnProgress | None,
    whole: Whole | None = None,
) -> Problem:
    """A scan brought to the model range, with its start, its noise and the network that answers for it.

    Args:
        volume: the coarse scan (i, j, k).
        model: of `medsr.model.weights.load_model`.
        acquisition: how it was acquired, and the finer grid (I, J, K).
        settings: flips, steps, draws, noise and tile.
        scale: intensities to the model range.
        on_progress: called after every tile.
        whole: of the scan that `volume` is a part of: its noise, and the part's origin.
    """
    op = acquisition.op
    y = scale.to_model(torch.from_numpy(np.array(volume.data)))[None, None].to(model.device)
    noise = scan_noise(volume, scale, settings, op) if whole is None else whole.noise
    ibp = op.ibp(y, roughness(noise))
    detail = expected_detail(op)
    numbers = scan_conditions(op, acquisition.fine_spacing_mm, noise)[None].to(model.device)
    net = _network(model, acquisition.fine_shape, settings, on_progress)
    maps = scan_maps(op, ibp, acquisition.fine_spacing_mm).to(model.dtype)
    return Problem(
        op=op,
        y=y,
        ibp=ibp,
        rest=(y - op(ibp)) / detail,
        detail=detail,
        noise=noise,
        raw=conditioned(net, maps, numbers),
        raw_mean=conditioned(flip_averaged(net, range(settings.flips)), maps, numbers),
        error_variance=model.spec.error_variance,
        shape=acquisition.fine_shape,
        origin=(0, 0, 0) if whole is None else whole.origin,
    )


def solved(
    problem: Problem, model: Model, settings: EnhanceSettings, on_step: Callable[[int, Tensor], None]
) -> tuple[Tensor, Tensor | None]:
    """The detail that was asked for and, in mode "uncertainty", its standard deviation, in units of the expected one.

    Args:
        problem: of `prepared`.
        model: that it was prepared for.
        settings: mode, dial, draws, steps and seed.
        on_step: called in mode "sample" with the number of a step and the noisy detail before it.

    Returns:
        Both (1, 1, I, J, K); None instead of the deviation in the other modes.
    """
    mean = posterior_mean(problem, model)
    if settings.mode == "mean":
        return mean.detail, None
    if settings.mode == "sample":
        drawn = mean.detail
        for number, (state, clean) in enumerate(sample_steps(problem, mean, model, settings, 0)):
            on_step(number, state)
            drawn = clean
        return mean.detail + settings.blend * (drawn - mean.detail), None
    total = torch.zeros_like(mean.detail)
    for sample in range(settings.samples):
        total += (last_of(sample_steps(problem, mean, model, settings, sample)) - mean.detail) ** 2
    return mean.detail, standard_deviation(total / settings.samples)


def posterior_mean(problem: Problem, model: Model) -> PosteriorMean:
    """The network's answer without any noisy state, made consistent with the scan (docs/physics.md)."""
    infinite = torch.full((1,), torch.inf, device=model.device)
    answer = estimate(problem.raw_mean, torch.zeros_like(problem.ibp), infinite)
    ratio = noise_ratio(problem.noise / problem.detail, problem.error_variance)
    return PosteriorMean(
        problem.op.prox(answer.mean, problem.rest, ratio), torch.exp(answer.log_variance.clamp(-10, 3))
    )


def sample_steps(
    problem: Problem, mean: PosteriorMean, model: Model, settings: EnhanceSettings, sample: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Noisy and expected clean states of one draw (docs/physics.md, eq. 12), from the mean plus noise to the draw.

    A noisy state is the one that its step started from; the last one is the draw. All are details (1, 1, I, J, K) in
    units of the expected one.

    Args:
        problem: of `prepared`.
        mean: of `posterior_mean`.
        model: that the problem was prepared for.
        settings: steps, sampler and seed.
        sample: number of the draw: each has noise of its own.
    """
    noise = sample_noise(problem.shape, settings.seed, sample, problem.origin).to(model.device)
    sigmas = karras(settings.steps)
    x = mean.detail + torch.sqrt(START_SIGMA**2 + mean.variance) * noise
    denoise = consistent(
        mean_of(problem.raw), problem.op, problem.rest, problem.noise / problem.detail, problem.error_variance
    )

    def fresh_noise(step: int) -> Tensor:
        return white_noise(problem.shape, settings.seed, sample, step + 1, problem.origin).to(model.device)

    for number, step in enumerate(SAMPLERS[settings.sampler].run(denoise, x, sigmas, fresh_noise), start=1):
        if number < settings.steps:
            yield x, step.clean
        else:
            sample_state = _at_expected_distance(step.clean, mean, model.spec.sample_scale)
            yield sample_state, sample_state
        x = step.x


def finished(problem: Problem, detail: Tensor) -> Tensor:
    """The scan (1, 1, I, J, K) in the model range of a detail (1, 1, I, J, K) in units of the expected one."""
    return problem.ibp + problem.detail * detail


def last_of(states: Iterator[tuple[Tensor, Tensor]]) -> Tensor:
    """The draw that a walk through noisy and clean states ends with."""
    *_, (_, last) = states
    return last


def scan_noise(volume: Volume, scale: Scale, settings: EnhanceSettings, op: Separable) -> float:
    """Standard deviation of the scan's noise in the model range, as given or estimated from the scan.

    Fine anatomy looks like noise to the estimate, so what it finds in scans without noise is taken off.
    """
    if settings.noise is not None:
        return settings.noise / scale.width
    found = estimate_sigma(scale.to_model(torch.from_numpy(np.array(volume.data))), _fine_axes(volume))
    band_limited = any(axis is not None and not axis.has_width for axis in op.axes)
    anatomy = ANATOMY_SIGMA_KSPACE if band_limited else ANATOMY_SIGMA
    return float(np.sqrt(max(found**2 - anatomy**2, 0.0)))


def evaluations_of(settings: EnhanceSettings) -> int:
    """Evaluations of the network behind a result: those of the mean and of every sample."""
    per_sample = SAMPLERS[settings.sampler].evaluations(settings.steps)
    return int(2**settings.flips + settings.n_samples * per_sample)


def _network(
    model: Model,
    shape: tuple[int, int, int],
    settings: EnhanceSettings,
    on_progress: OnProgress | None,
) -> Callable[[Tensor, Tensor], Tensor]:
    """The model, tiled where the scan is large, that tells how far it is."""
    tile = settings.tile
    if tile is None:
        tile = max(shape) if int(np.prod(shape)) <= WHOLE_VOXELS else 128
    tile = -(-tile // GRID) * GRID
    done, evaluations = 0, evaluations_of(settings)

    def on_tile(number: int, count: int) -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress("network", done, count * evaluations)

    return tiled(model, tile, model.net.spec.reach, GRID, on_tile)


def _at_expected_distance(sample: Tensor, mean: PosteriorMean, sample_scale: float) -> Tensor:
    """The draw moved along its line from the mean until it lies as far away as the variance head says.

    A few steps of an imperfect denoiser give draws that lie too near or too far, and by how much depends on the
    scan; the energy of the whole deviation sets it right without changing its texture.
    """
    away = sample - mean.detail
    expected, found = mean.variance.mean(), away.square().mean()
    return mean.detail + sample_scale * torch.sqrt(expected / found.clamp_min(1e-12)) * away


def _fine_axes(volume: Volume) -> tuple[int, ...]:
    """Axes whose neighbouring voxels are alike enough to read the noise from."""
    spacing = volume.spacing_mm
    return tuple(axis - 3 for axis in range(3) if spacing[axis] < 1.6 * spacing.min())
