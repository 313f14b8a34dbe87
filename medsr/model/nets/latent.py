"""The network that predicts a code of the missing detail, with the autoencoder that the code belongs to."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from medsr.model.net_spec import GRID, NetSpec
from medsr.model.nets.autoencoder import Autoencoder
from medsr.model.nets.detail import DetailNet


class LatentNet(DetailNet):
    """Codes and maps (B, codes + 8 (channels - 1), I, J, K), both on the half grid, to (B, 2 codes, I, J, K).

    The answer is a code and its log variance. The layers are those of `DetailNet`, which works on the half grid too;
    the autoencoder learns no more.

    Attributes:
        autoencoder: Autoencoder of the codes.
    """

    def __init__(self, spec: NetSpec, autoencoder: NetSpec) -> None:
        super().__init__(spec, n_state=spec.codes)
        self.autoencoder = Autoencoder(autoencoder).requires_grad_(False)

    def forward(self, maps: Tensor, conditions: Tensor) -> Tensor:
        """Predict; see the class."""
        size = maps.shape[-3:]
        pad = [-n % (GRID // 2) for n in size]
        out = torch.cat(self.on_half_grid(F.pad(maps, (0, pad[2], 0, pad[1], 0, pad[0])), conditions), dim=1)
        return out[..., : size[0], : size[1], : size[2]].float()
