"""Stacks of thick slices fused, against the best of them alone: dB, and coverage of the stated 90 % intervals.

Each reference is made isotropic and acquired three times in slices of 5 mm, across its three axes. `exact`: where the
headers say and without noise; `moved`: each stack but the first turned and shifted, in MR of another scale, all with
noise; `slices`: the same, and in every stack a tenth of the slices moved by themselves and two are dark; `bias`: the
same as `moved`, and the brightness of every MR stack but the first varies slowly. No option is given: places are
found, widths and noise estimated.

python benchmarks/stacks.py [scan ...] [--condition CONDITION]   default: the three scans of SCANS under $MEDSR_DATA
"""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.result import Enhancement
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import MedsrError
from medsr.fusion.fusion import fuse
from medsr.fusion.slices import dark_slices, filled
from medsr.fusion.stack import SAME
from medsr.io import load
from medsr.metrics.error import data_range, foreground_mask, psnr
from medsr.model.weights import Model, load_model
from medsr.physics.stacks import MadeStack, motion, seen, stacks_of
from medsr.physics.tasks import Task, with_noise
from medsr.volume import Volume

DATA = Path(os.environ.get("MEDSR_DATA", "../shared/data"))
SCANS = ("validation/sub-bchadult01_T1w", "train/sub-arc2307_T2w", "validation/sub-cmbcrc01_CT")
RESULT = Path("results/stacks.json")
CONDITIONS = ("exact", "moved", "slices", "bias")
SIDE_MM = 90.0
EDGE_MM = 12.0  # of the block that is not judged, at every face
EXACT = Task("exact", thick_mm=5, stacks=3, assumed_profile="auto")  # no width in the header
MOVED = replace(EXACT, name="moved", moved=True, noise_share=0.02, noise_hu=20)
SEED = 2026
SLICE_SHARE, SLICE_DEG, SLICE_MM, N_DARK, DARK = 0.1, 3.0, 3.0, 2, 0.3
NORMAL_90 = 1.645  # half width of a normal distribution's central 90 %, in standard deviations
BIAS = 0.25  # the logarithm of the brightness at the faces of the block, at most


def reference(name: str) -> Volume:
    """The middle of a scan, isotropic at its finest spacing."""
    scan = load(DATA / f"{name}.nii.gz").to_ras()
    h = float(scan.spacing_mm.min())
    n = round(SIDE_MM / h / 5) * 5
    middle = (np.array(scan.shape) - 1) / 2
    step = h / scan.spacing_mm
    first = middle - (n - 1) / 2 * step
    data = ndimage.affine_transform(scan.data, np.diag(step), first, (n, n, n), order=3, mode="nearest")
    affine = scan.affine @ np.block([[np.diag(step), first[:, None]], [np.zeros((1, 3)), np.ones((1, 1))]])
    return Volume(np.asarray(data, np.float32), affine, modality=scan.modality)


def made(scan: Volume, condition: str) -> tuple[MadeStack, ...]:
    """The stacks of a reference under a condition."""
    if condition == "exact":
        return stacks_of(scan, EXACT)
    if condition == "moved":
        return stacks_of(scan, MOVED, SEED)
    quiet = replace(MOVED, noise_share=0, noise_hu=0)
    rng = np.random.default_rng(SEED)
    found = []
    for number, one in enumerate(stacks_of(scan, quiet, SEED)):
        y = np.array(one.scan.data)
        if condition == "slices":
            _move_slices(y, scan, one, rng)
        elif number and scan.modality != "CT":
            y *= np.exp(_slow(y.shape, rng))
        noisy = with_noise(torch.from_numpy(y), seen(scan, one.pose, one.scale), MOVED, SEED + number)
        found.append(replace(one, scan=one.scan.with_data(noisy.numpy())))
    return tuple(found)


