"""Checks of a finished case: against a reference as validation does it, or by its records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np

from medsr.enhancement.envelope import Level
from medsr.metrics.error import data_range, foreground_mask, mean_drift, psnr
from medsr.metrics.gates import row_of
from medsr.metrics.parts import parts_of
from medsr.metrics.structure import ssim
from medsr.metrics.table import INTERIOR, WHOLE
from medsr.record import Record
from medsr.volume import Volume

SAME_GRID_MM = 1e-2
NUMBERS = ("residual", "drift", "uncertainty_rms")
WORST_LAST: dict[str, tuple[str, ...]] = {"calibrated": ("yes", "no"), "envelope": get_args(Level)}


def blind_checks(records: Sequence[Record]) -> dict[str, float]:
    """The worst residual, drift and uncertainty of a case's volumes, as far as their records hold them."""
    rows = [row_of(record) for record in records]
    found = {name: [value for row in rows if isinstance(value := row[name], float)] for name in NUMBERS}
    return {name: max(values) for name, values in found.items() if values}


def blind_words(records: Sequence[Record]) -> dict[str, str]:
    """Verdict of the envelope and whether the uncertainty is calibrated: the worst of a case's volumes."""
    rows = [row_of(record) for record in records]
    found = {name: [str(row[name]) for row in rows] for name in WORST_LAST}
    return {name: max(found[name], key=order.index) for name, order in WORST_LAST.items()}


def reference_checks(result: Volume, reference: Volume) -> dict[str, float]:
    """PSNR, SSIM and drift in the convention of validation; empty where the reference lies on another grid.

    PSNR of the interior is left out where the body is nowhere deep enough to have one.
    """
    x, y = result.to_ras(), reference.to_ras()
    if x.shape != y.shape or not np.allclose(x.affine, y.affine, atol=SAME_GRID_MM):
        return {}
    mask = foreground_mask(y.data, y.modality)
    R = data_range(y.data, mask, y.modality)
    interior = parts_of(y.data, mask, y.modality, y.spacing_mm.tolist())["interior"]
    inside = {INTERIOR.name: psnr(x.data, y.data, interior, R)} if interior.any() else {}
    return {
        **inside,
        WHOLE.name: psnr(x.data, y.data, mask, R),
        "ssim": ssim(x.data, y.data, mask, R),
        "drift": abs(mean_drift(x.data, y.data, mask)) / R,
    }
