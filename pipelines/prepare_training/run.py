"""Scans to training packs: run.py SCANS PACKS, or without arguments the shared training and validation scans."""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path

from medsr.errors import MedsrError
from medsr.training.packing import pack_folder, subjects_below

SHARED = Path(os.environ.get("MEDSR_DATA", "../shared/data"))
MIB = 2**20


def main(folders: list[Path], limit_mib: float | None) -> None:
    """Pack one folder into another, or the shared scans of both splits into packs/.

    Args:
        folders: Scans and packs; empty for the shared scans.
        limit_mib: Size of all packs together in MiB, shared between splits by their subjects; None: no limit.
    """
    pairs = [(SHARED / split, Path("packs") / split) for split in ("train", "validation")]
    if folders:
        pairs = [(folders[0], folders[1])]
    subjects = [len(subjects_below(source)) for source, _ in pairs]
    for (source, target), count in zip(pairs, subjects, strict=True):
        limit = None if limit_mib is None else int(limit_mib * MIB * count / sum(subjects))
        for path in pack_folder(source, target, limit):
            print(f"{path}  {path.stat().st_size / MIB:.1f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, metavar="SCANS PACKS")
    parser.add_argument("--limit", type=float, metavar="MIB", help="size of all packs together")
    arguments = parser.parse_args()
    if arguments.limit is not None and not 0 < arguments.limit < math.inf:
        parser.error(f"--limit is {arguments.limit:g}; expected a size in MiB above 0")
    if len(arguments.folders) not in (0, 2):
        parser.error("give the folder of the scans and that of the packs, or neither")
    try:
        main(arguments.folders, arguments.limit)
    except MedsrError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
