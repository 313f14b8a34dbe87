"""Floor 2: two scans in, numbers and maps out; no files, no scanners, no networks.

`error` fixes the mask and the data range and measures in them, `structure` is SSIM, `edges` and `sharpness` look at
the finest detail, `resolution` and `bands` at the spectrum, `fidelity` compares with what was measured, `artefacts` are
shifts and combs, `prior`, `tissue`, `blobs` and `patches` are harm, `uncertainty` judges a stated deviation.
docs/metrics.md has every formula and what it can't see.
"""

from medsr.metrics.artefacts import comb_ratio, shift_mm, slice_comb
from medsr.metrics.bands import band_errors
from medsr.metrics.edges import gradient_similarity, hfen
from medsr.metrics.error import data_range, foreground_mask, mae, mean_drift, nrmse, psnr
from medsr.metrics.fidelity import residual_in_noise_units
from medsr.metrics.resolution import ShellCorrelation, shell_correlation
from medsr.metrics.sharpness import upper_half_band_power, upper_half_band_ratio
from medsr.metrics.structure import ms_ssim, ssim, ssim_map

__all__ = [
    "ShellCorrelation",
    "band_errors",
    "comb_ratio",
    "data_range",
    "foreground_mask",
    "gradient_similarity",
    "hfen",
    "mae",
    "mean_drift",
    "ms_ssim",
    "nrmse",
    "psnr",
    "residual_in_noise_units",
    "shell_correlation",
    "shift_mm",
    "slice_comb",
    "ssim",
    "ssim_map",
    "upper_half_band_power",
    "upper_half_band_ratio",
]
