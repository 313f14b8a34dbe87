"""The family side by side: every member trained for the same time and measured on the same scans: `make family`."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from anatomy_dice import DiceOfCrop, first_head
from family_page import PAGE, PICTURE, RESULT, rewritten
from measuring import Crops, baseline_rows, member_row
from members import MEMBERS, chosen, in_order
from picture import draw_family
from stages import staged

from medsr.enhancement.region import central_block, crop
from medsr.errors import InputError, MedsrError
from medsr.io import files, load, save
from medsr.training.budget import Budget, train_within
from medsr.training.curve import read_curve
from medsr.training.loop import Progress
from medsr.training.packs import packs_sha256
from medsr.training.recipe import TrainingRecipe, read_recipe
from medsr.validation.report.export import finite

FOLDER = Path(__file__).resolve().parent
SCANS = Path(os.environ.get("MEDSR_DATA", "../shared/data")) / "validation"
MEASURED = ("bchadult01_T1w", "cmbcrc01_CT", "openms12_T2w")
SIDE = 64  # of the crops, in voxels: a member of a hundred evaluations takes minutes on two cores


def main(arguments: Sequence[str]) -> int:
    """Train and measure what is asked for, and write it down; the exit code is that of an error, else 0."""
    options = _options(arguments)
    try:
        known = {path.stem: read_recipe(path) for path in sorted(options.recipes.glob("*.toml"))}
        members = [one for one in chosen(options.members) if set(one.recipes) <= set(known)]
        if not members:
            raise InputError(f"{options.recipes} has no recipe of a member that is asked for; name another folder")
        wanted = [known[name] for name in dict.fromkeys(name for one in members for name in one.recipes)]
        trained = {one.name: _trained(one, options) for one in in_order(wanted, known)}
        crops = _crops(options.scans, options.results / "family", options.side)
        facts = {
            "packs_sha256": packs_sha256(wanted[0].packs),
            "scans": [path.name for path in crops.files],
            "shown": crops.shown.name,
            "side": options.side,
        }
        baselines = baseline_rows(crops)
        for member in members:
            row = member_row(member, known, crops, trained[member.recipe])
            row["stages"] = staged(member, known, crops)
            content = _with(options.results / "family.json", facts, row, baselines)
            draw_family(content, known, crops, options.picture)
            _write(options.page, rewritten(options.page.read_text(encoding="utf-8"), content, pictured=True))
    except MedsrError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("members", nargs="*", help="names of members or recipes (default: all)")
    parser.add_argument("--minutes", type=float, default=30.0, help="time to train each recipe (default: 30)")
    parser.add_argument("--seeds", type=int, default=1, help="times that each is trained (default: 1)")
    parser.add_argument("--scans", nargs="+", type=Path, help="references (default: three validation scans)")
    parser.add_argument("--side", type=int, default=SIDE, help=f"voxels of their central crops (default: {SIDE})")
    parser.add_argument("--recipes", type=Path, default=FOLDER, metavar="FOLDER", help="(default: this one)")
    parser.add_argument(
        "--results", type=Path, default=RESULT.parent, metavar="FOLDER", help=f"(default: {RESULT.parent})"
    )
    parser.add_argument("--page", type=Path, default=PAGE, help=f"page with the table (default: {PAGE})")
    parser.add_argument("--picture", type=Path, default=PICTURE, help=f"picture of all members (default: {PICTURE})")
    options = parser.parse_args(arguments)
    if not 0 < options.minutes < math.inf or options.seeds < 1 or options.side < 1:
        parser.error("expected --minutes above 0, and --seeds and --side of at least 1")
    if options.scans is None:
        options.scans = [SCANS / f"sub-{name}.nii.gz" for name in MEASURED]
    return options


def _trained(recipe: TrainingRecipe, options: argparse.Namespace) -> list[dict[str, Any]]:
    """What came of the training, for each seed; the weights that are measured are those of the first."""
    found = []
    for number in range(options.seeds):
        seeded = recipe
        if number:
            training = replace(recipe.training, seed=recipe.training.seed + number)
            seeded = replace(recipe, run=recipe.run.with_name(f"{recipe.run.name}-{training.seed}"), training=training)
        _, spent = train_within(seeded, options.minutes, _reporter(recipe.name))
        print(f"{recipe.name}: {spent.step} of {spent.steps} steps in {spent.spent_minutes:.3g} minutes", flush=True)
        found.append(_training(seeded, spent))
    return found


def _training(recipe: TrainingRecipe, spent: Budget) -> dict[str, Any]:
    """Seed, time and steps of a run, and where its curve ends: the loss, and the mean gain over the probes."""
    _, points = read_curve(recipe.run / "curve.csv")
    _, loss, *gains = points[-1]
    mean = float(np.mean(gains)) if gains else math.nan
    return {"seed": recipe.training.seed, **asdict(spent), "loss": loss, "gain_db": mean}


def _reporter(name: str) -> Any:
    def report(progress: Progress, steps: int, gains: dict[str, float] | None) -> None:
        if gains:
            values = ", ".join(f"{task} {gain:+.2f}" for task, gain in gains.items())
            print(f"{name}: step {progress.step} of {steps}: gain over the IBP estimate in dB: {values}", flush=True)

    return report


def _crops(scans: Sequence[Path], folder: Path, side: int) -> Crops:
    """The middle of each scan as a file of the same name; the first T1w head, or the first scan, is the one shown."""
    place = folder / "crops" / str(side)
    place.mkdir(parents=True, exist_ok=True)
    found = [place / path.name for path in scans]
    for path, target in zip(scans, found, strict=True):
        volume = load(path)
        save(crop(volume, central_block(volume, side)), target)
    head = first_head(scans)
    dice = None if head is None else DiceOfCrop(scans[head], found[head], folder / "kept")
    return Crops(tuple(found), found[head or 0], dice, folder)


def _with(
    path: Path, facts: dict[str, Any], row: dict[str, Any], baselines: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """The file with a row more, or anew; rows of other packs, scans or crops are left out, since they don't compare."""
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    kept = before.get("members", []) if all(before.get(key) == value for key, value in facts.items()) else []
    rows = {one["name"]: one for one in (*kept, row)}
    ordered = [rows[member.name] for member in MEMBERS if member.name in rows]
    content: dict[str, Any] = json.loads(
        json.dumps(finite({**facts, "baselines": list(baselines), "members": ordered}))
    )
    _write(path, json.dumps(content, indent=1) + "\n")
    return content


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic(path) as file:
        file.write(text.encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
