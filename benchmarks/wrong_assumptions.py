"""What it costs to be told nothing: scans degraded in ways that medsr does not know, in dB over cubic interpolation.

Each reference is degraded by a true profile, width and noise, and enhanced with no option but the factor. Beside the
result stand that of the same model told the truth (none for a Hamming window, for which medsr has no profile), and the
best of cubic, IBP and total variation under what medsr assumed. Only a central block is restored, to save time; what is
assumed comes from the whole degraded scan.

python benchmarks/wrong_assumptions.py [scan ...] [--task TASK]   default: a T1w and a CT of the validation split under
$MEDSR_DATA, both tasks
"""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.affine import crop as cropped_affine
from medsr.enhancement.enhancement import enhance
from medsr.enhancement.region import Box, central_block, inner, part_of
from medsr.enhancement.settings import EnhanceSettings, Triple
from medsr.io import load
from medsr.model.intensity import scale_of
from medsr.model.weights import Model, load_model
from medsr.physics.acquisition import Acquisition, on_grids, with_assumed
from medsr.physics.assumption import Assumed, Assumption, fine_axes
from medsr.physics.ops.noise import add_gaussian, add_rician
from medsr.physics.profiles import Profile
from medsr.validation.baselines import METHODS
from medsr.volume import Volume

DATA = Path(os.environ.get("MEDSR_DATA", "../shared/data"))
SCANS = ("validation/sub-bchadult01_T1w.nii.gz", "validation/sub-cmbcrc01_CT.nii.gz")
RESULT = Path("results/wrong_assumptions.json")
SIDE_VOX = 120  # of the reference that is degraded
TASKS = ("iso2", "thick5")
BLOCK_VOX = 24  # coarse voxels a side that are restored; twice as many where an axis is left alone
MARGIN = 4  # coarse voxels around them that don't count, where the axis has as many
NOISE = {"MR": (0.0, 1.0, 2.0, 3.0, 5.0), "CT": (0.0, 10.0, 20.0, 40.0)}  # per cent of the 99th percentile; HU
NOISY_WITH: tuple[tuple[Profile, float], ...] = (("gaussian", 1.0), ("kspace", 1.0))
HAMMING = (0.23, 0.54)  # the window 0.54 + 0.46 cos in k-space, as weights of a sample's neighbours and of itself


@dataclass(frozen=True)
class Truth:
    """How a scan was really acquired: profile, width in samples, apodisation, and noise as in `NOISE`."""

    profile: Profile
    width: float
    hamming: bool = False
    noise: float = 0.0

    @property
    def text(self) -> str:
        """Such as "gaussian 1.4"."""
        name = "k-space, Hamming" if self.hamming else self.profile
        return f"{name} {self.width:g}"


def truths(modality: str) -> list[Truth]:
    """Every profile and width without noise, then the commonest with noise."""
    compact = [Truth(profile, width) for profile in ("gaussian", "box", "trapezoid") for width in (0.7, 1.0, 1.4)]
    silent = [*compact, Truth("kspace", 1.0), Truth("kspace", 1.0, hamming=True)]
    return silent + [Truth(*one, noise=noise) for one in NOISY_WITH for noise in NOISE[modality][1:]]


