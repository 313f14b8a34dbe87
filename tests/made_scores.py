"""Scores of made-up numbers."""

from __future__ import annotations

from medsr.metrics.table import NAMES
from medsr.validation.scores import NAN, Score

USUAL = {"ssim": 0.9, "nrmse": 0.05, "mae": 3.0, "drift": 0.1, "residual": 0.8, "seconds": 1.0}


def made_score(
    scan: str = "sub-a_T1w", method: str = "mean", psnr_db: float = 20.0, task: str = "iso2", **others: float
) -> Score:
    """A score with usual numbers but for those that are given, as good inside as out; what is neither is NaN."""
    levels = {"psnr_interior_db": psnr_db, "psnr_db": psnr_db, "high_frequency_power_ratio": 0.5}
    values = {**dict.fromkeys(NAMES, NAN), **USUAL, **levels, **others}
    return Score(scan, task, "S" if task.startswith("thick") else "R A S", method, values)


def untimed(scores: tuple[Score, ...]) -> list[dict[str, str]]:
    """Rows of scores without what differs from run to run, as text, in which nan is equal to itself."""
    return [{name: repr(value) for name, value in score.row().items() if name != "seconds"} for score in scores]
