"""Real stacks of one body: how well the others predict the one that is left out, together and each alone.

There is no truth for real stacks, but each is a measurement that the others had no part in. The image made of the
others is seen through the left-out stack's own acquisition and compared with it where all of them reach: root mean
square of the difference over the standard deviation of the stack.

python benchmarks/left_out_stack.py [stack ...] [--spacing MM]   default: the knee under $MEDSR_DATA/stacks at 1 mm
"""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.result import Enhancement
from medsr.enhancement.settings import EnhanceSettings
from medsr.fusion.fusion import fused
from medsr.fusion.grid import Grid, reduced, spacing_of
from medsr.fusion.placing import line_of
from medsr.fusion.slices import dark_slices, filled
from medsr.fusion.stack import SAME, WHOLE, covered_by, measured, operator, places_in, resampled
from medsr.io import load
from medsr.model.weights import load_model
from medsr.registration.rigid import Rigid, register

KNEE = Path(os.environ.get("MEDSR_DATA", "../shared/data")) / "stacks"
NAMES = ("knee_PDfs_ax", "knee_PDfs_cor", "knee_PDfs_sag")
RESULT = Path("results/left_out_stack.json")


def onto(pose: Rigid, first: Rigid) -> Rigid:
    """The pose of a stack seen from another one, both known from a third."""
    return replace(pose, matrix=np.linalg.inv(first.matrix) @ pose.matrix)


def apart(left_out: Enhancement, pose: Rigid, image: Tensor, target: Grid, shared: NDArray[np.bool_]) -> float:
    """How far a stack is off what an image predicts of it, over its own standard deviation."""
    op = operator(left_out.acquisition, pose, target)
    inside = covered_by(op) & (op(Tensor(shared.astype(np.float32))).numpy() > WHOLE)
    y = line_of(left_out, op, inside, image, 0).applied(measured(left_out))
    difference = (y - op(image).numpy())[inside]
    return float(np.sqrt(np.mean(difference**2)) / y[inside].std())


def rows(
    alone: Sequence[Enhancement],
    poses: Sequence[Rigid],
    dark: Sequence[NDArray[np.bool_]],
    names: Sequence[str],
    settings: EnhanceSettings,
) -> list[dict[str, float | str]]:
    """One row for each stack that is left out."""
    table: list[dict[str, float | str]] = []
    for number, name in enumerate(names):
        others = [other for other in range(len(names)) if other != number]
        seen = [onto(pose, poses[others[0]]) for pose in poses]
        together = fused(
            [alone[other] for other in others], [seen[other] for other in others], [dark[o] for o in others], settings
        )
        target = Grid(together.acquisition.fine_shape, together.acquisition.fine_affine)
        shared = np.ones(target.shape, np.bool_)
        for other in others:
            places = places_in(alone[other].residual, seen[other], target)
            n = np.array(alone[other].residual.shape)[:, None]
            shared &= np.all((places > 0) & (places < n - 1), axis=0).reshape(target.shape)
        row: dict[str, float | str] = {"left out": name}
        for other in others:
            image = resampled(alone[other].volume, seen[other], target)
            row[names[other]] = apart(alone[number], seen[number], image, target, shared)
        row["together"] = apart(alone[number], seen[number], Tensor(np.array(together.volume.data)), target, shared)
        table.append(row)
        print(json.dumps(row), flush=True)
    return table


def main() -> None:
    """Print and write the table."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stacks", nargs="*", type=Path, default=[KNEE / f"{name}.nii.gz" for name in NAMES])
    parser.add_argument("--spacing", type=float, default=1.0, metavar="MM")
    asked = parser.parse_args()
    wanted = np.full(3, asked.spacing)
    stacks = [reduced(load(path), wanted) for path in asked.stacks]
    dark = [dark_slices(stack) for stack in stacks]
    stacks = [filled(*one) for one in zip(stacks, dark, strict=True)]
    model = load_model("medsr-base", "cpu")
    settings = EnhanceSettings(mode="uncertainty")
    alone = [enhance(stack, model, replace(settings, spacing_mm=spacing_of(stack, wanted))) for stack in stacks]
    poses = [SAME, *(register(stacks[0], other) for other in stacks[1:])]
    names = [path.name.removesuffix(".nii.gz") for path in asked.stacks]
    table = rows(alone, poses, dark, names, settings)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
