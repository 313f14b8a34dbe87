"""Noise by voxel index: a counter-based generator, so that a region gets the noise that the whole scan has there."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

GAMMA = np.uint64(0x9E3779B97F4A7C15)
AXIS_BITS = 20  # indices below a million per axis
BALANCED = 8  # samples whose noise adds up to zero


def white_noise(
    shape: tuple[int, int, int], seed: int, sample: int, step: int, origin: tuple[int, int, int], channels: int = 1
) -> Tensor:
    """Standard normal noise (1, channels, I, J, K), float32, a function of seed, sample, step and voxel index alone.

    The counter-based form of SplitMix64 (Steele, Lea & Flood 2014, fig. 14) hashes each voxel's index, and the
    Box-Muller transform turns it into a normal number: any region gets the noise that the whole scan has there.

    Args:
        shape: Voxels of the region, per axis.
        seed: Random seed for sampling, 0 or more.
        sample: Number of the posterior sample, from 0.
        step: Number of the sampler's step.
        origin: Index of the region's first voxel on the whole grid, each 0 or more.
        channels: Numbers per voxel.
    """
    key = _mixed(_mixed(_mixed(np.uint64(seed)) + np.uint64(sample)) + np.uint64(step))
    wide, first = (*shape[:2], shape[2] * channels), (*origin[:2], origin[2] * channels)
    i, j, k = (np.arange(start, start + n, dtype=np.uint64) for start, n in zip(first, wide, strict=True))
    plane = (j[:, None] << np.uint64(AXIS_BITS)) + k[None, :]
    values = np.empty(wide, dtype=np.float32)
    for number, row in enumerate(i):
        values[number] = _normal(_mixed((plane + (row << np.uint64(2 * AXIS_BITS))) * GAMMA + key))
    return torch.from_numpy(values.reshape(*shape, channels)).movedim(-1, 0)[None].contiguous()


def sample_noise(
    shape: tuple[int, int, int], seed: int, sample: int, origin: tuple[int, int, int], channels: int = 1
) -> Tensor:
    """Standard normal noise (1, channels, I, J, K) that a sample starts from; it sums to 0 over each `BALANCED` ones.

    Samples 0 to 7, 8 to 15 and so on are exchangeable with correlation -1/7: an average over a whole set, such as a
    tissue's volume, varies little by chance, while each sample alone is distributed as any other (antithetic sampling,
    Owen 2013, Monte Carlo theory, methods and examples, section 8.2, in sets of eight).

    Args:
        shape: Voxels of the region, per axis.
        seed: Random seed for sampling, 0 or more.
        sample: Number of the posterior sample, from 0.
        origin: Index of the region's first voxel on the whole grid, each 0 or more.
        channels: Numbers per voxel.
    """
    first = sample - sample % BALANCED
    common = torch.zeros(1, channels, *shape)
    for number in range(first, first + BALANCED):
        common += white_noise(shape, seed, number, 0, origin, channels) / BALANCED
    return (white_noise(shape, seed, sample, 0, origin, channels) - common) * math.sqrt(BALANCED / (BALANCED - 1))


def pair_spread(n_samples: int) -> float:
    """Root mean square distance of two of the first samples of a seed, over that of two independent ones, at least 1.

    Samples of one set have noise with correlation -1/7, which takes them apart by a factor of root 8/7.

    Args:
        n_samples: Number of samples, at least 2.
    """
    sets = [sample // BALANCED for sample in range(n_samples)]
    alike = sum(sets[i] == sets[j] for i in range(n_samples) for j in range(i))
    pairs = n_samples * (n_samples - 1) // 2
    return math.sqrt(1 + alike / pairs / (BALANCED - 1))


def _mixed(z: NDArray[np.uint64] | np.uint64) -> NDArray[np.uint64]:
    """The 64-bit finaliser of SplitMix64."""
    with np.errstate(over="ignore"):
        z = (np.asarray(z) + GAMMA).astype(np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)


def _normal(bits: NDArray[np.uint64]) -> NDArray[np.float32]:
    """One normal number from each 64 bits: the upper half gives the radius, the lower half the angle."""
    radius = ((bits >> np.uint64(32)).astype(np.float32) + np.float32(0.5)) * np.float32(2**-32)
    angle = (bits & np.uint64(0xFFFFFFFF)).astype(np.float32) * np.float32(2 * np.pi * 2**-32)
    return np.asarray(np.sqrt(-2 * np.log(np.minimum(radius, np.float32(1 - 2**-24)))) * np.cos(angle), np.float32)
