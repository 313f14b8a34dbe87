"""Folders of small scans, and runs over them with the case function of `copying`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from phantoms import head

from medsr import io
from medsr.batch.plan import make_plan
from medsr.batch.recipe import BatchRecipe
from medsr.batch.run import begin, work_on
from medsr.engine.outcome import Outcome, Tally

os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # computing processes import `copying` from here
MODEL = {"name": "copy", "version": "0", "sha256": "0" * 64}


def scans(folder: Path, names: Sequence[str]) -> Path:
    """NIfTI files of one small head, each with a value of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    scan = head((8, 9, 4), (1.0, 1.0, 2.5))
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        io.save(scan.with_data(scan.data + number), folder / name, dtype="float32")
    return folder


def copied(
    source: Path, target: Path, recipe: BatchRecipe | None = None, only: Sequence[str] = ()
) -> tuple[Tally, list[Outcome]]:
    """A run that only copies: the count, and the outcomes that were new."""
    plan = make_plan(source, target, recipe or BatchRecipe(), MODEL)
    store = begin(plan, target)
    outcomes: list[Outcome] = []

    def on_change(tally: Tally, outcome: Outcome | None, running: int) -> None:
        if outcome is not None:
            outcomes.append(outcome)

    return work_on(plan, store, on_change, only=only, module="copying"), outcomes


def results(target: Path) -> dict[str, bytes]:
    """Every file of an output folder but what lies in hidden ones."""
    found = sorted(path for path in target.rglob("*") if path.is_file())
    return {
        name: path.read_bytes() for path in found if not (name := path.relative_to(target).as_posix()).startswith(".")
    }


def leftovers(target: Path) -> list[str]:
    """Files of an output folder that no finished run leaves."""
    hidden = target / ".medsr"
    found = [*(hidden / "drafts").rglob("*"), *(hidden / "leases").rglob("*"), *target.rglob(".part-*")]
    return sorted(path.name for path in found)
