"""`PosedSlices`: slices of one stack that moved, each seen from the target grid where it lay.

PyTorch is loaded when an operator is applied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medsr.physics.ops.matrices import AxisSampling
from medsr.physics.ops.operator import Separable
from medsr.physics.ops.posed import Posed, sampled, spread

if TYPE_CHECKING:
    from torch import Tensor

NEGLIGIBLE = 1e-4  # of the largest weight: a profile reaches no further


@dataclass(frozen=True, eq=False)
class PosedSlices:
    """y_k = A_k R_k x for some slices k of a stack, (n, a, b), with n slices of (a, b) voxels.

    Each slice takes the rows of the grid along the stack's axes that its profile reaches, placed by its own R_k; where
    two slices share rows, each has them where it lay.

    Attributes:
        posed: Acquisition of the whole stack.
        across: Axis of the stack across its slices.
        numbers: Numbers of the slices.
        moves: One (4, 4) a slice, in voxels of the target grid: from where the stack has it to where it lay.
    """

    posed: Posed
    across: int
    numbers: Sequence[int]
    moves: Sequence[NDArray[np.float64]]

    def __call__(self, x: Tensor) -> Tensor:
        """A_k R_k x: target (I, J, K) to slices."""
        import torch

        finer = self.posed.finer(x)
        return torch.stack([self.seen(finer, place) for place in range(len(self.numbers))])

    def adjoint(self, y: Tensor) -> Tensor:
        """R_k' A_k' y summed over the slices: slices to target."""
        import torch

        total = torch.zeros(self.posed.finer_shape, dtype=y.dtype, device=y.device)
        for place in range(len(self.numbers)):
            total += spread(self._rows(y[place], place), self._places(y, place), self.posed.finer_shape)
        return self.posed.finer_adjoint(total)

    def seen(self, finer: Tensor, place: int, move: NDArray[np.float64] | None = None) -> Tensor:
        """One slice (a, b) of a target that was oversampled already.

        Args:
            finer: `Posed.finer` of the target.
            place: Which of the slices.
            move: Its own (4, 4) in place of the stated one.
        """
        import torch

        rows = sampled(finer, self._places(finer, place, move))
        _, weights = self._reach[place]
        weighed = torch.tensordot(torch.from_numpy(weights).to(rows), rows.movedim(self.across, 0), dims=1)
        return self._in_plane(weighed.unsqueeze(self.across)).squeeze(self.across)

    def _rows(self, y: Tensor, place: int) -> Tensor:
        """The adjoint of weighing rows by the profile."""
        import torch

        _, weights = self._reach[place]
        back = self._in_plane.adjoint(y.unsqueeze(self.across)).squeeze(self.across)
        return (torch.from_numpy(weights).to(y)[:, None, None] * back).movedim(0, self.across)

    def _places(self, like: Tensor, place: int, move: NDArray[np.float64] | None = None) -> Tensor:
        (first, end), _ = self._reach[place]
        shape = list(self.posed.fine_shape)
        shape[self.across] = end - first
        start = np.eye(4)
        start[self.across, 3] = first
        into = (self.moves[place] if move is None else move) @ self.posed.into @ start
        return self.posed.places(like, into, (shape[0], shape[1], shape[2]))

    @cached_property
    def _reach(self) -> list[tuple[tuple[int, int], NDArray[np.float64]]]:
        """First row, one past the last, and the weight of each, for every slice."""
        axis = self.axis
        n = self.posed.fine_shape[self.across]
        matrix = np.eye(n) if axis is None else axis.matrix("forward")
        found = []
        for number in self.numbers:
            reached = np.flatnonzero(np.abs(matrix[number]) > NEGLIGIBLE * np.abs(matrix[number]).max())
            first, end = int(reached[0]), int(reached[-1]) + 1
            found.append(((first, end), matrix[number, first:end]))
        return found

    @property
    def axis(self) -> AxisSampling | None:
        """Sampling across the slices; None: not degraded."""
        return self.posed.profile.axes[self.across]

    @cached_property
    def _in_plane(self) -> Separable:
        i, j, k = (None if axis == self.across else one for axis, one in enumerate(self.posed.profile.axes))
        return Separable((i, j, k))
