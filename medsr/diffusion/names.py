"""Names of the diffusion processes, without PyTorch; `medsr.diffusion.processes` holds what they stand for."""

from __future__ import annotations

from typing import Literal, get_args

ProcessName = Literal[
    "edm",
    "edm_few",
    "ddpm_linear",
    "ddpm_linear_v",
    "ddpm_linear_x0",
    "ddpm_cosine",
    "ddpm_cosine_v",
    "ddpm_cosine_x0",
    "flow",
    "pmrf",
    "indi",
    "i2sb",
    "resshift",
    "prior",
    "sharpness",
    "autoencoder",
    "latent",
]
PROCESS_NAMES: tuple[ProcessName, ...] = get_args(ProcessName)
DEFAULT_PROCESS: ProcessName = "edm"
