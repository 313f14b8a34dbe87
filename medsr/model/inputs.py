"""How many maps and numbers the network takes, without PyTorch; `medsr.model.conditioning` makes them."""

from __future__ import annotations

from medsr.diffusion import N_NOISE_FEATURES

N_MAPS = 11  # noisy detail, IBP estimate, its curvature per axis, cosine and sine of the slice phase per axis
N_SCAN_CONDITIONS = 14
N_CONDITIONS = N_SCAN_CONDITIONS + N_NOISE_FEATURES
