"""The posterior of one scan in the model range: its mean, and samples from it.

Pure: it knows no paths, prints nothing, and its only randomness is the noise of its seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medsr.diffusion.denoiser import Denoiser, RawNetwork
from medsr.diffusion.guidance import classified, classifier_free, sharpness
from medsr.diffusion.noise import BALANCED, sample_noise, white_noise
from medsr.diffusion.process import Process
from medsr.diffusion.samplers import SAMPLERS
from medsr.enhancement.consistency import DATA_STEPS, mean_eigenvalue, noise_ratio
from medsr.enhancement.floor import raised_to
from medsr.enhancement.settings import EnhanceSettings, Triple
from medsr.enhancement.solved_grid import onto_result, solved_grid
from medsr.enhancement.uncertainty import standard_deviation
from medsr.enhancement.whole import Whole
from medsr.model.conditioning import (
    conditioned,
    flip_averaged,
    origin_and_unit,
    roughness,
    scan_conditions,
    scan_maps,
    unconditioned,
)
from medsr.model.intensity import Scale
from medsr.model.net_spec import GRID
from medsr.model.states import States, states_of
from medsr.model.tiling import Network, n_tiles, tiled
from medsr.model.weights import Model
from medsr.physics.acquisition import Acquisition
from medsr.physics.ops import Separable
from medsr.volume import Volume

OnProgress = Callable[[str, int, int], None]
"""Called with the stage, the finished parts and all parts."""

NOISE_FLOOR = 5e-4  # in the model range; a quieter scan counts as having this much noise
WHOLE_VOXELS = 24_000_000  # up to here in one piece; 7 million take 3.6 GiB with the base model
MEAN_SAMPLES = BALANCED  # whose mean stands for the posterior's where the process does not tell it
TILE_VOX = 128  # side of a tile where a scan is not computed in one piece


@dataclass(frozen=True)
class Problem:
    """One scan in the model range, ready for the network.

    Attributes:
        op: Operator of the acquisition, from the network's grid (I, J, K).
        y: Input (1, 1, i, j, k).
        ibp: What details are added to, (1, 1, I, J, K): the IBP estimate; a constant where a model knows whole scans.
        rest: Input minus what is degraded of `ibp`, (1, 1, i, j, k), in units of the expected detail.
        detail: Expected standard deviation of the detail, or of whole scans.
        noise: Standard deviation of the scan's noise.
        floor: Lowest value that the posterior mean may have.
        raw: Raw network of this scan.
        raw_unconditioned: The same, shown nothing of the scan.
        raw_mean: The same, averaged over flips, for the posterior mean.
        classifier: Raw network of the classifier that leads samples; None: nothing does.
        error_variance: Variance of the network's error in measured directions, in squared units of the expected detail.
        states: What the network denoises: details, or codes of them.
        onto_result: Interpolation from that grid to that of the result (`medsr.enhancement.solved_grid`).
    """

    op: Separable
    y: Tensor
    ibp: Tensor
    rest: Tensor
    detail: float
    noise: float
    floor: float
    raw: RawNetwork
    raw_unconditioned: RawNetwork
    raw_mean: RawNetwork
    classifier: RawNetwork | None
    error_variance: float
    states: States
    onto_result: Separable


@dataclass(frozen=True)
class PosteriorMean:
    """What is expected of the detail, all (1, 1, I, J, K), in units of the expected detail or their square.

    Attributes:
        detail: Posterior mean, with what lay below the scan's floor raised.
        variance: Its variance.
        unraised: The mean before that, which samples of the network lie around.
    """

    detail: Tensor
    variance: Tensor
    unraised: Tensor


def prepared(
    volume: Volume,
    model: Model,
    acquisition: Acquisition,
    settings: EnhanceSettings,
    whole: Whole,
    on_progress: OnProgress | None,
) -> Problem:
    """A scan in the model range, with its IBP estimate, its noise and its network.

    Args:
        volume: Input (i, j, k).
        model: Loaded model.
        acquisition: Acquisition of the input, and the finer grid (I, J, K).
        settings: Request; flips, steps, samples and tile matter here.
        whole: What `volume` takes from the whole scan.
        on_progress: Called after every layer of every tile.
    """
    solved = solved_grid(acquisition)
    op, noise = solved.op, whole.noise
    y = _in_model_range(volume, whole.scale)[None, None].to(model.device)
    process = model.process
    ibp = op.ibp(y, roughness(noise))
    origin, detail = origin_and_unit(process.models, op, ibp)
    numbers = scan_conditions(op, solved.fine_spacing_mm, noise)[None].to(model.device)
    states = states_of(model.net, solved.fine_shape, whole.origin)
    net = _network(model, states, solved.fine_shape, settings, on_progress)
    leader = (
        None
        if model.classifier is None
        else _tiled(model.classifier, model.classifier, states, solved.fine_shape, settings)
    )
    maps = states.maps(scan_maps(op, ibp, solved.fine_spacing_mm)).to(model.dtype)
    blind = unconditioned(net, maps, numbers)
    return Problem(
        op=op,
        y=y,
        ibp=origin,
        rest=(y - op(origin)) / detail,
        detail=detail,
        noise=noise,
        floor=whole.floor,
        raw=conditioned(net, maps, numbers) if process.sees_scan else blind,
        raw_unconditioned=blind,
        raw_mean=conditioned(flip_averaged(net, range(settings.flips)), maps, numbers),
        classifier=None if leader is None else conditioned(leader, maps, numbers),
        error_variance=model.spec.error_variance,
        states=states,
        onto_result=onto_result(solved, acquisition),
    )


def solved(
    problem: Problem, model: Model, settings: EnhanceSettings, on_step: Callable[[int, Tensor, Tensor], None] | None
) -> tuple[Tensor, Tensor | None]:
    """The detail that the mode asks for and, in mode "uncertainty", its standard deviation.

    Args:
        problem: Scan, as `prepared` makes it.
        model: Model that it was prepared for.
        settings: Request; mode, strength, blend, samples, steps, sampler and seed matter here.
        on_step: Called in mode "sample" with the number of a step, its noisy and clean detail; None: nobody watches.

    Returns:
        The detail (1, 1, I, J, K) and, on the grid of the result, its deviation, both in units of the expected detail;
        None instead of the deviation in the other modes. Without samples it is what the variance head tells. What a
        strength below 1 leaves out of the mean counts as deviation.
    """
    untold = settings.mode == "sample" and settings.blend == 1 and not model.process.tells_mean
    mean = _nothing(problem) if untold else posterior_mean(problem, model, settings)
    if settings.mode == "sample":
        sample, watched = mean.detail, on_step is not None
        for number, (state, clean) in enumerate(sample_steps(problem, mean, model, settings, 0, watched=watched)):
            if on_step is not None:
                on_step(number, state, clean)
            sample = clean
        return settings.strength * (mean.detail + settings.blend * (sample - mean.detail)), None
    shown = mean.detail if settings.strength == 1 else raised(problem, settings.strength * mean.unraised)
    if settings.mode == "mean":
        return shown, None
    deviation = _deviation(problem, mean, model, settings)
    if settings.strength == 1:
        return shown, deviation
    return shown, torch.hypot(deviation, problem.onto_result.linear((mean.detail - shown).abs()))


def _deviation(problem: Problem, mean: PosteriorMean, model: Model, settings: EnhanceSettings) -> Tensor:
    """The posterior's standard deviation on the grid of the result: by the variance head, or of samples."""
    if not settings.samples:
        return problem.onto_result.linear(torch.sqrt(mean.variance))
    total = torch.zeros_like(problem.onto_result.linear(mean.detail))
    for number in range(settings.samples):
        sample = last_of(sample_steps(problem, mean, model, settings, number, watched=False))
        total += problem.onto_result.cubic(sample - mean.detail) ** 2
    return standard_deviation(total / settings.samples)


