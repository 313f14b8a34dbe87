"""High-resolution scans in, weights out: packs, random degradations, the loop, its learning curve and checkpoints."""
