"""Checks of a finished case: against a reference in the design's convention, or without one; and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from medsr.batch_settings import Limits
from medsr.intensity import scale_of
from medsr.metrics import data_range, foreground_mask, mean_drift, psnr, ssim
from medsr.outcome import Outcome
from medsr.volume import Volume

SAME_GRID_MM = 1e-2


def blind_checks(scan: Volume, result: Volume) -> dict[str, float]:
    """What can be said without a reference: how far the mean intensity moved, over the scan's intensity range."""
    drift = float(result.data.mean(dtype=np.float64) - scan.data.mean(dtype=np.float64))
    return {"drift": abs(drift) / scale_of(scan.data, scan.modality).width}


def reference_checks(result: Volume, reference: Volume) -> dict[str, float]:
    """PSNR, SSIM and drift in the convention of validation; empty where the reference lies on another grid."""
    x, y = result.to_ras(), reference.to_ras()
    if x.shape != y.shape or not np.allclose(x.affine, y.affine, atol=SAME_GRID_MM):
        return {}
    mask = foreground_mask(y.data, y.modality)
    R = data_range(y.data, mask, y.modality)
    return {
        "psnr_db": psnr(x.data, y.data, mask, R),
        "ssim": ssim(x.data, y.data, mask, R),
        "drift": abs(mean_drift(x.data, y.data, mask)) / R,
    }


def verdict(outcome: Outcome, limits: Limits) -> Outcome:
    """A finished case as done or, where a check lies outside its limit, as failed; its files stay either way."""
    if not outcome.written:
        return outcome
    faults = _faults(outcome.checks, limits)
    if limits.inside and outcome.facts.get("envelope") == "outside":
        faults.append("the scan lies outside what the model was validated on")
    if not faults:
        return replace(outcome, state="done", kind="", reason="", stage="")
    return replace(outcome, state="failed", kind="limit", reason="; ".join(faults), stage="check")


def _faults(checks: Mapping[str, float], limits: Limits) -> list[str]:
    faults = []
    for name, limit, sign in (
        ("psnr_db", limits.psnr_db, 1),
        ("ssim", limits.ssim, 1),
        ("residual", limits.residual, -1),
        ("drift", limits.drift, -1),
    ):
        if limit is None:
            continue
        value = checks.get(name)
        if value is None:
            faults.append(f"{name} could not be measured: no reference on the result's grid")
        elif sign * value < sign * limit:
            faults.append(f"{name} is {value:.4g}; the limit is {limit:g}")
    return faults
