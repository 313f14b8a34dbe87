"""Floor 2: noise maths: schedule, preconditioned denoiser, samplers as generators, loss; no networks, no scanners."""
