"""The members of the family: one `Process` for each name.

- `edm`: Karras et al. 2022, the default; its distilled form; the prior that sees no scan; the classifier.
- `ddpm`: variance-preserving chains (Ho et al. 2020) with linear and cosine schedules.
- `lines`: rectified flow, PMRF and InDI, straight lines from the clean state to noise.
- `bridges`: I2SB and residual shifting, from the clean state to the IBP estimate.
- `latent`: EDM of codes of the detail (Rombach et al. 2022), and the autoencoder that makes them.
"""

from __future__ import annotations

from medsr.diffusion.names import ProcessName
from medsr.diffusion.process import Process
from medsr.diffusion.processes.bridges import I2SB, RESSHIFT
from medsr.diffusion.processes.ddpm import DDPM
from medsr.diffusion.processes.edm import EDM, FEW, PRIOR, SHARPNESS
from medsr.diffusion.processes.latent import AUTOENCODER, LATENT
from medsr.diffusion.processes.lines import FLOW, INDI, PMRF

PROCESSES: dict[ProcessName, Process] = {
    "edm": EDM,
    "edm_few": FEW,
    **DDPM,
    "flow": FLOW,
    "pmrf": PMRF,
    "indi": INDI,
    "i2sb": I2SB,
    "resshift": RESSHIFT,
    "prior": PRIOR,
    "sharpness": SHARPNESS,
    "autoencoder": AUTOENCODER,
    "latent": LATENT,
}
