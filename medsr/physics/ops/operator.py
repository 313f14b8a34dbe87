"""`Separable`: an acquisition as one matrix per axis, with adjoint, inverses and the proximal step.

PyTorch is loaded when an operator is applied: to know how a scan was acquired takes none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from medsr.physics.ops.matrices import AxisSampling, MatrixKind

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SMALLEST_EIGENVALUE = 1e-6  # below it a measured direction is too weak to be inverted in float32


@dataclass(frozen=True)
class Separable:
    """y = A x with A = A_1 (x) A_2 (x) A_3; an axis that is `None` is not degraded.

    Tensors are (..., I, J, K), any floating type; results keep type and device. Applying it changes nothing.

    Attributes:
        axes: Sampling of each of the last three axes; None: not degraded.
    """

    axes: tuple[AxisSampling | None, AxisSampling | None, AxisSampling | None]

    def __call__(self, x: Tensor) -> Tensor:
        """A x: fine (..., I, J, K) to coarse."""
        return self._each(x, "forward", shrink=True)

    def adjoint(self, y: Tensor) -> Tensor:
        """A' y: coarse to fine, <A x, y> = <x, A' y>."""
        return self._each(y, "adjoint", shrink=False)

    def pinv(self, y: Tensor) -> Tensor:
        """A+ y = A' (A A')^-1 y: the smallest x that reproduces y."""
        return self.adjoint(self._inner(y, 0.0))

    def cubic(self, y: Tensor) -> Tensor:
        """C y: cubic interpolation onto the fine grid."""
        return self._each(y, "cubic", shrink=False)

    def linear(self, y: Tensor) -> Tensor:
        """Linear interpolation onto the fine grid."""
        return self._each(y, "linear", shrink=False)

    def nearest(self, y: Tensor) -> Tensor:
        """Nearest neighbour on the fine grid."""
        return self._each(y, "nearest", shrink=False)

    def ibp(self, y: Tensor, roughness: float = 0.0) -> Tensor:
        """G y, the IBP estimate: iterative back-projection in closed form (docs/explanation/equations.md, eq. 5).

        Without noise G = C (A C)^-1, so A G y = y. With noise the Tikhonov form on differences of neighbouring
        samples, which amplifies less and keeps constants exactly.

        Args:
            y: Input (..., i, j, k) on the coarse grid.
            roughness: Variance of the noise over the variance of neighbouring samples' differences, 0 or more.
        """
        return self._each(y, "ibp", shrink=False, roughness=roughness)

    def measured(self, x: Tensor) -> Tensor:
        """G A x: the IBP estimate of what the scan sees of x, which is all that it tells of it.

        The rest, x - G A x, changes nothing in the scan, since A G = I. The orthogonal projection A+ A would do as well
        in theory, but it cuts even a constant into stripes.

        Args:
            x: Image (..., I, J, K) on the fine grid.
        """
        return self.ibp(self(x))

    def prox(self, x: Tensor, y: Tensor, ratio: float) -> Tensor:
        """The proximal step x + A' (A A' + ratio I)^-1 (y - A x): as near to y as the noise allows.

        See docs/explanation/equations.md, eq. 6.

        Args:
            x: Image (..., I, J, K) on the fine grid.
            y: Input (..., i, j, k) on the coarse grid, same unit as `x`.
            ratio: Variance of the noise over the variance of x's own error, 0 or more; 0 projects onto A x = y.
        """
        return x + self.adjoint(self._inner(y - self(x), ratio))

    def _inner(self, y: Tensor, ratio: float) -> Tensor:
        """(A A' + ratio I)^-1 y by the eigenvectors of each axis (docs/explanation/equations.md, eq. 7)."""
        import torch

        spectrum = torch.ones((), dtype=torch.float64)
        for axis, length in zip(self.axes, y.shape[-3:], strict=True):
            values = np.ones(length) if axis is None else axis.eigenvalues
            spectrum = spectrum[..., None] * torch.from_numpy(values)
        inverse = torch.where(spectrum > SMALLEST_EIGENVALUE, 1.0 / (spectrum + ratio), 0.0)
        turned = self._each(y, "to_eigen", shrink=True)
        return self._each(turned * inverse.to(y), "from_eigen", shrink=True)

    def _each(self, x: Tensor, kind: MatrixKind, *, shrink: bool, roughness: float = 0.0) -> Tensor:
        """Multiply along each degraded axis, the cheapest order first."""
        order = [(dim, axis) for dim, axis in zip((-3, -2, -1), self.axes, strict=True) if axis is not None]
        order.sort(key=lambda item: item[1].n_coarse / item[1].n_fine, reverse=not shrink)
        for dim, axis in order:
            x = along(_tensor(axis, kind, roughness, x.dtype, x.device), x, dim)
        return x


def along(matrix: Tensor, x: Tensor, dim: int) -> Tensor:
    """Multiply `matrix` (out, in) along axis `dim` (-3, -2 or -1) of x."""
    if dim == -1:
        return x @ matrix.T
    if dim == -2:
        return matrix @ x
    flat: Tensor = matrix @ x.flatten(-2)
    return flat.reshape(*flat.shape[:-1], *x.shape[-2:])


@lru_cache(maxsize=256)
def _tensor(axis: AxisSampling, kind: MatrixKind, roughness: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(axis.matrix(kind, roughness))).to(device=device, dtype=dtype)
