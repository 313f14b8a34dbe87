"""`Process`: what tells one member of the family of diffusion models with Gaussian noise from another.

Every member denoises x = r + sigma eps, its own state divided by the share of r in it (docs/explanation/equations.md,
eq. 14). So training, samplers and consistency are the same for all, and a member is the values below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from medsr.diffusion.denoiser import Denoiser, Estimate, Parametrisation, RawNetwork, estimate, mean_of
from medsr.diffusion.samplers import SAMPLERS, Kept, Noise, Step
from medsr.diffusion.schedule import START_SIGMA

Models = Literal["detail", "scan"]


@dataclass(frozen=True)
class Process:
    """One member of the family.

    Attributes:
        summary: What it is, in a line.
        parametrisation: What the raw network predicts.
        random_levels: Random noise levels (count,) for training, all finite, on the generator's device.
        levels: Falling levels (n + 1,) that a walk of n steps visits, the last one 0.
        starts: Where a walk begins: around the posterior mean, or at noise of the first level.
        spread: Deviation of the noise around the posterior mean that the network sees; None: it lies around 0.
        kept: What ancestral steps keep of the noise; None: as DDPM's.
        models: What r is: the detail in units of the expected one, or the scan itself (`medsr.model.conditioning`).
        sees_scan: Whether the network is shown the scan; one that is not is a prior, which only the data step guides.
        tells_mean: Whether the answer at sigma = inf is the posterior mean; else the mean is that of samples.
        rescaled: Whether samples are set as far from the mean as the variance head predicts.
        classifies: Whether it is no denoiser but a classifier of noisy states.
        encodes: Whether it is no denoiser but an autoencoder of the detail.
        coded: Whether r is a code of what it models, by such an autoencoder (`medsr.model.states`).
        error_variance: Variance of the network's error in measured directions, in units of r squared.
        most: Absolute value that clean states of a walk are cut at, in units of r; None: they are left as they are.
    """

    summary: str
    parametrisation: Parametrisation
    random_levels: Callable[[int, torch.Generator], Tensor]
    levels: Callable[[int], Tensor]
    starts: Literal["mean", "noise"] = "noise"
    spread: float | None = None
    kept: Kept | None = None
    models: Models = "detail"
    sees_scan: bool = True
    tells_mean: bool = True
    rescaled: bool = False
    classifies: bool = False
    encodes: bool = False
    coded: bool = False
    error_variance: float = 0.3
    most: float | None = None

    def training_levels(self, count: int, mean_share: float, generator: torch.Generator) -> Tensor:
        """Noise levels (count,): inf for the first `mean_share` of the batch where it tells the mean, else finite."""
        sigma = self.random_levels(count, generator)
        if self.tells_mean:
            sigma[: round(mean_share * count)] = torch.inf
        return sigma

    def estimate(self, net: RawNetwork, noisy: Tensor, sigma: Tensor) -> Estimate:
        """The clean state that a raw network expects, as `denoiser.estimate`."""
        return estimate(net, noisy, sigma, self.parametrisation)

    def denoiser(self, net: RawNetwork, mean: Tensor) -> Denoiser:
        """The denoiser that a walk needs: of white noise, whatever noise the network was trained on (`noise`)."""
        denoise = mean_of(net, self.parametrisation)
        if self.most is not None:
            denoise = _cut(denoise, self.most)
        if self.spread is None:
            return denoise
        shift = mean / self.spread
        return lambda x, sigma: denoise(x + sigma[:, None, None, None, None] * shift, sigma)

    def noise(self, white: Tensor, mean: Tensor) -> Tensor:
        """Noise that the network is trained on, (B, 1, I, J, K): white, or around the mean in units of its spread."""
        return white if self.spread is None else white + mean / self.spread

    def first_state(self, mean: Tensor, variance: Tensor, white: Tensor, n_steps: int) -> Tensor:
        """State (B, 1, I, J, K) that a walk of `n_steps` begins with.

        Args:
            mean: Posterior mean.
            variance: Its variance.
            white: White noise of unit variance.
            n_steps: Number of steps.
        """
        if self.starts == "mean":
            return mean + torch.sqrt(START_SIGMA**2 + variance) * white
        return float(self.levels(n_steps)[0]) * white

    def walk(self, denoise: Denoiser, x: Tensor, sampler: str, n_steps: int, noise: Noise) -> Iterator[Step]:
        """Steps from the first state to a sample.

        Args:
            denoise: Denoiser, with guidance and data steps if there are any.
            x: Result of `first_state`.
            sampler: Name of a sampler.
            n_steps: Number of steps.
            noise: Fresh noise for the step of a number.
        """
        return SAMPLERS[sampler].run(denoise, x, self.levels(n_steps), noise, kept=self.kept)


def _cut(denoise: Denoiser, most: float) -> Denoiser:
    return lambda x, sigma: denoise(x, sigma).clamp(-most, most)
