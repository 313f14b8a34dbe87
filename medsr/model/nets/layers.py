"""Blocks without normalisation, so that a result does not depend on the tile it was computed in."""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)

FILM_STRENGTH = 0.5  # scales differ between tasks from the first step on, else mixed tasks cancel each other's detail


def unshuffle(x: Tensor) -> Tensor:
    """Space to depth by 2: (B, C, I, J, K) to (B, 8 C, I/2, J/2, K/2) (Shi et al. 2016, reversed)."""
    b, c, i, j, k = x.shape
    x = x.reshape(b, c, i // 2, 2, j // 2, 2, k // 2, 2)
    return x.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(b, 8 * c, i // 2, j // 2, k // 2)


def shuffle(x: Tensor) -> Tensor:
    """Depth to space by 2, the inverse of `unshuffle`: (B, 8 C, I, J, K) to (B, C, 2 I, 2 J, 2 K)."""
    b, c, i, j, k = x.shape
    x = x.reshape(b, c // 8, 2, 2, 2, i, j, k)
    return x.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(b, c // 8, 2 * i, 2 * j, 2 * k)


def he_conv(n_in: int, n_out: int, kernel: int = 3, gain: float = 1.0, stride: int = 1) -> nn.Conv3d:
    """Convolution with He initialisation (He et al. 2015, eq. 10) times `gain`, zero bias."""
    conv = nn.Conv3d(n_in, n_out, kernel, stride=stride, padding=(kernel - 1) // 2)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    with torch.no_grad():
        conv.weight.mul_(gain)
    nn.init.zeros_(torch.as_tensor(conv.bias) if conv.bias is None else conv.bias)
    return conv


def channels_last(net: Net) -> Net:
    """The same network with its kernels in the memory order that convolutions run fastest in."""
    return net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload, no-any-return]


class ResidualBlock(nn.Module):
    """Pre-activation residual block, scaled and shifted by an embedding of the conditions (FiLM, Perez et al. 2018).

    Features (B, C, I, J, K) and an embedding (B, E) to (B, C, I, J, K).
    """

    def __init__(self, width: int, embedding: int, branch_gain: float) -> None:
        super().__init__()
        self.first = he_conv(width, width)
        self.second = he_conv(width, width, gain=branch_gain)
        self.film = nn.Linear(embedding, 2 * width)
        nn.init.normal_(self.film.weight, std=FILM_STRENGTH / embedding**0.5)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Refine; see the class."""
        scale, shift = self.film(embedding)[..., None, None, None].to(x.dtype).chunk(2, dim=1)
        h = self.first(F.relu(x))
        h = F.relu(torch.addcmul(shift, h, 1 + scale))
        refined: Tensor = x + self.second(h)
        return refined
