"""What the states of a walk are: details, or codes of them on a grid of half as many voxels an axis.

Grids of codes are padded and cut here alone. A code covers two voxels an axis, and those of a region are those of the
whole: where the region begins at an odd voxel, its grid begins one voxel earlier. Grids end at an even voxel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from medsr.model.nets import Autoencoder, LatentNet, Net
from medsr.model.nets.layers import unshuffle
from medsr.physics.ops import Separable

Triple = tuple[int, int, int]


class Proximal(Protocol):
    """An operator of the acquisition, as far as a data step needs it (`Separable.prox`)."""

    def prox(self, x: Tensor, y: Tensor, ratio: float) -> Tensor:
        """The state nearest to x that agrees with y, `ratio` the variance of the noise over that of x's error."""
        ...


@dataclass(frozen=True)
class Details:
    """States that are the details themselves.

    Attributes:
        shape: Voxels of their grid.
        origin: First of them on the grid of the whole scan.
        channels: Numbers of a state per voxel of its grid.
        step: Voxels of the detail per voxel of that grid, along each axis.
        error: Variance of what decoding adds to a detail in measured directions, in squared units of the expected one.
    """

    shape: Triple
    origin: Triple
    channels: ClassVar[int] = 1
    step: ClassVar[int] = 1
    error: ClassVar[float] = 0.0

    def maps(self, maps: Tensor) -> Tensor:
        """Maps (B, C, I, J, K) as they are."""
        return maps

    def encode(self, detail: Tensor) -> Tensor:
        """States of details (B, 1, I, J, K): as they are."""
        return detail

    def decode(self, state: Tensor) -> Tensor:
        """Details (B, 1, I, J, K) of states: as they are."""
        return state

    def seen(self, op: Separable) -> Proximal:
        """The operator as it is."""
        return op


@dataclass(frozen=True)
class Codes:
    """States that are codes of the detail, with the same properties as `Details`.

    Attributes:
        autoencoder: Autoencoder of the codes.
        of_shape: Voxels of the details.
        of_origin: First of them on the grid of the whole scan.
    """

    autoencoder: Autoencoder
    of_shape: Triple
    of_origin: Triple = (0, 0, 0)
    step: ClassVar[int] = 2

    @property
    def channels(self) -> int:
        """Numbers of a code."""
        return self.autoencoder.spec.codes

    @property
    def shape(self) -> Triple:
        """Voxels of the grid of the codes."""
        i, j, k = ((o % 2 + n + 1) // 2 for o, n in zip(self.of_origin, self.of_shape, strict=True))
        return i, j, k

    @property
    def origin(self) -> Triple:
        """First of them on the grid of codes of the whole scan."""
        i, j, k = (o // 2 for o in self.of_origin)
        return i, j, k

    @property
    def error(self) -> float:
        """Variance of what decoding adds to a detail in measured directions, as training found it."""
        return float(self.autoencoder.error)

    def maps(self, maps: Tensor) -> Tensor:
        """Each map as eight, space to depth: nothing of them is lost."""
        return unshuffle(self.padded(maps))

    def encode(self, detail: Tensor) -> Tensor:
        """Codes of details, in float32: a data step moves them by less than bfloat16 resolves."""
        with torch.autocast(detail.device.type, enabled=False):
            return self.autoencoder.encode(self.padded(detail))

    def decode(self, state: Tensor) -> Tensor:
        """Details of codes, in float32."""
        with torch.autocast(state.device.type, enabled=False):
            decoded = self.autoencoder.decode(state)
        for dim, (o, n) in enumerate(zip(self.of_origin, self.of_shape, strict=True), start=2):
            decoded = decoded.narrow(dim, o % 2, n)
        return decoded

    def seen(self, op: Separable) -> Proximal:
        """The operator behind the decoder."""
        return SeenThroughCodes(op, self)

    def padded(self, x: Tensor) -> Tensor:
        """Details or maps with zeros before and behind, where the grid of the codes begins earlier and ends later."""
        (a, b), (c, d), (e, f) = ((o % 2, (o + n) % 2) for o, n in zip(self.of_origin, self.of_shape, strict=True))
        return F.pad(x, (e, f, c, d, a, b))


@dataclass(frozen=True)
class SeenThroughCodes:
    """An operator that sees the details of codes.

    Attributes:
        op: Operator of the details.
        codes: What decodes them.
    """

    op: Separable
    codes: Codes

    def prox(self, x: Tensor, y: Tensor, ratio: float) -> Tensor:
        """Codes x moved by what the proximal step changes in the code of their detail.

        A code whose detail agrees with y stays as it is, whatever encoding and decoding lose.
        """
        detail = self.codes.decode(x)
        return x + self.codes.encode(self.op.prox(detail, y, ratio)) - self.codes.encode(detail)


States = Details | Codes


def states_of(net: Net, shape: Triple, origin: Triple = (0, 0, 0)) -> States:
    """The states that a network works on.

    Args:
        net: Network.
        shape: Voxels of the details, per axis.
        origin: First of them on the grid of the whole scan.
    """
    return Codes(net.autoencoder, shape, origin) if isinstance(net, LatentNet) else Details(shape, origin)
