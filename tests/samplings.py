"""Hypothesis strategies for scanners: every profile, any factor from 1 to 8; and widths in mm of what comes out."""

from __future__ import annotations

from hypothesis import strategies as st

from medsr.physics.acquisition import Acquisition
from medsr.physics.ops import PROFILES, AxisSampling, Separable


@st.composite
def samplings(draw: st.DrawFn, max_fine: int = 60, profiles: tuple[str, ...] = PROFILES) -> AxisSampling:
    """One axis, by a whole or a broken factor; the width is 0.6 to 1.2 of the coarse spacing, at least a voxel."""
    n_fine = draw(st.integers(4, max_fine))
    factor = draw(st.floats(1.0, 8.0) | st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0]))
    n_coarse = max(2, round(n_fine / factor))
    fwhm = max(1.0, draw(st.floats(0.6, 1.2)) * n_fine / n_coarse)
    return AxisSampling(n_fine, n_coarse, draw(st.sampled_from(profiles)), fwhm)


def operators(max_fine: int = 9) -> st.SearchStrategy[Separable]:
    """Three axes, each degraded or not."""
    axis = st.none() | samplings(max_fine)
    return st.builds(Separable, st.tuples(axis, axis, axis))


def fine_shape(op: Separable, undegraded: int = 4) -> tuple[int, int, int]:
    """A shape that `op` can be applied to."""
    i, j, k = (undegraded if axis is None else axis.n_fine for axis in op.axes)
    return i, j, k


def fwhms_mm(acquisition: Acquisition) -> list[float | None]:
    """Width of the profile along each axis, None where it is not degraded."""
    return [
        None if axis is None else axis.fwhm * h
        for axis, h in zip(acquisition.op.axes, acquisition.fine_spacing_mm, strict=True)
    ]
