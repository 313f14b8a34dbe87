"""The shipped weights trained further for some minutes, and replaced only if they measure better: `make train-gpu`."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medsr.errors import MedsrError
from medsr.training.loop import Progress
from medsr.training.recipe import read_recipe
from medsr.training.succession import LEGS, Outcome, Row, judge, run_leg

RECIPE = Path(__file__).resolve().parents[1] / "train" / "next.toml"


def main(arguments: Sequence[str]) -> int:
    """Run a leg, or judge a weights file, and print the table; the exit code is that of an error, else 0."""
    options = _options(arguments)
    try:
        recipe = read_recipe(options.recipe)
        if options.run is not None:
            recipe = replace(recipe, run=options.run)
        if options.judge is not None:
            recipe.run.mkdir(parents=True, exist_ok=True)
            outcome = judge(recipe, options.judge)
        else:
            outcome = run_leg(recipe, options.minutes, _report)
    except MedsrError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(_told(outcome, recipe.run / LEGS))
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", type=Path, default=RECIPE, help="recipe with a start (default: next.toml)")
    parser.add_argument("--minutes", type=float, default=8.0, help="time to train (default: 8)")
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="folder of the run (default: the recipe's)")
    parser.add_argument("--judge", type=Path, metavar="WEIGHTS", help="measure this file instead of training one")
    options = parser.parse_args(arguments)
    if not 0 < options.minutes < math.inf:
        parser.error(f"--minutes is {options.minutes:g}; expected a time above 0")
    return options


def _report(progress: Progress, steps: int, gains: dict[str, float] | None) -> None:
    if gains is not None:
        values = ", ".join(f"{task} {gain:+.2f}" for task, gain in gains.items())
        print(f"step {progress.step} of {steps}: gain over the IBP estimate in dB: {values}", flush=True)


def _told(outcome: Outcome, record: Path) -> str:
    """The table, what became of the candidate, and what is left to do."""
    lines = [f"{'':<22}{'probes':>7}{'before':>9}{'after':>9}{'change':>9}", *map(_line, outcome.rows)]
    if outcome.replaced is None:
        lines.append(f"not better by the rule: the shipped weights stay; the candidate is {outcome.candidate}")
    else:
        lines.append(f"better: {outcome.replaced} and its .sha256 are replaced; README.md says what has to follow")
    return "\n".join([*lines, f"written down in {record}"])


def _line(row: Row) -> str:
    what = f"{row.modality} {row.task} {row.kind}"
    return f"{what:<22}{row.probes:>7}{row.before:>9.3f}{row.after:>9.3f}{row.change:>+9.3f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
