"""Enhance a folder of scans: `medsr batch` as a script to start from."""

from __future__ import annotations

import sys
from pathlib import Path

from medsr.batch.recipe import read_batch_recipe
from medsr.batch.run import batch
from medsr.engine.outcome import Outcome, Tally


def main(source: Path, target: Path) -> int:
    """Enhance every scan of `source` into `target` by the recipe beside this script; 7 where cases failed."""
    recipe = read_batch_recipe(Path(__file__).with_name("recipe.toml"))
    tally = batch(source, target, recipe, shown)
    print(f"{tally.done} done, {tally.failed} failed of {tally.planned}: {target / 'index.html'}")
    return 7 if tally.failed else 0


def shown(tally: Tally, outcome: Outcome | None, running: int) -> None:
    """One line per case that ended."""
    if outcome is not None:
        print(f"{outcome.case} {outcome.state} {outcome.kind} {outcome.reason}; {tally.left} left", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
