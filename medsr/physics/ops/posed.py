"""`Posed`: the acquisition of a stack that lies anywhere in the target grid, with its exact adjoint.

PyTorch is loaded when an operator is applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medsr.physics.ops.matrices import Matrix, cubic_at, cubic_matrix
from medsr.physics.ops.operator import Separable, along

if TYPE_CHECKING:
    from torch import Tensor

Triple = tuple[int, int, int]
PARALLEL_VOX = 1e-3  # axes that leave their line by less over the whole grid count as parallel
OVERSAMPLED = 2  # linear interpolation between voxels would dim the finest detail by half; between these it is exact


@dataclass(frozen=True, eq=False)
class Posed:
    """y = A R x: the target grid interpolated on a grid along the stack's axes, and the stack's `Separable` on that.

    Where the axes of both grids are parallel, R is one matrix of cubic splines per axis: exact where the voxels of the
    two coincide. Elsewhere the target is oversampled by cubic splines and interpolated linearly from there. Beyond the
    target's faces its outermost voxels go on. Tensors are (I, J, K), any floating type.

    Attributes:
        profile: Operator A from the grid along the stack's axes to the stack.
        into: (4, 4), voxel index of the grid along the stack's axes to that of the target.
        target_shape: Voxels of the target grid, per axis.
        fine_shape: Voxels of the grid along the stack's axes, per axis.
    """

    profile: Separable
    into: NDArray[np.float64]
    target_shape: Triple
    fine_shape: Triple

    def __call__(self, x: Tensor) -> Tensor:
        """A R x: target to stack."""
        return self.profile(self.placed(x))

    def adjoint(self, y: Tensor) -> Tensor:
        """R' A' y: stack to target, <A R x, y> = <x, R' A' y>."""
        return self.placed_adjoint(self.profile.adjoint(y))

    def placed(self, x: Tensor) -> Tensor:
        """R x: the target on the grid along the stack's axes."""
        if self._lines is not None:
            axes, matrices = self._lines
            return _each(x.movedim([axis - 3 for axis in axes], [-3, -2, -1]), matrices)
        return sampled(self.finer(x), self.places(x, self.into, self.fine_shape))

    def placed_adjoint(self, z: Tensor) -> Tensor:
        """R' z: from the grid along the stack's axes to the target."""
        if self._lines is not None:
            axes, matrices = self._lines
            return _each(z, [matrix.T for matrix in matrices]).movedim([-3, -2, -1], [axis - 3 for axis in axes])
        return self.finer_adjoint(spread(z, self.places(z, self.into, self.fine_shape), self.finer_shape))

    def finer(self, x: Tensor) -> Tensor:
        """The target oversampled by cubic splines, so that linear interpolation between its voxels is exact enough."""
        return _each(x, self._finer)

    def finer_adjoint(self, z: Tensor) -> Tensor:
        """The adjoint of `finer`: from the oversampled target to the target."""
        return _each(z, [matrix.T for matrix in self._finer])

    @property
    def finer_shape(self) -> Triple:
        """Voxels of the oversampled target, per axis."""
        i, j, k = (OVERSAMPLED * n for n in self.target_shape)
        return i, j, k

    def places(self, like: Tensor, into: NDArray[np.float64], shape: Triple) -> Tensor:
        """Where a grid lies on the oversampled target.

        Args:
            like: Tensor whose type and device the result has.
            into: (4, 4), voxel index of the grid to that of the target.
            shape: Voxels of the grid, per axis.

        Returns:
            (1, I, J, K, 3), in the order and unit of `grid_sample`.
        """
        import torch
        from torch.nn.functional import affine_grid

        n, m = np.array(self.finer_shape), np.array(shape)
        from_unit, to_unit = np.eye(4), np.eye(4)  # both grids reach from face to face, -1 to 1
        from_unit[:3] = np.column_stack([np.diag(m / 2), (m - 1) / 2])
        to_finer = np.diag([*[OVERSAMPLED] * 3, 1.0])
        to_finer[:3, 3] = (OVERSAMPLED - 1) / 2
        to_unit[:3] = np.column_stack([np.diag(2 / n), 1 / n - 1])
        theta = (to_unit @ to_finer @ into @ from_unit)[:3]
        theta[:, :3] = theta[::-1, 2::-1].copy()
        theta[:, 3] = theta[::-1, 3].copy()
        return affine_grid(torch.from_numpy(theta)[None].to(like), [1, 1, *shape], align_corners=False)

    @cached_property
    def _lines(self) -> tuple[list[int], list[Matrix]] | None:
        """The target's axis beside each axis of the stack, and how it is sampled; None: they are not parallel."""
        turn, shift = self.into[:3, :3], self.into[:3, 3]
        axes = [int(axis) for axis in np.argmax(np.abs(turn), axis=0)]
        along_axes = np.zeros((3, 3))
        along_axes[axes, range(3)] = turn[axes, range(3)]
        off = np.abs(turn - along_axes) @ np.array(self.fine_shape)
        if len(set(axes)) < 3 or np.any(off > PARALLEL_VOX):
            return None
        places = [shift[axis] + turn[axis, k] * np.arange(self.fine_shape[k]) for k, axis in enumerate(axes)]
        return axes, [cubic_at(place, self.target_shape[axis]) for place, axis in zip(places, axes, strict=True)]

    @cached_property
    def _finer(self) -> list[Matrix]:
        return [cubic_matrix(OVERSAMPLED * n, n) for n in self.target_shape]


def _each(x: Tensor, matrices: list[Matrix]) -> Tensor:
    """A matrix along each of the last three axes, those that shrink it first."""
    import torch

    order = sorted(range(3), key=lambda k: matrices[k].shape[0] / matrices[k].shape[1])
    for k in order:
        x = along(torch.from_numpy(np.ascontiguousarray(matrices[k])).to(x), x, k - 3)
    return x


def sampled(x: Tensor, places: Tensor) -> Tensor:
    """An image at places (`Posed.places`) by linear interpolation, constant beyond its faces."""
    from torch.nn.functional import grid_sample

    return grid_sample(x[None, None], places, mode="bilinear", padding_mode="border", align_corners=False)[0, 0]


def spread(z: Tensor, places: Tensor, shape: Triple) -> Tensor:
    """The adjoint of `sampled`, by differentiating it: it is linear, so where does not matter."""
    import torch

    with torch.enable_grad():
        anywhere = torch.zeros(shape, dtype=z.dtype, device=z.device, requires_grad=True)
        (back,) = torch.autograd.grad(sampled(anywhere, places), anywhere, z)
    return back