def posterior_mean(problem: Problem, model: Model, settings: EnhanceSettings) -> PosteriorMean:
    """The prediction without any noisy state, made consistent with the scan (docs/explanation/equations.md, eq. 10).

    Where the process tells none, the mean and variance of `MEAN_SAMPLES` samples, or of as many as are asked for. Then
    what lies below the scan's floor is raised to it.
    """
    if not model.process.tells_mean:
        return _mean_of_samples(problem, model, settings)
    infinite = torch.full((1,), torch.inf, device=model.device)
    answer = model.process.estimate(problem.raw_mean, torch.zeros_like(problem.ibp), infinite)
    ratio = noise_ratio(problem.noise / problem.detail, problem.error_variance)
    detail = problem.op.prox(answer.mean, problem.rest, ratio)
    variance = torch.exp(answer.log_variance.clamp(-10, 3))
    return PosteriorMean(raised(problem, detail), variance, unraised=detail)


def _mean_of_samples(problem: Problem, model: Model, settings: EnhanceSettings) -> PosteriorMean:
    count, nothing = samples_of_mean(settings, model.process), _nothing(problem)
    total, squares = torch.zeros_like(problem.ibp), torch.zeros_like(problem.ibp)
    for number in range(count):
        sample = last_of(sample_steps(problem, nothing, model, settings, number, watched=False))
        total += sample
        squares += sample**2
    detail = total / count
    variance = (squares / count - detail**2).clamp_min(0) * (count / (count - 1))
    return PosteriorMean(raised(problem, detail), variance, unraised=detail)


