"""Stacks of thick slices fused, against the best of them alone: dB in the interior of a central block.

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
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import MedsrError
from medsr.fusion.fusion import fused
from medsr.fusion.slices import dark_slices, filled
from medsr.fusion.stack import SAME
from medsr.io import load
from medsr.metrics.error import data_range, foreground_mask, psnr
from medsr.model.weights import Model, load_model
from medsr.physics.acquisition import on_grids
from medsr.physics.ops.noise import add_gaussian, add_rician
from medsr.registration.rigid import register
from medsr.volume import Volume

DATA = Path(os.environ.get("MEDSR_DATA", "../shared/data"))
SCANS = ("validation/sub-bchadult01_T1w", "train/sub-arc2307_T2w", "validation/sub-cmbcrc01_CT")
RESULT = Path("results/stacks.json")
CONDITIONS = ("exact", "moved", "slices", "bias")
SIDE_MM, THICK_MM = 90.0, 5.0
EDGE_MM = 12.0  # of the block that is not judged, at every face
ACROSS = (2, 1, 0)  # axes of the slices of the stacks
TURN_DEG, SHIFT_MM = 5.0, 5.0  # of a stack, at most
NOISE_SHARE, NOISE_HU = 0.02, 20.0
SCALE = (0.7, 1.4)
SLICE_SHARE, SLICE_DEG, SLICE_MM, N_DARK, DARK = 0.1, 3.0, 3.0, 2, 0.3
BIAS = 0.25  # the logarithm of the brightness at the faces of the block, at most


@dataclass(frozen=True)
class Made:
    """A stack, and the truth in its place and unit."""

    stack: Volume
    truth: Volume


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


def made(scan: Volume, number: int, condition: str, rng: np.random.Generator) -> Made:
    """Stack `number` of a reference under a condition."""
    across = ACROSS[number]
    shape = list(scan.shape)
    shape[across] = round(shape[across] * float(scan.spacing_mm[across]) / THICK_MM)
    acquisition = on_grids(scan.affine, scan.shape, shape, "gaussian", None)
    pose = np.eye(4)
    if condition != "exact" and number:
        pose = _motion(scan, rng, TURN_DEG, SHIFT_MM)
    truth = np.array(_seen(scan, pose))
    y = acquisition.op(torch.from_numpy(truth)).numpy()
    if condition == "slices":
        chosen = rng.permutation(shape[across])
        n_moved = max(1, round(SLICE_SHARE * shape[across]))
        for k in chosen[:n_moved]:
            alike = acquisition.op(torch.from_numpy(_seen(scan, _motion(scan, rng, SLICE_DEG, SLICE_MM) @ pose)))
            np.moveaxis(y, across, 0)[k] = np.moveaxis(alike.numpy(), across, 0)[k]
        for k in chosen[n_moved : n_moved + N_DARK]:
            np.moveaxis(y, across, 0)[k] *= DARK
    if condition != "exact":
        y, truth = _as_measured(y, truth, scan, number, condition == "bias", rng)
    of_stack = replace(scan, data=y, affine=acquisition.coarse_affine, slice_axis=across)
    return Made(of_stack, scan.with_data(truth))


def _motion(scan: Volume, rng: np.random.Generator, most_deg: float, most_mm: float) -> NDArray[np.float64]:
    """(4, 4): a turn about the middle of a scan and a shift, both in a random direction and at least half the most."""
    axis, way = (_direction(rng) for _ in range(2))
    angle, length = most_deg * rng.uniform(0.5, 1), most_mm * rng.uniform(0.5, 1)
    matrix = np.eye(4)
    middle = (scan.affine @ [*(np.array(scan.shape) - 1) / 2, 1])[:3]
    matrix[:3, :3] = Rotation.from_rotvec(np.radians(angle) * axis).as_matrix()
    matrix[:3, 3] = middle + length * way - matrix[:3, :3] @ middle
    return matrix


def _direction(rng: np.random.Generator) -> NDArray[np.float64]:
    v = rng.normal(size=3)
    return np.asarray(v / np.linalg.norm(v))


def _seen(scan: Volume, pose: NDArray[np.float64]) -> NDArray[np.float32]:
    """The voxels of a scan that was moved by `pose`."""
    if np.array_equal(pose, np.eye(4)):
        return scan.data
    into = np.linalg.inv(scan.affine) @ pose @ scan.affine
    return np.asarray(
        ndimage.affine_transform(scan.data, into[:3, :3], into[:3, 3], order=3, mode="nearest"), np.float32
    )


def _as_measured(
    y: NDArray[np.float32],
    truth: NDArray[np.float32],
    scan: Volume,
    number: int,
    biased: bool,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A stack with noise, and it and the truth in the unit of the stack."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    if scan.modality == "CT":
        return add_gaussian(torch.from_numpy(y), NOISE_HU, generator).numpy(), truth
    if biased and number:
        y = y * np.exp(_slow(y.shape, rng))
    sigma = NOISE_SHARE * float(np.percentile(scan.data, 99))
    noisy = add_rician(torch.from_numpy(y.astype(np.float32)), sigma, generator).numpy()
    scale = np.float32(np.exp(rng.uniform(*np.log(SCALE))) if number else 1.0)
    return scale * noisy, scale * truth


def _slow(shape: Sequence[int], rng: np.random.Generator) -> NDArray[np.float32]:
    """A quadratic polynomial of the place, of mean 0 and at most `BIAS`."""
    places = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    field = sum(rng.normal() * p for p in places) + sum(rng.normal() * p * q for p in places for q in places)
    field = np.asarray(field - np.mean(field), np.float32)
    return np.asarray(field * (BIAS / np.abs(field).max()), np.float32)


def judged(found: Volume, truth: Volume) -> float:
    """PSNR in the body, away from the faces of the block, in dB."""
    edge = round(EDGE_MM / float(truth.spacing_mm[0]))
    inside = np.zeros(truth.shape, np.bool_)
    inside[(slice(edge, -edge),) * 3] = True
    body = foreground_mask(truth.data, truth.modality)
    return psnr(found.data, truth.data, body & inside, data_range(truth.data, body, truth.modality))


def rows(name: str, condition: str, model: Model) -> dict[str, float | str | list[float]]:
    """What two and three stacks of a scan give, and the best alone."""
    scan = reference(name)
    rng = np.random.default_rng(2026)
    all_made = [made(scan, number, condition, rng) for number in range(3)]
    h = float(scan.spacing_mm[0])
    settings = EnhanceSettings(spacing_mm=(h,), mode="uncertainty")
    dark = [dark_slices(one.stack) for one in all_made]
    stacks = [filled(one.stack, lost) for one, lost in zip(all_made, dark, strict=True)]
    alone = [enhance(stack, model, settings) for stack in stacks]
    row: dict[str, float | str | list[float]] = {
        "scan": name,
        "condition": condition,
        "alone": [judged(found.volume, one.truth) for found, one in zip(alone, all_made, strict=True)],
    }
    poses = [SAME] * 3
    if condition != "exact":
        poses = [SAME, *(register(stacks[0], other) for other in stacks[1:])]
    for count in (2, 3):
        try:
            together = fused(alone[:count], poses[:count], dark[:count], settings)
        except MedsrError as error:
            row[f"{count} stacks"] = str(error)
            continue
        row[f"{count} stacks"] = judged(together.volume, all_made[0].truth)
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
