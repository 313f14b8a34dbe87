"""The usual ranges of the training scans' statistics, stored in a weights file, so that `enhance` can judge scans."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from medsr.envelope import Statistics, ranges_of, sealed_weights, statistics_seen
from medsr.io import load
from medsr.models import DEFAULT_MODEL, load_model, packaged_models
from medsr.runs.training import store_weights

SCANS = Path(os.environ.get("MEDSR_DATA", "../shared/data")) / "train"


def main(source: str, target: str | None) -> None:
    """Read weights and training scans, write the weights with the ranges inside, and their SHA-256 beside them.

    Args:
        source: packaged name or weights file.
        target: weights file to write; by default the one that was read.
    """
    model = load_model(source, device="cpu")
    found: dict[str, list[Statistics]] = {}
    for path in sorted(SCANS.glob("*.nii.gz")):
        volume = load(path)
        found.setdefault(volume.modality, []).extend(statistics_seen(volume))
        print(f"{path.name} done", file=sys.stderr, flush=True)
    ranges = {modality: ranges_of(rows) for modality, rows in found.items()}
    for modality, rows in ranges.items():
        for name, (low, high) in rows.items():
            print(f"{modality}  {name:<14}{low:10.4g} to {high:.4g}")
    path = packaged_models().get(source, Path(source)) if target is None else Path(target)
    store_weights(path, sealed_weights(model, ranges))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_MODEL, sys.argv[2] if len(sys.argv) > 2 else None)