def _move_slices(y: NDArray[np.float32], scan: Volume, one: MadeStack, rng: np.random.Generator) -> None:
    """Put slices of a stack, (i, j, k), where they lay after they had moved by themselves, and darken others."""
    across = one.acquisition.degraded.index(True)
    slices = np.moveaxis(y, across, 0)
    chosen = rng.permutation(len(slices))
    n_moved = max(1, round(SLICE_SHARE * len(slices)))
    for k in chosen[:n_moved]:
        alike = seen(scan, motion(scan, rng, SLICE_DEG, SLICE_MM) @ one.pose, one.scale)
        measured = one.acquisition.op(torch.from_numpy(np.array(alike.data))).numpy()
        slices[k] = np.moveaxis(measured, across, 0)[k]
    slices[chosen[n_moved : n_moved + N_DARK]] *= DARK


def _slow(shape: Sequence[int], rng: np.random.Generator) -> NDArray[np.float32]:
    """A quadratic polynomial of the place, of mean 0 and at most `BIAS`."""
    places = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    field = sum(rng.normal() * p for p in places) + sum(rng.normal() * p * q for p in places for q in places)
    field = np.asarray(field - np.mean(field), np.float32)
    return np.asarray(field * (BIAS / np.abs(field).max()), np.float32)


def judged(found: Volume, truth: Volume) -> float:
    """PSNR in the body, away from the faces of the block, in dB."""
    body = foreground_mask(truth.data, truth.modality)
    return psnr(found.data, truth.data, body & _inside(truth), data_range(truth.data, body, truth.modality))


def covered(found: Enhancement, truth: Volume) -> float:
    """Share of the same voxels whose truth lies in the 90 % interval that the result states."""
    if found.uncertainty is None:
        raise ValueError("the result states no uncertainty; ask for mode 'uncertainty'")
    judged_voxels = foreground_mask(truth.data, truth.modality) & _inside(truth)
    off = np.abs(found.volume.data - truth.data)
    return float(np.mean((off <= NORMAL_90 * found.uncertainty.data)[judged_voxels]))


def _inside(truth: Volume) -> NDArray[np.bool_]:
    edge = round(EDGE_MM / float(truth.spacing_mm[0]))
    inside = np.zeros(truth.shape, np.bool_)
    inside[(slice(edge, -edge),) * 3] = True
    return inside


def rows(name: str, condition: str, model: Model) -> dict[str, float | str | list[float]]:
    """What two and three stacks of a scan give, and the best alone."""
    scan = reference(name)
    all_made = made(scan, condition)
    truths = [seen(scan, one.pose, one.scale) for one in all_made]
    h = float(scan.spacing_mm[0])
    settings = EnhanceSettings(spacing_mm=(h,), mode="uncertainty")
    alone = [enhance(filled(one.scan, dark_slices(one.scan)), model, settings) for one in all_made]
    row: dict[str, float | str | list[float]] = {
        "scan": name,
        "condition": condition,
        "alone": [judged(found.volume, truth) for found, truth in zip(alone, truths, strict=True)],
        "alone covered": [covered(found, truth) for found, truth in zip(alone, truths, strict=True)],
    }
    poses = [SAME] * 3 if condition == "exact" else None
    for count in (2, 3):
        try:
            together = fuse([one.scan for one in all_made[:count]], model, settings, poses=poses and poses[:count])
        except MedsrError as error:
            row[f"{count} stacks"] = str(error)
            continue
        row[f"{count} stacks"] = judged(together.volume, truths[0])
        row[f"{count} covered"] = covered(together, truths[0])
        row[f"{count} residuals"] = [float(one["residual"]) for one in together.record.stacks]
        for what in ("dark_slices", "moved_slices", "doubted_slices"):
            row[f"{count} {what}"] = [one[what] for one in together.record.stacks]
    return row


def main() -> None:
    """Print and write the table."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scans", nargs="*", default=SCANS)
    parser.add_argument("--condition", choices=CONDITIONS)
    asked = parser.parse_args()
    model = load_model("medsr-base", "cpu")
    table = []
    for name in asked.scans:
        for condition in [asked.condition] if asked.condition else CONDITIONS:
            row = rows(name, condition, model)
            table.append(row)
            print(json.dumps(row), flush=True)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