def _nothing(problem: Problem) -> PosteriorMean:
    """What stands for a mean that nobody asks for."""
    nothing = torch.zeros_like(problem.ibp)
    return PosteriorMean(nothing, nothing, unraised=nothing)


def samples_of_mean(settings: EnhanceSettings, process: Process) -> int:
    """Number of samples that the mean is taken from; 0 where the network tells it, or nobody asks for it."""
    if process.tells_mean or (settings.mode == "sample" and settings.blend == 1):
        return 0
    return settings.samples or MEAN_SAMPLES


def raised(problem: Problem, detail: Tensor) -> Tensor:
    """Detail (1, 1, I, J, K) with which no voxel lies below the scan's floor, in units of the expected detail."""
    x = problem.ibp + problem.detail * detail
    return detail + (raised_to(problem.floor, x, problem.op) - x) / problem.detail


def sample_steps(
    problem: Problem,
    mean: PosteriorMean,
    model: Model,
    settings: EnhanceSettings,
    sample: int,
    *,
    watched: bool = True,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Noisy and expected clean states on the way to a sample (docs/explanation/equations.md, eq. 12).

    A noisy state is the one that its step started from; the last one is the sample. All are details (1, 1, I, J, K) in
    units of the expected detail.

    Args:
        problem: Scan, as `prepared` makes it.
        mean: Posterior mean, as `posterior_mean` computes it.
        model: Model that the scan was prepared for.
        settings: Request; steps, sampler, guidance, data step and seed matter here.
        sample: Number of the sample, from 0; each has noise of its own.
        watched: Whether to give the states on the way, which have to be decoded for it, or the sample alone.
    """
    states, process = problem.states, model.process
    noise = sample_noise(states.shape, settings.seed, sample, states.origin, states.channels).to(model.device)
    x = process.first_state(mean.detail, mean.variance, noise, settings.steps)
    denoise = _led(problem, process, mean.detail, settings)

    def fresh_noise(step: int) -> Tensor:
        white = white_noise(states.shape, settings.seed, sample, step + 1, states.origin, states.channels)
        return white.to(model.device)

    steps = process.walk(denoise, x, settings.sampler, settings.steps, fresh_noise)
    for number, step in enumerate(steps, start=1):
        if number < settings.steps and watched:
            yield states.decode(x), states.decode(step.clean)
        if number == settings.steps:
            clean, scale = decoded(problem, step.clean, settings), model.spec.sample_scale
            sample_state = _at_expected_distance(clean, mean, scale) if process.rescaled else clean
            yield sample_state, sample_state
        x = step.x


def decoded(problem: Problem, state: Tensor, settings: EnhanceSettings) -> Tensor:
    """The detail of a walk's last clean state: what decoding adds to it goes through a last data step.

    It counts as much error as the autoencoder was found to make, or as the residual holds beyond the scan's noise.

    Args:
        problem: Scan, as `prepared` makes it.
        state: Clean state.
        settings: Request; the data step matters here.
    """
    detail, error = problem.states.decode(state), problem.states.error
    if error == 0:
        return detail
    noise, residual = problem.noise / problem.detail, problem.rest - problem.op(detail)
    error = max(error, (float(residual.square().mean()) - noise**2) / mean_eigenvalue(problem.op))
    exact = settings.data_step == "project"
    return problem.op.prox(detail, problem.rest, 0.0 if exact else noise_ratio(noise, error))


def _led(problem: Problem, process: Process, mean: Tensor, settings: EnhanceSettings) -> Denoiser:
    """The denoiser of a walk: with guidance, a classifier and the data step where they are asked for."""
    denoise = process.denoiser(problem.raw, mean)
    if settings.guidance != 1:
        denoise = classifier_free(denoise, process.denoiser(problem.raw_unconditioned, mean), settings.guidance)
    if problem.classifier is not None:
        denoise = classified(denoise, sharpness(problem.classifier), settings.classifier_scale)
    noise = problem.noise / problem.detail
    seen = problem.states.seen(problem.op)
    return DATA_STEPS[settings.data_step](denoise, seen, problem.rest, noise, problem.error_variance)


def finished(problem: Problem, detail: Tensor) -> Tensor:
    """The result in the model range, on its own grid: IBP estimate plus detail.

    Args:
        problem: Scan, as `prepared` makes it.
        detail: Detail (1, 1, I, J, K) in units of the expected detail.
    """
    return problem.onto_result.cubic(problem.ibp + problem.detail * detail)


def finished_deviation(problem: Problem, deviation: Tensor) -> Tensor:
    """A predicted standard deviation in the model range, on the grid of the result; arguments as for `finished`."""
    return problem.onto_result.linear(problem.detail * deviation)


def last_of(states: Iterator[tuple[Tensor, Tensor]]) -> Tensor:
    """The sample that the steps of `sample_steps` end with."""
    *_, (_, last) = states
    return last


def evaluations_of(settings: EnhanceSettings, process: Process) -> int:
    """Number of evaluations of the network for a result: those of the mean and of every sample."""
    per_sample = SAMPLERS[settings.sampler].evaluations(settings.steps) * (1 if settings.guidance == 1 else 2)
    n_samples = settings.n_samples + samples_of_mean(settings, process)
    return int((2**settings.flips if process.tells_mean else 0) + n_samples * per_sample)


def tile_side(shape: Triple, tile: int | None) -> int:
    """Side of a tile in voxels, a multiple of the network's grid.

    Args:
        shape: Voxels of the fine grid, per axis.
        tile: Side that was asked for; None: one piece where the scan is small enough, else `TILE_VOX`.
    """
    if tile is None:
        tile = max(shape) if int(np.prod(shape)) <= WHOLE_VOXELS else TILE_VOX
    return -(-tile // GRID) * GRID


def _network(
    model: Model,
    states: States,
    shape: Triple,
    settings: EnhanceSettings,
    on_progress: OnProgress | None,
) -> Network:
    """The model, tiled where the scan is large, which reports its progress layer by layer."""
    done = 0
    pieces = n_tiles(states.shape, tile_side(shape, settings.tile) // states.step)
    total = pieces * evaluations_of(settings, model.process) * model.n_layers

    def on_layer() -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress("network", done, total)

    return _tiled(model.watched(on_layer), model, states, shape, settings)


def _tiled(net: Network, model: Model, states: States, shape: Triple, settings: EnhanceSettings) -> Network:
    tile, reach = tile_side(shape, settings.tile), model.net.spec.reach
    return tiled(net, tile // states.step, reach // states.step, GRID // states.step)


def _at_expected_distance(sample: Tensor, mean: PosteriorMean, sample_scale: float) -> Tensor:
    """A sample around the mean that lies as far from it as the variance head predicts.

    A few steps of an imperfect denoiser give samples that lie too near or too far, and by how much depends on the
    scan; scaling by the energy of the whole deviation corrects this without changing the texture.
    """
    away = sample - mean.unraised
    expected, found = mean.variance.mean(), away.square().mean()
    return mean.detail + sample_scale * torch.sqrt(expected / found.clamp_min(1e-12)) * away


def _in_model_range(volume: Volume, scale: Scale) -> Tensor:
    return scale.to_model(torch.from_numpy(np.array(volume.data)))
