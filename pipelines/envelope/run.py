"""The usual ranges of a folder of scans, stored in a weights file in place of those that it holds."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from medsr.io import load
from medsr.model.packaged import packaged_models
from medsr.model.usual_ranges import usual_ranges
from medsr.model.weights import DEFAULT_MODEL, load_model, sealed_weights
from medsr.training.run import store_weights

SCANS = Path(os.environ.get("MEDSR_DATA", "../shared/data")) / "train"


def main(source: str, target: str | None) -> None:
    """Read weights and training scans, write the weights with the ranges inside, and their SHA-256 beside them.

    Args:
        source: Packaged name or weights file.
        target: Weights file to write; by default the one that was read.
    """
    model = load_model(source, device="cpu")
    ranges = usual_ranges(load(path) for path in sorted(SCANS.glob("*.nii.gz")))
    for modality, rows in ranges.items():
        for name, (low, high) in rows.items():
            print(f"{modality}  {name:<14}{low:10.4g} to {high:.4g}")
    path = packaged_models().get(source, Path(source)) if target is None else Path(target)
    store_weights(path, sealed_weights(model, ranges))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_MODEL, sys.argv[2] if len(sys.argv) > 2 else None)
