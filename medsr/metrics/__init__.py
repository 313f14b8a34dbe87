"""Floor 2: two scans in, numbers and maps out; no files, no scanners, no networks.

`error` fixes the mask and the data range and measures in them, `structure` is SSIM, `fidelity` compares with what was
measured, `sharpness` looks at the finest detail.
"""

from medsr.metrics.error import data_range, foreground_mask, mae, mean_drift, nrmse, psnr
from medsr.metrics.fidelity import residual_in_noise_units
from medsr.metrics.sharpness import upper_half_band_power, upper_half_band_ratio
from medsr.metrics.structure import ssim, ssim_map

__all__ = [
    "data_range",
    "foreground_mask",
    "mae",
    "mean_drift",
    "nrmse",
    "psnr",
    "residual_in_noise_units",
    "ssim",
    "ssim_map",
    "upper_half_band_power",
    "upper_half_band_ratio",
]
