"""A table for `medsr validate --pairs` out of two folders that hold the same people, scanned coarsely and finely."""

from __future__ import annotations

import csv
import io
import os
import sys
from argparse import ArgumentParser
from pathlib import Path

from medsr.errors import InputError, MedsrError, UsageError
from medsr.io import files
from medsr.io.bids import scan_name
from medsr.io.formats import stem
from medsr.physics.profiles import PROFILE_CHOICES
from medsr.validation.plan import PAIR_COLUMNS
from medsr.validation.subjects import subject_of

PATTERN = "*.nii*"


def make_table(low: Path, high: Path, out: Path, *, profile: str, thickness_mm: float | None, register: bool) -> int:
    """Write the table and return its number of pairs; a scan without a partner is named and left out.

    The partner of a scan has its file name, or else its subject and its BIDS suffix (`sub-01_acq-low_T1w` and
    `sub-01_T1w`).

    Args:
        low: Folder of low-resolution scans in NIfTI, at any depth.
        high: Folder of high-resolution scans.
        out: Table to write; the paths in it are relative to its folder.
        profile: Slice profile of the low-resolution scans.
        thickness_mm: Thickness of their slices; None: what they say.
        register: Whether the two of a pair are registered first.

    Raises:
        InputError: no pair.
        OutputError: the table can't be written.
        UsageError: two scans that could be the same partner.
    """
    scans = sorted(high.rglob(PATTERN))
    rows = []
    for path in sorted(low.rglob(PATTERN)):
        found = [one for one in scans if one.name == path.name] or [one for one in scans if _key(one) == _key(path)]
        if len(found) > 1:
            raise UsageError(
                f"{path}: {len(found)} partners in {high}, such as {found[0]} and {found[1]}; expected one"
            )
        if not found:
            print(f"{path}: no partner in {high}", file=sys.stderr)
            continue
        places = [os.path.relpath(one, out.parent) for one in (path, found[0])]
        rows.append([*places, profile, thickness_mm or "", "yes" if register else "no", scan_name(path.name)])
    if not rows:
        raise InputError(f"no scan in {low} has a partner in {high}; expected equal file names, or equal subjects")
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows([PAIR_COLUMNS, *rows])
    with files.atomic(out) as file:
        file.write(text.getvalue().encode())
    return len(rows)


def _key(path: Path) -> tuple[str, str]:
    name = stem(path.name)
    return subject_of(name), name.rpartition("_")[2]


def main() -> int:
    """Read the arguments, write the table; 0, or the exit code of what went wrong."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("low", type=Path, help="folder of low-resolution scans")
    parser.add_argument("high", type=Path, help="folder of high-resolution scans")
    parser.add_argument("out", type=Path, help="table to write, such as pairs.tsv")
    parser.add_argument("--profile", choices=PROFILE_CHOICES, default="auto", help="slice profile of the low scans")
    parser.add_argument("--thickness", type=float, metavar="MM", help="thickness of their slices; else what they say")
    parser.add_argument("--register", action="store_true", help="the two are not in one patient frame: register them")
    asked = parser.parse_args()
    try:
        n_pairs = make_table(
            asked.low,
            asked.high,
            asked.out,
            profile=asked.profile,
            thickness_mm=asked.thickness,
            register=asked.register,
        )
    except MedsrError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{n_pairs} pairs: medsr validate --pairs {asked.out} --out report")
    return 0


if __name__ == "__main__":
    sys.exit(main())
