"""The network that predicts the missing detail and its variance, on grids halved by a 2x2x2 pixel-unshuffle."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medsr.model.net_spec import GRID, NetSpec
from medsr.model.nets.layers import ResidualBlock, he_conv, shuffle, unshuffle


class DetailNet(nn.Module):
    """Maps (B, channels, I, J, K) and conditions (B, conditions) to (B, 2, I, J, K): detail and its log variance.

    Maps of any size are padded with zeros at the far end to a multiple of `GRID`.

    Args:
        spec: Sizes of the network.
        n_state: Numbers of the state, the first map, for each voxel of the half grid.
    """

    def __init__(self, spec: NetSpec, n_state: int = 8) -> None:
        super().__init__()
        self.spec = spec
        gain = 0.5 / (spec.blocks + spec.deep_blocks) ** 0.5
        self.embed = nn.Sequential(
            nn.Linear(spec.conditions, spec.embedding),
            nn.SiLU(),
            nn.Linear(spec.embedding, spec.embedding),
            nn.SiLU(),
            nn.LayerNorm(spec.embedding),
        )
        self.head = he_conv(n_state + 8 * (spec.channels - 1), spec.width)
        before = spec.blocks // 2
        self.before = _blocks(before, spec.width, spec.embedding, gain)
        self.down = he_conv(spec.width, spec.deep_width, kernel=2, stride=2)
        self.deep = _blocks(spec.deep_blocks, spec.deep_width, spec.embedding, gain)
        self.up = he_conv(spec.deep_width, 8 * spec.width, kernel=1, gain=0.2)
        self.after = _blocks(spec.blocks - before, spec.width, spec.embedding, gain)
        self.tail = he_conv(spec.width, n_state, gain=0.1)
        self.doubt = nn.Sequential(
            he_conv(spec.width, spec.width // 2), nn.ReLU(), he_conv(spec.width // 2, n_state, gain=0.1)
        )

    def forward(self, maps: Tensor, conditions: Tensor) -> Tensor:
        """Predict; see the class."""
        size = maps.shape[-3:]
        pad = [-n % GRID for n in size]
        maps = F.pad(maps, (0, pad[2], 0, pad[1], 0, pad[0]))
        detail, doubt = self.on_half_grid(unshuffle(maps), conditions)
        out = torch.cat([shuffle(detail), shuffle(doubt)], dim=1)
        return out[..., : size[0], : size[1], : size[2]].float()

    def on_half_grid(self, maps: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Detail and log variance (B, n_state, I, J, K) from maps of even sizes, all on the half grid."""
        embedding = self.embed(conditions)
        x = self.head(maps.to(memory_format=torch.channels_last_3d))
        for block in self.before:
            x = block(x, embedding)
        deep = self.down(x)
        for block in self.deep:
            deep = block(deep, embedding)
        x = x + shuffle(self.up(F.relu(deep)))
        for block in self.after:
            x = block(x, embedding)
        x = F.relu(x)
        # The variance is read off the trunk without shaping it: its gradient would drown that of the detail.
        return self.tail(x), self.doubt(x.detach())


def _blocks(count: int, width: int, embedding: int, gain: float) -> nn.ModuleList:
    return nn.ModuleList(ResidualBlock(width, embedding, gain) for _ in range(count))
