"""Scans to training packs: run.py SCANS PACKS, or without arguments the shared training and validation scans."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from medsr.training.packing import pack_folder

SHARED = Path(os.environ.get("MEDSR_DATA", "../shared/data"))


def main(arguments: list[str]) -> None:
    pairs = [(SHARED / split, Path("packs") / split) for split in ("train", "validation")]
    if arguments:
        scans, packs = map(Path, arguments)
        pairs = [(scans, packs)]
    for source, target in pairs:
        for path in pack_folder(source, target):
            print(f"{path}  {path.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main(sys.argv[1:])
