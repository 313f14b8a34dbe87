"""The uncertainty map: what makes a steady one of a few samples, and the factor by which a calibration widens it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from scipy import ndimage
from torch import Tensor

from medsr.enhancement.settings import EnhanceSettings
from medsr.metrics.uncertainty import normal_width
from medsr.model.spec import Calibration, calibration_group

BLUR_VOX = 1.0
CALIBRATED_SAMPLER = EnhanceSettings.sampler
LEADING = ("data_step", "guidance", "classifier")  # settings that lead samples to another distribution
LEVEL = 0.9  # a calibrated map holds deviations whose normal interval of this level covers that share of voxels


@dataclass(frozen=True)
class Trust:
    """How far an uncertainty map can be trusted.

    Attributes:
        factor: Factor that the map is multiplied by.
        facts: Entries of the run record: "calibrated", group, factor and, by level, the half width of the interval that
            covers it, in units of the written map.
        warnings: Warnings for the run record, one line each.
    """

    factor: float
    facts: dict[str, Any]
    warnings: tuple[str, ...]


UNUSED = Trust(1.0, {}, ())
"""Used where no uncertainty was asked for."""


def standard_deviation(variance: Tensor) -> Tensor:
    """Standard deviation from the variance of a few samples, averaged with its neighbours, (..., I, J, K).

    A variance of 8 samples is off by half of itself; the true one changes little from voxel to voxel. Smoothed by a
    Gaussian of sigma 1 voxel, it points at the large errors better (AUROC) and has a lower CRPS on held-out scans.

    Args:
        variance: Mean square distance of the samples to the mean, (..., I, J, K), in any unit squared.
    """
    sigmas = [0.0] * (variance.ndim - 3) + [BLUR_VOX] * 3
    smooth = ndimage.gaussian_filter(variance.cpu().numpy(), sigmas, mode="reflect")
    return torch.from_numpy(smooth).clamp_min(0).sqrt().to(variance.device)


def trust_of(
    calibration: Calibration | None, modality: str, factors: Sequence[float], settings: EnhanceSettings
) -> Trust:
    """The calibration factor of an uncertainty map, with its facts and warnings.

    Args:
        calibration: Calibration of the weights; None where they hold none.
        modality: Modality of the scan.
        factors: Fine voxels per coarse voxel, per axis.
        settings: Request; its samples, steps and sampler made the map, or the variance head where it asks for none.
    """
    if calibration is None:
        said = "the uncertainty is not calibrated: these weights hold no factors, so its intervals may be too narrow"
        return Trust(1.0, {"calibrated": False}, (said,))
    group = calibration_group(modality, factors)
    kind = "samples" if settings.samples else "variance"
    scales = calibration.factors_for(kind, group)
    factor = scales[LEVEL]
    widths = {f"{level:g}": round(normal_width(level) * f / factor, 4) for level, f in scales.items()}
    facts = {"calibrated": True, "kind": kind, "group": group, "factor": round(factor, 4), "half_widths": widths}
    return Trust(factor, facts, tuple(_differences(calibration, settings)) if kind == "samples" else ())


def _differences(calibration: Calibration, settings: EnhanceSettings) -> Iterator[str]:
    """What makes the samples others than those that were calibrated, one line each."""
    if (
        settings.samples < calibration.samples
        or settings.steps != calibration.steps
        or settings.sampler != CALIBRATED_SAMPLER
    ):
        yield (
            f"the uncertainty was calibrated on {calibration.samples} samples of {calibration.steps} "
            f"{CALIBRATED_SAMPLER} steps; this one has {settings.samples} of {settings.steps} {settings.sampler} steps"
        )
    changed = [name for name in LEADING if getattr(settings, name) != getattr(EnhanceSettings, name)]
    if changed:
        yield f"the uncertainty was calibrated on samples that nothing else led; these were led by {', '.join(changed)}"
