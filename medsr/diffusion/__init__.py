"""Diffusion: noise levels, denoiser, samplers and loss; no networks, no scanners, no files.

- `schedule`: the noise levels that a sampler visits.
- `noise`: reproducible noise by seed, sample, step and voxel index.
- `denoiser`: from a raw network to a denoiser (preconditioning).
- `parametrisations`: what a raw network may predict instead: noise, velocity, the clean state, a bridge's noise.
- `process`: `Process`, what tells one member of the family from another; `processes`: the members; `names`: theirs.
- `guidance`: denoisers led by a dropped condition, by a classifier or by a gradient.
- `samplers`: Euler, Heun, DPM-Solver++(2M) and ancestral sampling, as generators of steps.
- `loss`: the training losses.
"""

N_NOISE_FEATURES = 3
"""Numbers that tell a network the noise level."""
