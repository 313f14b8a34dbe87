"""Checks of a result in the viewer: against a reference in the convention of the reports, or against the scan alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr import affine as grids
from medsr.enhancement.consistency import residual_map
from medsr.enhancement.noise import refines_plane, scan_noise
from medsr.enhancement.posterior import NOISE_FLOOR
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import UsageError
from medsr.metrics.error import data_range, foreground_mask
from medsr.metrics.fidelity import residual_in_noise_units
from medsr.metrics.table import metric_named
from medsr.model.intensity import scale_of
from medsr.physics.profiles import ProfileChoice
from medsr.record import NOTICE, Record
from medsr.validation.baselines import METHODS
from medsr.validation.findings import Findings
from medsr.validation.methods import BASELINES
from medsr.validation.pair_grids import Aligned, aligned
from medsr.validation.pairs import tensor_of
from medsr.validation.store import Parts
from medsr.validation.study import Study, write_study
from medsr.validation.trial import Trial, case_of, measured
from medsr.validation.view_files import write_views
from medsr.validation.views import CaseViews, views_of
from medsr.volume import Volume

WHOLE, REGION = "whole", "region"
PSNR = metric_named("psnr_db")
SCAN = "viewer"  # what the scan is called: names of layers may be those of patients
WORST_SIGMA_VOX = 1.5  # the residual is averaged over this width before its worst place is looked for


@dataclass(frozen=True)
class Question:
    """What is checked.

    Attributes:
        scan: The low-resolution scan, input of the result.
        result: What was made of it, or of a region of it.
        profile: Slice profile that the result assumed.
        thickness_mm: Slice thickness that the result assumed; None: as the headers say.
        method: Name of the result in tables: "mean" or "sample" where it is known to be one.
    """

    scan: Volume
    result: Volume
    profile: ProfileChoice = "auto"
    thickness_mm: float | None = None
    method: str = "result"

    def pair(self) -> Aligned:
        """Scan and result on their common field of view."""
        return aligned(self.scan, self.result, self.profile, self.thickness_mm)


@dataclass(frozen=True)
class Checked:
    """A result against a reference.

    Attributes:
        findings: Scores of result, cubic and IBP, for the whole and inside a region.
        views: Pictures of the whole for the report.
    """

    findings: Findings
    views: CaseViews


@dataclass(frozen=True)
class Fidelity:
    """How well a result reproduces the scan that it was made of.

    Attributes:
        residual: Root mean square, in units of the scan's noise.
        worst: Largest local residual.
        worst_mm: Place of the largest one, in RAS mm.
        map: Scan minus degraded result, in units of the noise, on the scan's grid.
    """

    residual: float
    worst: float
    worst_mm: tuple[float, float, float]
    map: Volume


def against_reference(
    question: Question,
    reference: Volume,
    model: dict[str, str],
    region_mm: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> Checked:
    """PSNR, SSIM and the rest of result, cubic and IBP, whole and inside a region.

    The mask and the data range are those of the whole reference, as in the reports; where the result is a region, both
    are read from the part of the reference that it covers.

    Args:
        question: Scan and result.
        reference: High-resolution scan on the result's grid, or on one that holds it.
        model: Name, version and hash of the model that made the result; empty where not known.
        region_mm: Opposite corners (3,) of a box in RAS mm, scored beside the whole.

    Raises:
        UsageError: the reference lies on another grid, or the region outside the result.
    """
    pair = question.pair()
    truth = _on_grid_of(reference.to_ras(), pair.finer)
    trial = _trial(pair, truth)
    y = trial.scale.to_model(tensor_of(pair.scan))
    restored = {
        name: trial.scale.from_model(METHODS[name](trial.acquisition.op, y, trial.noise)).numpy() for name in BASELINES
    }
    results = {name: np.asarray(x, np.float32) for name, x in restored.items()} | {question.method: pair.finer.data}
    trials = {WHOLE: trial}
    if region_mm is not None:
        trials[REGION] = replace(trial, mask=trial.mask & _inside(pair.finer, *region_mm))
        if not trials[REGION].mask.any():
            raise UsageError("the region holds nothing of the body inside the result; draw the box over it")
    found = [
        measured(chosen, SCAN, where, name, np.array(x), 0.0)
        for where, chosen in trials.items()
        for name, x in results.items()
    ]
    findings = Findings(
        scores=tuple(score for score, _ in found),
        model=model,
        cases=tuple(case_of(chosen, SCAN, where, {}) for where, chosen in trials.items()),
        shells=tuple(shell for _, shells in found for shell in shells),
    )
    return Checked(findings, views_of(SCAN, WHOLE, trial, results))


def against_scan(question: Question) -> Fidelity:
    """The residual of a result to the scan, and where it is worst.

    Raises:
        UsageError: scan and result do not belong together.
    """
    pair = question.pair()
    op, y, x = pair.acquisition.op, tensor_of(pair.scan), tensor_of(pair.finer)
    scale = scale_of(question.scan.data, question.scan.modality)
    refined = refines_plane(pair.scan, pair.acquisition)
    noise = scan_noise(question.scan, scale, EnhanceSettings(), plane_refined=refined)
    sigma = max(noise, NOISE_FLOOR) * scale.width
    residual = residual_map(op, x, y).numpy() / sigma
    local = np.sqrt(ndimage.gaussian_filter(np.square(residual, dtype=np.float64), WORST_SIGMA_VOX))
    place = np.unravel_index(int(np.argmax(local)), local.shape)
    i, j, k = (float(value) for value in (pair.scan.affine @ [*place, 1])[:3])
    source = replace(pair.scan.source, dtype="float32")
    return Fidelity(
        residual=residual_in_noise_units(op, x, y, sigma),
        worst=float(local[place]),
        worst_mm=(i, j, k),
        map=replace(pair.scan, data=np.asarray(residual, np.float32), source=source),
    )


def rows_of(findings: Findings) -> list[dict[str, object]]:
    """Where, method, PSNR, gains, SSIM and mean absolute error of every score, for a table.

    Gains are those of the whole mask: a region that is drawn may have no interior.
    """
    return [
        {
            "where": s.task,
            "method": s.method,
            PSNR.name: s[PSNR.name],
            "over_cubic_db": findings.gain_db(s, "cubic", PSNR),
            "over_ibp_db": findings.gain_db(s, "ibp", PSNR),
            "ssim": s["ssim"],
            "mae": s["mae"],
        }
        for s in findings.scores
    ]


def write_report(checked: Checked, folder: Path) -> Path:
    """Write the report of a check as `medsr validate` writes its own.

    Args:
        checked: Result of `against_reference`.
        folder: Folder of the report, made where it is missing.

    Returns:
        The page to open.

    Raises:
        OutputError: it can't be written.
    """
    parts = Parts(folder)
    parts.prepare()
    write_views(checked.views, parts.views(WHOLE))
    record: dict[str, object] = {"versions": Record.versions_here(), "model": checked.findings.model, "notice": NOTICE}
    return write_study(Study(checked.findings, views={(SCAN, WHOLE): parts.views(WHOLE)}, record=record), folder)


def _trial(pair: Aligned, truth: Volume) -> Trial:
    mask = foreground_mask(truth.data, truth.modality)
    scale = scale_of(pair.scan.data, pair.scan.modality)
    noise = scan_noise(pair.scan, scale, EnhanceSettings(), plane_refined=refines_plane(pair.scan, pair.acquisition))
    return Trial(truth, pair.scan, pair.acquisition, scale, noise, mask, data_range(truth.data, mask, truth.modality))


def _on_grid_of(reference: Volume, finer: Volume) -> Volume:
    """The reference, or the box of it that has the voxels of `finer`."""
    if np.abs(reference.affine[:3, :3] - finer.affine[:3, :3]).max() > 1e-3 * float(finer.spacing_mm.min()):
        raise UsageError(
            f"the reference has {_times(reference)} mm, the result {_times(finer)} mm; "
            'enhance with the voxel size "as in another layer", the reference, to compare them'
        )
    first = (np.linalg.inv(reference.affine) @ finer.affine[:, 3])[:3]
    start = np.rint(first).astype(int)
    stop = start + finer.shape
    if np.abs(first - start).max() > 0.1 or np.any(start < 0) or np.any(stop > reference.shape):
        raise UsageError("the reference does not cover the result voxel by voxel; choose the scan's own truth")
    window = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    return reference.with_data(np.array(reference.data[window]), grids.crop(reference.affine, start))


def _inside(volume: Volume, low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.bool_]:
    inverse = np.linalg.inv(volume.affine)
    corners = np.sort(np.array([(inverse @ [*corner, 1])[:3] for corner in (low, high)]), axis=0)
    start = np.clip(np.floor(corners[0] + 0.5), 0, volume.shape).astype(int)
    stop = np.clip(np.ceil(corners[1] + 0.5), 0, volume.shape).astype(int)
    inside = np.zeros(volume.shape, dtype=np.bool_)
    inside[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]] = True
    return inside


def _times(volume: Volume) -> str:
    return " x ".join(f"{h:.3g}" for h in volume.spacing_mm)
