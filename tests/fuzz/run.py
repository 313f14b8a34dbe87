"""The long run: `python -m fuzz.run --count 5000`, or one seed again: `--first 17 --count 1 --keep FOLDER`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from fuzz.dicom_damage import damaged_dicom
from fuzz.image_damage import damaged_image
from fuzz.nifti_damage import damaged_nifti
from fuzz.pixel_damage import damaged_pixels
from fuzz.trial import Make, try_all

KINDS: dict[str, Make] = {
    "dicom": damaged_dicom,
    "pixels": damaged_pixels,
    "nifti": damaged_nifti,
    "image": damaged_image,
}


def main() -> int:
    """Print a table per kind, and every seed that broke the law; 1 if there was any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000, help="damaged inputs of each kind")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--kind", choices=[*KINDS, "all"], default="all")
    parser.add_argument("--keep", type=Path, help="write the inputs into this folder instead of reading them")
    chosen = parser.parse_args()
    seeds = range(chosen.first, chosen.first + chosen.count)
    kinds = list(KINDS) if chosen.kind == "all" else [chosen.kind]
    return keep(kinds, seeds, chosen.keep) if chosen.keep else max(report(kind, seeds) for kind in kinds)


def keep(kinds: list[str], seeds: range, folder: Path) -> int:
    """Write inputs to look at."""
    for kind in kinds:
        for seed in seeds:
            place = folder / f"{kind}-{seed}"
            place.mkdir(parents=True, exist_ok=True)
            print(f"{place}: {KINDS[kind](seed, place)}")
    return 0


def report(kind: str, seeds: range) -> int:
    """Try one kind and print what came of it; 1 if a law was broken."""
    started = time.monotonic()
    tally = try_all(KINDS[kind], seeds)
    print(f"{kind}: {len(seeds)} inputs in {time.monotonic() - started:.0f} s")
    for outcome, n in tally.outcomes.most_common():
        print(f"  {n:6d}  {outcome}")
    (seconds, slow_seed), (n_bytes, large_seed) = tally.slowest, tally.largest
    print(f"  slowest {seconds:.1f} s (seed {slow_seed}), most memory {n_bytes >> 20} MiB (seed {large_seed})")
    for seed, done, fault in tally.broken:
        print(f"  BROKEN seed {seed}: {done}: {fault}")
    return int(bool(tally.broken))


if __name__ == "__main__":
    sys.exit(main())
