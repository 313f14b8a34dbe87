"""The autoencoder of details: codes of a few numbers for each voxel of the half grid, and details from codes.

After the first stage of latent diffusion (Rombach et al. 2022), small and without attention or normalisation, so that
a code does not depend on the part of a scan that it was computed in.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medsr.model.net_spec import NetSpec
from medsr.model.nets.layers import he_conv, shuffle, unshuffle


class CodeDistribution(NamedTuple):
    """What an encoder tells of the code of a detail: mean and logarithm of the variance, (B, codes, I/2, J/2, K/2)."""

    mean: Tensor
    log_variance: Tensor


class Autoencoder(nn.Module):
    """Details (B, 1, I, J, K), of even sizes, to codes (B, codes, I/2, J/2, K/2) and back.

    The running mean and variance of each number of the code set codes to mean 0 and variance 1, as a diffusion needs
    them; `error` is the running variance of what decoding adds to a detail, in the smooth directions that a scanner
    sees. Training sets all three (`medsr.training.autoencoding`).
    """

    centre: Tensor
    variance: Tensor
    error: Tensor

    def __init__(self, spec: NetSpec) -> None:
        super().__init__()
        self.spec = spec
        half, gain = spec.blocks // 2, 0.5 / max(1, spec.blocks) ** 0.5
        self.into = he_conv(8, spec.width)
        self.before = nn.Sequential(*(_Block(spec.width, gain) for _ in range(half)))
        self.code = he_conv(spec.width, 2 * spec.codes, gain=0.5)
        self.out_of = he_conv(spec.codes, spec.width)
        self.after = nn.Sequential(*(_Block(spec.width, gain) for _ in range(spec.blocks - half)))
        self.detail = he_conv(spec.width, 8, gain=0.5)
        self.register_buffer("centre", torch.zeros(spec.codes))
        self.register_buffer("variance", torch.ones(spec.codes))
        self.register_buffer("error", torch.ones(1))

    def distribution(self, detail: Tensor) -> CodeDistribution:
        """What the encoder tells of a detail, in units of its own."""
        features = self.before(self.into(unshuffle(detail).to(memory_format=torch.channels_last_3d)))
        mean, log_variance = self.code(features).float().chunk(2, dim=1)
        return CodeDistribution(mean, log_variance)

    def detail_of(self, code: Tensor) -> Tensor:
        """The detail (B, 1, I, J, K) of a code in the encoder's units."""
        features = self.after(self.out_of(code.to(memory_format=torch.channels_last_3d)))
        return shuffle(self.detail(features)).float()

    def encode(self, detail: Tensor) -> Tensor:
        """The expected code of a detail, each number of mean 0 and variance 1."""
        return (self.distribution(detail).mean - _wide(self.centre)) / _wide(self.variance.sqrt())

    def decode(self, code: Tensor) -> Tensor:
        """The detail of a code of that mean and variance."""
        return self.detail_of(code * _wide(self.variance.sqrt()) + _wide(self.centre))


class _Block(nn.Module):
    """Residual block (B, width, I, J, K) to the same, the same for every scan."""

    def __init__(self, width: int, branch_gain: float) -> None:
        super().__init__()
        self.first = he_conv(width, width)
        self.second = he_conv(width, width, gain=branch_gain)

    def forward(self, x: Tensor) -> Tensor:
        refined: Tensor = x + self.second(F.relu(self.first(F.relu(x))))
        return refined


def _wide(values: Tensor) -> Tensor:
    return values[:, None, None, None]
