"""Whether a posterior sample of a scan looks like a scan, tried on a block before a sample is given out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medsr.enhancement.region import central_block, crop, enhance_region
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import EnvelopeError
from medsr.model.weights import Model
from medsr.physics.acquisition import Acquisition
from medsr.volume import Volume

BLOCK_VOX = 32  # side in coarse voxels of the block on which a sample is tried
MOST_ROUGHNESS = 1.5  # of a sample over the scan, in the plane that both have; above it a sample is noise


def check_sample(volume: Volume, model: Model, settings: EnhanceSettings, acquisition: Acquisition) -> None:
    """Refuse to sample a scan that `sample_fault` finds something in; arguments as there.

    Raises:
        EnvelopeError: samples of this scan are noise.
    """
    fault = sample_fault(volume, model, settings, acquisition)
    if fault:
        raise EnvelopeError(
            f"{fault}: mode sample is not valid for it, so use mode mean or uncertainty; --force goes on"
        )


def sample_fault(volume: Volume, model: Model, settings: EnhanceSettings, acquisition: Acquisition) -> str:
    """What speaks against samples of a scan: that they are far rougher, in the plane of its slices, than the scan.

    Where every axis is refined there is no such plane.

    Args:
        volume: Input.
        model: Model that would sample it.
        settings: Request in mode "sample"; sampler, steps, seed and blend matter here.
        acquisition: Acquisition of the input, and the finer grid.

    Returns:
        What was found and what was expected; "" where nothing speaks against them.
    """
    kept = [axis for axis, changes in enumerate(acquisition.degraded) if not changes]
    if not kept:
        return ""
    block = central_block(volume, BLOCK_VOX)
    tried = replace(settings, force=True, region=None, tile=None)
    sample = enhance_region(volume, block, model, tried, acquisition).volume
    scan_roughness = _roughness(crop(volume, block).data, kept)
    ratio = _roughness(sample.data, kept) / max(scan_roughness, 1e-9)
    if scan_roughness <= 0 or ratio <= MOST_ROUGHNESS:
        return ""
    return (
        f"at factor {max(acquisition.factors):.3g} a sample of this scan is {ratio:.1f} times as rough as the scan in "
        f"the plane of its slices (expected up to {MOST_ROUGHNESS:g})"
    )


def _roughness(data: NDArray[np.float32], axes: Sequence[int]) -> float:
    """Root mean square of second differences along `axes`."""
    return float(np.sqrt(np.mean([np.mean(np.diff(data, n=2, axis=axis) ** 2) for axis in axes])))
