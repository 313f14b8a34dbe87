"""Diffusion: noise levels, denoiser, samplers and loss; no networks, no scanners, no files.

- `schedule`: the noise levels that a sampler visits.
- `noise`: reproducible noise by seed, sample, step and voxel index.
- `denoiser`: from a raw network to a denoiser (preconditioning).
- `samplers`: Euler, Heun, DPM-Solver++(2M) and ancestral sampling, as generators of steps.
- `loss`: the training loss.
"""

N_NOISE_FEATURES = 3
"""Numbers that tell a network the noise level."""
