"""One stack in the place and the unit of the first one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.enhancement.result import Enhancement
from medsr.fusion.grid import Grid
from medsr.fusion.slices import Move, place_of
from medsr.fusion.solver import Term
from medsr.physics.acquisition import Acquisition
from medsr.physics.assumption import OTHER_STACKS, slice_axis_of
from medsr.physics.ops import Posed, PosedSlices, Separable
from medsr.registration.intensities import Line
from medsr.registration.rigid import Rigid
from medsr.volume import Volume

SAME = Rigid(np.eye(4), 0.0, 0.0, 0.0)
"""The first stack is where it is."""
UNIT = Line(1.0, 0.0, 1.0)
WHOLE = 0.999  # of the weights of a stack's voxel must lie within the target's field of view
OUTLYING = 1.7  # times as far off as the slices of a stack with as much detail usually are
FITS = 0.7  # of what a slice is off where its stack has it: it moved where it fits as well as that
MISMATCH = 0.005  # of the range: what interpolation and a pose that is slightly off add to the noise


@dataclass(frozen=True)
class Stack:
    """A stack, what medsr makes of it alone, and how it lies in the target grid.

    Attributes:
        alone: Result of the stack alone, in its own place and unit.
        pose: What brings it onto the first stack.
        line: What takes its intensities to the unit of the first stack.
        op: Operator from the target grid to the stack.
        covered: Which of its voxels the target grid covers, (i, j, k).
        dark: Which slices lost their signal and tell nothing, (n,).
        moves: Where slices lay that moved, by number.
        off: Root mean square by which other slices stay off the image that stand out, (n,), 0 for those that don't.
    """

    alone: Enhancement
    pose: Rigid
    line: Line
    op: Posed
    covered: NDArray[np.bool_]
    dark: NDArray[np.bool_]
    moves: Mapping[int, Move] = field(default_factory=dict)
    off: NDArray[np.float64] | float = 0.0

    @property
    def y(self) -> NDArray[np.float32]:
        """Voxels (i, j, k) in the unit of the first stack."""
        return self.line.applied(measured(self.alone))

    @property
    def noise(self) -> float:
        """Standard deviation of its noise in the unit of the first stack."""
        return self.line.slope * (self.alone.record.noise_sigma or 0.0)

    @property
    def across(self) -> int:
        """Axis across its slices."""
        return slice_axis_of(self.alone.residual)

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector across its slices in RAS+ mm of the first stack, (3,)."""
        step = self.pose.matrix[:3, :3] @ self.alone.residual.affine[:3, self.across]
        return np.asarray(step / np.linalg.norm(step))

    @property
    def used(self) -> NDArray[np.bool_]:
        """Voxels that tell something of the image, (i, j, k)."""
        return np.asarray(self.covered & ~self._by_slice(self.dark))

    @property
    def trusted(self) -> NDArray[np.bool_]:
        """Slices near which the result of the stack alone is worth something, (n,)."""
        trusted = ~self.dark & (np.broadcast_to(self.off, self.dark.shape) == 0)
        trusted[list(self.moves)] = False
        return np.asarray(trusted)

    def terms(self, mismatch: float) -> list[Term]:
        """What the stack says of the image; `mismatch` is the standard deviation of what A can't explain."""
        weight = self.used / np.hypot(self.noise, np.hypot(mismatch, self._by_slice(self.off)))
        numbers = list(self.moves)
        y, slices = self._slices(self.y)[numbers], self._slices(weight)[numbers].copy()
        self._slices(weight)[numbers] = 0
        terms = [Term(self.op, torch.from_numpy(self.y), torch.from_numpy(weight.astype(np.float32)))]
        if numbers:
            terms.append(Term(self.moved, torch.from_numpy(y), torch.from_numpy(slices.astype(np.float32))))
        return terms

    @property
    def moved(self) -> PosedSlices:
        """Operator from the target grid to the slices that moved."""
        return PosedSlices(self.op, self.across, list(self.moves), [move.matrix for move in self.moves.values()])

    def left(self, x: Tensor) -> NDArray[np.float32]:
        """The stack minus what the image predicts of it, 0 where it tells nothing, (i, j, k)."""
        predicted = self.op(x).numpy()
        if self.moves:
            self._slices(predicted)[list(self.moves)] = self.moved(x).numpy()
        return np.asarray(self.used * (self.y - predicted), np.float32)

    def doubted(self, x: Tensor) -> Stack:
        """The stack with the slices found that stay further off an image than their detail and noise explain."""
        off, usual = self._off(x)
        return replace(self, off=np.where(off > OUTLYING * usual, off, 0.0))

    def placed(self, x: Tensor, target: Grid) -> Stack:
        """The same, and those that moved put where they lay.

        Each is looked for in an image that it hardly had a part in (`doubted`). If it fits much better there, it moved.
        """
        doubted, (_, usual) = self.doubted(x), self._off(x)
        off, moves = np.array(doubted.off), {}
        y, used, finer = self._slices(self.y), self._slices(self.used), self.op.finer(x.double())
        for k in np.flatnonzero(off).tolist():
            one = PosedSlices(self.op, self.across, [k], [np.eye(4)])
            found = place_of(y[k], used[k], one, finer, target, float(usual[k]))
            if found is not None and found.rms < FITS * off[k]:
                moves[k] = found
                off[k] = 0.0
        return replace(self, moves=moves, off=off)

    def _off(self, x: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """By how much each slice stays off an image, and how much is usual for one with its detail and noise, (n,)."""
        left, used, y = (self._slices(values) for values in (self.left(x), self.used, self.y))
        off = _rms_by_slice(left, used)
        detail = np.sqrt(sum(_rms_by_slice(step, used) ** 2 for step in np.gradient(y, axis=(1, 2))))
        seen = detail > 0
        share = float(np.median(off[seen] / detail[seen])) if seen.any() else 0.0
        return off, np.hypot(self.noise, share * detail)

    def facts(self, residual: float) -> dict[str, Any]:
        """Plain values for the run record; `residual` is in units of the noise."""
        return {
            "input": self.alone.record.input,
            "task": self.alone.record.task,
            "noise_sigma": self.alone.record.noise_sigma,
            "shift_mm": round(self.pose.shift_mm, 3),
            "turn_deg": round(self.pose.turn_deg, 3),
            "registration_error_mm": round(self.pose.error_mm, 3),
            "matrix": np.round(self.pose.matrix, 6).tolist(),
            "slope": round(self.line.slope, 5),
            "offset": round(self.line.offset, 4),
            "gain": [round(float(limit), 3) for limit in (np.min(self.line.gain), np.max(self.line.gain))],
            "correlation": round(self.line.correlation, 4),
            "covered": round(float(self.covered.mean()), 4),
            "residual": round(residual, 4),
            "slices": self._slice_profile,
            "dark_slices": np.flatnonzero(self.dark).tolist(),
            "moved_slices": [
                {"slice": k, "shift_mm": round(one.shift_mm, 2), "turn_deg": round(one.turn_deg, 2)}
                for k, one in sorted(self.moves.items())
            ],
            "doubted_slices": np.flatnonzero(self.off).tolist(),
        }

    @property
    def _slice_profile(self) -> dict[str, Any] | None:
        """Profile across the slices, as the stack was fused; None: they are not resolved further."""
        axis = self.op.profile.axes[self.across]
        if axis is None:
            return None
        fwhm_mm = axis.fwhm * self.alone.acquisition.fine_spacing_mm[self.across]
        assumed = self.alone.acquisition.assumed[self.across]
        return {
            "profile": axis.profile,
            "fwhm_mm": round(fwhm_mm, 3) if axis.has_width else None,
            "by_other_stacks": assumed is not None and assumed.fwhm_from == OTHER_STACKS,
        }

    def _slices(self, values: NDArray[Any]) -> NDArray[Any]:
        """A view of the voxels, slice by slice, (n, a, b)."""
        return np.moveaxis(values, self.across, 0)

    def _by_slice(self, values: NDArray[Any] | float) -> NDArray[Any]:
        """One value a slice, along the axis of the slices."""
        shape = [1, 1, 1]
        shape[self.across] = -1
        return np.broadcast_to(values, self.dark.shape).reshape(shape)


def _rms_by_slice(values: NDArray[Any], used: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Root mean square over the voxels of each slice that count, (n,); 0 where none does."""
    total = np.where(used, np.square(values, dtype=np.float64), 0.0).sum(axis=(1, 2))
    return np.asarray(np.sqrt(total / np.maximum(used.sum(axis=(1, 2)), 1)))


def measured(alone: Enhancement) -> NDArray[np.float32]:
    """The voxels that a result was made of: what it predicts of them plus what is left."""
    fine = torch.from_numpy(np.array(alone.volume.data))
    return np.asarray(alone.acquisition.op(fine).numpy() + alone.residual.data, np.float32)


def operator(acquisition: Acquisition, pose: Rigid, target: Grid) -> Posed:
    """The acquisition of a stack in its pose, seen from the target grid."""
    into = np.linalg.inv(target.affine) @ pose.matrix @ acquisition.fine_affine
    return Posed(acquisition.op, into, target.shape, acquisition.fine_shape)


def covered_by(op: Posed) -> NDArray[np.bool_]:
    """Which voxels of a stack the target grid covers, (i, j, k)."""
    index = np.indices(op.fine_shape, dtype=np.float32).reshape(3, -1)
    places = op.into[:3, :3] @ index + op.into[:3, 3:]
    inside = np.all((places > -0.51) & (places < np.array(op.target_shape)[:, None] - 0.49), axis=0)
    seen = op.profile(torch.from_numpy(inside.reshape(op.fine_shape).astype(np.float32)))
    return np.asarray(seen.numpy() > WHOLE)


def resampled(volume: Volume, pose: Rigid, target: Grid) -> Tensor:
    """A volume in its pose on the target grid, by cubic splines, (I, J, K)."""
    into = np.linalg.inv(pose.matrix @ volume.affine) @ target.affine
    onto = Posed(Separable((None, None, None)), into, volume.shape, target.shape)
    return onto(torch.from_numpy(np.array(volume.data)))


def places_in(volume: Volume, pose: Rigid, target: Grid) -> NDArray[np.float32]:
    """Where each voxel of the target lies in a volume in its pose, in voxels of that, (3, I * J * K)."""
    into = np.linalg.inv(pose.matrix @ volume.affine) @ target.affine
    index = np.indices(target.shape, dtype=np.float32).reshape(3, -1)
    return np.asarray(into[:3, :3] @ index + into[:3, 3:], np.float32)
