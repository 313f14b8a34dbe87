"""Floor 4: fine scans in, weights out: packs, drawn degradations, the loop, its curve and its checkpoints."""
