"""Latent diffusion (Rombach et al. 2022): states are codes of the detail, and an autoencoder makes them.

Codes have mean 0 and variance 1 in every number. Walks begin at noise that leaves nothing of them: a code is no detail,
so that a mean of codes is not the code of the mean, and there is none to begin at.
"""

from __future__ import annotations

from dataclasses import replace

from medsr.diffusion.processes.edm import EDM, PRIOR

LATENT = replace(
    EDM,
    summary="EDM of codes of the detail, on a grid of half as many voxels an axis (after Rombach et al. 2022)",
    random_levels=PRIOR.random_levels,
    levels=PRIOR.levels,
    starts="noise",
    tells_mean=False,
    rescaled=False,
    coded=True,
)
AUTOENCODER = replace(EDM, summary="autoencoder of the detail, for `latent`", tells_mean=False, encodes=True)
