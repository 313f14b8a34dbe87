"""Small scans with a known shape, rectilinear affines, and hypothesis strategies for both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medsr.volume import Modality, Source, Volume

# radii as fractions of half the field of view, and what stands inside: (MR signal, HU)
HEAD = (
    ((0.90, 0.92, 0.90), (700.0, 30.0)),  # scalp
    ((0.82, 0.85, 0.82), (80.0, 900.0)),  # skull
    ((0.75, 0.78, 0.75), (450.0, 38.0)),  # grey matter
    ((0.62, 0.66, 0.62), (620.0, 30.0)),  # white matter
    ((0.16, 0.30, 0.18), (150.0, 5.0)),  # ventricle
)
AIR = (0.0, -1000.0)
EDGE_MM = 1.0  # width of the soft edges
N_FOLDS = 9  # of the grey matter around the head


def head(
    shape: Sequence[int] = (40, 48, 36),
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    *,
    modality: Modality = "MR",
    turn_deg: Sequence[float] = (0.0, 0.0, 0.0),
    source: Source | None = None,
) -> Volume:
    """A head of nested ellipsoids with soft edges and folded grey matter, centred in the field of view.

    Equal fields of view hold the same head, whatever the spacing: sampled finely or coarsely.
    """
    size_mm = np.array(shape) * np.array(spacing)
    axes = [(np.arange(n) + 0.5) * h - s / 2 for n, h, s in zip(shape, spacing, size_mm, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    channel = 0 if modality == "MR" else 1
    data = np.full(tuple(shape), AIR[channel])
    folds = 0.03 * np.cos(N_FOLDS * np.arctan2(y, x)) * np.cos(N_FOLDS * z / size_mm[2] * np.pi)
    for i, (fractions, values) in enumerate(HEAD):
        radii = np.array(fractions) * size_mm / 2
        distance = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2)
        edge_mm = (1 + (folds if i == 3 else 0) - distance) * radii.min()
        inside = 1 / (1 + np.exp(-np.clip(edge_mm / EDGE_MM * 4, -50, 50)))
        data = data + inside * (values[channel] - data)
    return Volume(
        data.astype(np.float32),
        affine(spacing, turn_deg=turn_deg, origin_mm=-(size_mm - np.array(spacing)) / 2),
        modality=modality,
        source=source or Source(),
    )


def grainy(shape: Sequence[int], spacing: Sequence[float], grain_vox: int = 2) -> Volume:
    """A head in thick slices along the last axis, with noise that is correlated over some voxels of their plane."""
    noise = np.random.default_rng(0).normal(0, 30 * grain_vox, shape)
    for axis in (0, 1):
        noise = ndimage.uniform_filter1d(noise, grain_vox, axis=axis)
    scan = head(shape, spacing)
    return scan.with_data((scan.data + noise).astype(np.float32))


def blank(shape: Sequence[int], matrix: NDArray[np.float64] | None = None, **facts: Any) -> Volume:
    """A scan whose voxels count up, for tests of grids."""
    data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return Volume(data, affine() if matrix is None else matrix, **facts)


def affine(
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    *,
    turn_deg: Sequence[float] = (0.0, 0.0, 0.0),
    axes: Sequence[int] = (0, 1, 2),
    flips: Sequence[int] = (1, 1, 1),
    origin_mm: Sequence[float] | NDArray[np.float64] = (0.0, 0.0, 0.0),
) -> NDArray[np.float64]:
    """A rectilinear affine (4, 4): array axis k runs along world axis `axes[k]` times `flips[k]`, then turned."""
    turn = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix()
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.eye(3)[:, list(axes)] @ np.diag(np.array(flips) * np.array(spacing))
    matrix[:3, 3] = origin_mm
    return matrix


def affines(max_turn_deg: float = 180.0) -> st.SearchStrategy[NDArray[np.float64]]:
    """Oblique, permuted, flipped and anisotropic affines."""
    turn = st.floats(-max_turn_deg, max_turn_deg, width=32)
    return st.builds(
        affine,
        st.tuples(*[st.floats(0.25, 8.0, width=32)] * 3),
        turn_deg=st.tuples(turn, turn, turn),
        axes=st.permutations((0, 1, 2)),
        flips=st.tuples(*[st.sampled_from((-1, 1))] * 3),
        origin_mm=st.tuples(*[st.floats(-500, 500, width=32)] * 3),
    )


def shapes(low: int = 2, high: int = 12) -> st.SearchStrategy[tuple[int, int, int]]:
    """Shapes of three axes."""
    n = st.integers(low, high)
    return st.tuples(n, n, n)


def noisy_head(seed: int = 0, modality: str = "MR", sigma: float = 8.0) -> Volume:
    """A head with a little noise of its own."""
    volume = head((48, 56, 44), (2.0, 2.0, 2.5), modality=modality)
    noise = np.random.default_rng(seed).normal(0, sigma, volume.shape)
    return volume.with_data(np.asarray(np.abs(volume.data + noise) if modality == "MR" else volume.data + noise, "f4"))
