"""Two images of one grid, one on either side of a line: an array that napari slices, without Qt and without a copy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Curtain:
    """An array (Z, Y, X) that shows `before` on one side of a line and `after` on the other.

    Args:
        before: Voxels (Z, Y, X) on one side.
        after: Voxels (Z, Y, X) on the other.
        line: Value of the voxels on the line.

    Attributes:
        axis: Axis along which the line moves.
        share: Part of the picture that shows `before`, 0 to 1.
        mirrored: Whether indices run against the direction of reading, so that `before` stays on the left.

    Raises:
        ValueError: the shapes differ.
    """

    def __init__(self, before: NDArray[Any], after: NDArray[Any], line: float) -> None:
        if before.shape != after.shape:
            raise ValueError(f"shapes differ: {before.shape} and {after.shape}")
        self._before, self._after, self._line = before, after, line
        self.axis, self.share, self.mirrored = -1, 0.5, False
        self.shape: tuple[int, ...] = before.shape
        self.ndim, self.size, self.dtype = before.ndim, before.size, np.dtype(np.float32)

    def move_to(self, index: float) -> None:
        """Put the line at a voxel of the axis."""
        share = min(max(index / self.shape[self.axis], 0.0), 1.0)
        self.share = 1 - share if self.mirrored else share

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        """The voxels of an index of whole numbers and slices."""
        keys = (*(key if isinstance(key, tuple) else (key,)), *(slice(None),) * self.ndim)[: self.ndim]
        axis, n = self.axis % self.ndim, self.shape[self.axis]
        cut = round((1 - self.share if self.mirrored else self.share) * n)
        voxels = np.arange(n)[keys[axis]]
        is_before, is_line = (voxels >= cut) if self.mirrored else (voxels < cut), voxels == cut
        if voxels.ndim:
            after = sum(isinstance(one, slice) for one in keys[axis + 1 :])
            is_before, is_line = is_before.reshape(-1, *[1] * after), is_line.reshape(-1, *[1] * after)
        shown = np.where(is_before, self._before[keys], self._after[keys])
        return np.asarray(np.where(is_line, np.float32(self._line), shown), dtype=np.float32)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The whole, as NumPy asks for it."""
        return np.asarray(self[(slice(None),) * self.ndim], dtype=dtype)
