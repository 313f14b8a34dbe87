"""Synthetic geometry with random contrasts: label shapes, bars, vessels, crosses and lettering, for what is no anatomy.

Labels from smooth random fields, each with a random intensity, are the idea of SynthSR (Iglesias et al. 2021,
arXiv:2012.13340), which takes its labels from segmented scans.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medsr.physics.ops import AxisSampling, Separable

LABELS = (2, 8)  # of the background
FIELD_VOX = (8.0, 40.0)  # size of its shapes
SHAPES = (3, 14)  # drawn on it
EDGE_VOX = 1.0  # over which a drawn shape falls from 1 to 0
PARTIAL_VOLUME_VOX = 0.9  # FWHM of the voxels that labels are seen through
MOST_NOISE = 0.01
INTENSITIES = (0.0, 1.0)
LETTER = (5, 4)  # strokes of a letter are cells of a grid
STEPS = 24  # of the line that a vessel follows

Shape = Callable[[np.random.Generator, tuple[Tensor, Tensor, Tensor]], Tensor]
"""Random shape on coordinates (I, 1, 1), (1, J, 1), (1, 1, K) in voxels: its depth, above 0 inside, (I, J, K)."""


def synthetic(rng: np.random.Generator, shape: tuple[int, int, int]) -> Tensor:
    """A window (I, J, K) of random geometry in the model range.

    Args:
        rng: The only source of randomness.
        shape: Voxels of the window.
    """
    x = _labels(rng, shape)
    i, j, k = (torch.arange(n, dtype=torch.float32) for n in shape)
    places = (i[:, None, None], j[None, :, None], k[None, None, :])
    kinds = list(KINDS.values())
    for _ in range(int(rng.integers(SHAPES[0], SHAPES[1] + 1))):
        draw = kinds[int(rng.integers(len(kinds)))]
        depth = draw(rng, places)
        share = (depth / EDGE_VOX + 0.5).clamp(0, 1)
        x = x + share * (float(rng.uniform(*INTENSITIES)) - x)
    noise = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    return x + float(rng.uniform(0, MOST_NOISE)) * noise


def _labels(rng: np.random.Generator, shape: tuple[int, int, int]) -> Tensor:
    """Regions of one intensity each, where one of several smooth random fields is the largest."""
    count = int(rng.integers(LABELS[0], LABELS[1] + 1))
    size = float(np.exp(rng.uniform(*np.log(FIELD_VOX))))
    coarse = [max(2, math.ceil(n / size) + 1) for n in shape]
    fields = torch.from_numpy(rng.standard_normal((1, count, *coarse), dtype=np.float32))
    labels = F.interpolate(fields, shape, mode="trilinear", align_corners=True)[0].argmax(0)
    x = torch.from_numpy(rng.uniform(*INTENSITIES, count).astype(np.float32))[labels]
    i, j, k = (AxisSampling(n, n, "gaussian", PARTIAL_VOLUME_VOX) for n in shape)
    return Separable((i, j, k))(x)


def _bar(rng: np.random.Generator, places: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Parallel bars of one width and distance, as in a resolution phantom, turned at random."""
    along, across, height = _turned(rng, places)
    width, length = float(rng.uniform(1, 8)), float(rng.uniform(10, 60))
    period, count = width * float(rng.uniform(1.5, 3)), int(rng.integers(1, 6))
    number = (across / period).round().clamp(0, count - 1)
    return _least(length / 2 - along.abs(), width / 2 - (across - number * period).abs(), length / 4 - height.abs())


def _cross(rng: np.random.Generator, places: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Two bars that cross, extruded."""
    along, across, height = _turned(rng, places)
    width, length = float(rng.uniform(1, 6)) / 2, float(rng.uniform(8, 40)) / 2
    flat = torch.maximum(
        torch.minimum(length - along.abs(), width - across.abs()),
        torch.minimum(length - across.abs(), width - along.abs()),
    )
    return torch.minimum(flat, float(rng.uniform(2, 20)) - height.abs())


def _vessel(rng: np.random.Generator, places: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """A tube around a curved line through the window."""
    size = [p.numel() for p in places]
    ends = np.stack([rng.uniform(-0.2, 1.2, 3) * size for _ in range(3)])
    t = np.linspace(0, 1, STEPS)[:, None]
    line = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * ends[1] + t**2 * ends[2]
    radius = float(np.exp(rng.uniform(np.log(0.7), np.log(5))))
    nearest = torch.full([p.numel() for p in places], math.inf)
    for start, end in itertools.pairwise(line):
        nearest = torch.minimum(nearest, _distance_squared(places, start, end - start))
    return radius - nearest.sqrt()


def _letter(rng: np.random.Generator, places: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Random cells of a small grid, extruded: edges and corners such as those of lettering on a device."""
    along, across, height = _turned(rng, places)
    cell = float(rng.uniform(1.5, 6))
    filled = torch.from_numpy(rng.random(LETTER) < 0.55)
    rows, columns = ((part / cell).floor().long() for part in (along, across))
    inside = (rows >= 0) & (rows < LETTER[0]) & (columns >= 0) & (columns < LETTER[1])
    on = inside & filled[rows.clamp(0, LETTER[0] - 1), columns.clamp(0, LETTER[1] - 1)]
    return torch.minimum(torch.where(on, 1.0, -1.0), float(rng.uniform(1, 10)) - height.abs())


KINDS: dict[str, Shape] = {"bars": _bar, "cross": _cross, "vessel": _vessel, "letter": _letter}


def _turned(rng: np.random.Generator, places: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates (I, J, K) along three axes through a random voxel: those of the grid, or half of the time others."""
    centre = [float(rng.uniform(0, p.numel() - 1)) for p in places]
    axes = np.eye(3)[rng.permutation(3)]
    if rng.random() < 0.5:
        axes = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    offsets = [p - c for p, c in zip(places, centre, strict=True)]
    a, b, c = (sum((w * o for w, o in zip(axis.tolist(), offsets, strict=True)), torch.zeros(())) for axis in axes)
    return a, b, c


def _distance_squared(places: tuple[Tensor, Tensor, Tensor], start: np.ndarray, step: np.ndarray) -> Tensor:
    """Squared distance of every voxel from the line between two places."""
    offsets = [p - float(s) for p, s in zip(places, start, strict=True)]
    length = float(step @ step) + 1e-6
    share = sum((o * float(d) for o, d in zip(offsets, step, strict=True)), torch.zeros(())) / length
    share = share.clamp(0, 1)
    return sum(((o - share * float(d)) ** 2 for o, d in zip(offsets, step, strict=True)), torch.zeros(()))


def _least(*parts: Tensor) -> Tensor:
    found = parts[0]
    for part in parts[1:]:
        found = torch.minimum(found, part)
    return found