def acquired(reference: Volume, task: str, truth: Truth) -> tuple[Volume, Acquisition, float]:
    """The degraded scan, how it was acquired, and the standard deviation of its noise."""
    factors = (2, 2, 2) if task == "iso2" else _thick_slices(reference)
    fine = tuple(n // f * f for n, f in zip(reference.shape, factors, strict=True))
    coarse = tuple(n // f for n, f in zip(fine, factors, strict=True))
    i, j, k = fine
    both = on_grids(reference.affine, (i, j, k), coarse, truth.profile, None)
    a, b, c = (axis and replace(axis, fwhm=axis.fwhm * truth.width) for axis in both.op.axes)
    true = replace(both, op=replace(both.op, axes=(a, b, c)))
    y = true.op(torch.from_numpy(np.array(reference.data[:i, :j, :k])))
    if truth.hamming:
        for dim, axis in zip((-3, -2, -1), true.op.axes, strict=True):
            if axis is not None:
                y = HAMMING[1] * y + HAMMING[0] * (y.roll(1, dim) + y.roll(-1, dim))
    generator = torch.Generator().manual_seed(0)
    if reference.modality == "CT":
        sigma, noisy = truth.noise, add_gaussian(y, truth.noise, generator)
    else:
        sigma = truth.noise / 100 * float(np.percentile(reference.data, 99))
        noisy = add_rician(y, sigma, generator) if sigma else y
    return Volume(noisy.numpy(), true.coarse_affine, reference.modality), true, sigma


def rows(path: Path, task: str, model: Model) -> list[dict[str, Any]]:
    """One row per truth."""
    whole = load(path).to_ras()
    box = central_block(whole, SIDE_VOX)
    window = tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))
    reference = whole.with_data(np.array(whole.data[window]), cropped_affine(whole.affine, box.start))
    found = []
    for truth in truths(reference.modality):
        scan, true, sigma = acquired(reference, task, truth)
        sides = (BLOCK_VOX,) * 3 if task == "iso2" else tuple(2 * BLOCK_VOX // round(f) for f in true.factors)
        region = _middle(scan.shape, sides)
        factors = tuple(float(f) for f in true.factors)
        asked = EnhanceSettings(factors=factors, region=region, flips=0, force=True)
        untold = enhance(scan, model, asked)
        told = enhance(scan, model, replace(asked, noise=sigma), true)
        part = part_of(scan, Box(*region), with_assumed(true, _assumption(untold.record.task["assumed"])))
        scale, op = scale_of(scan.data, scan.modality), part.acquisition.op
        y = scale.to_model(torch.from_numpy(np.array(part.volume.data)))
        noise = (untold.record.noise_sigma or 0.0) / scale.width
        results = {"told": told.volume, "untold": untold.volume}
        for name in ("cubic", "ibp", "tv"):
            x = scale.from_model(METHODS[name](op, y, noise)).numpy()
            results[name] = inner(part.volume.with_data(x, part.acquisition.fine_affine), part)
        place = [slice(round(a * f), round(b * f)) for a, b, f in zip(*region, factors, strict=True)]
        truth_voxels = reference.data[tuple(place)]
        margins = [min(round(MARGIN * f), n // 4) for n, f in zip(truth_voxels.shape, factors, strict=True)]
        middle = tuple(slice(m, n - m) for n, m in zip(truth_voxels.shape, margins, strict=True))
        psnr = {name: -10 * np.log10(_mse(one.data[middle], truth_voxels[middle])) for name, one in results.items()}
        best = max(psnr["cubic"], psnr["ibp"], psnr["tv"])
        found.append(
            {
                "scan": path.name.removesuffix(".nii.gz"),
                "task": task,
                "truth": truth.text,
                "noise": truth.noise,
                "noise_found": untold.record.noise_sigma,
                "assumed": ", ".join(dict.fromkeys(_text(one) for one in untold.record.task["assumed"] if one)),
                "over_cubic_db": psnr["untold"] - psnr["cubic"],
                "over_best_db": psnr["untold"] - best,
                "lost_db": None if truth.hamming else psnr["told"] - psnr["untold"],
            }
        )
        print("\t".join(_cell(value) for value in found[-1].values()), flush=True)
    return found


def _thick_slices(reference: Volume) -> Triple:
    """Five voxels a slice along S, or along R where the reference itself has thick slices."""
    return (1, 1, 5) if len(fine_axes(reference.spacing_mm)) == 3 else (5, 1, 1)


def _middle(shape: Triple, sides: Triple) -> tuple[Triple, Triple]:
    spans = [(max(0, (n - side) // 2), min(n, (n + side) // 2)) for n, side in zip(shape, sides, strict=True)]
    (a, b), (c, d), (e, f) = spans
    return (a, c, e), (b, d, f)


def _assumption(facts: list[dict[str, Any] | None]) -> Assumption:
    a, b, c = (None if one is None else Assumed(**one) for one in facts)
    return a, b, c


def _mse(x: NDArray[Any], truth: NDArray[Any]) -> float:
    return float(np.mean((np.asarray(x, np.float64) - truth) ** 2))


def _text(assumed: dict[str, Any]) -> str:
    width = "" if assumed["fwhm_mm"] is None else f" {assumed['fwhm_mm']:.2g} mm"
    return f"{assumed['profile']}{width}"


def _cell(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def main(paths: list[Path], tasks: list[str]) -> None:
    """Print the table, then the worst and the median of each task; rows of other tasks stay in the result."""
    model = load_model()
    print("\t".join(("scan", "task", "truth", "noise", "found", "assumed", "over cubic", "over best", "lost")))
    measured = {"name": model.spec.name, "version": model.spec.version, "sha256": model.sha256}
    table = _kept(measured, tasks)
    for task in tasks:
        found = [row for path in paths for row in _fit(path, task, model)]
        table += found
        if not found:
            continue
        gains = np.array([row["over_cubic_db"] for row in found])
        lost = np.array([row["lost_db"] for row in found if row["lost_db"] is not None])
        print(
            f"{task}: over cubic least {gains.min():+.2f}, median {np.median(gains):+.2f} dB; "
            f"lost to the truth median {np.median(lost):.2f}, most {lost.max():.2f} dB"
        )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"model": measured, "rows": table}, indent=1) + "\n")


def _kept(model: dict[str, str], tasks: list[str]) -> list[dict[str, Any]]:
    """The rows of other tasks that were measured with the same weights."""
    content = json.loads(RESULT.read_text()) if RESULT.is_file() else {"model": None}
    return [row for row in content["rows"] if row["task"] not in tasks] if content["model"] == model else []


def _fit(path: Path, task: str, model: Model) -> list[dict[str, Any]]:
    """The rows of a scan, none where its slices are too thick for the task."""
    spacing = load(path).to_ras().spacing_mm
    return rows(path, task, model) if task == "thick5" or spacing.max() < 1.6 * spacing.min() else []


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("scans", nargs="*", type=Path, default=[DATA / one for one in SCANS])
    parser.add_argument("--task", action="append", choices=TASKS)
    asked = parser.parse_args()
    main(asked.scans, asked.task or list(TASKS))
