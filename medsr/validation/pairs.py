"""A real pair as a trial: a low-resolution scan in the unit of a high-resolution one, which is the reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medsr.enhancement.noise import refines_plane, scan_noise
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import UsageError
from medsr.metrics.artefacts import shift_mm
from medsr.metrics.error import data_range, foreground_mask
from medsr.model.intensity import scale_of
from medsr.physics.acquisition import Acquisition
from medsr.physics.profiles import ProfileChoice
from medsr.registration.intensities import Line, line_onto
from medsr.registration.rigid import register
from medsr.validation.pair_grids import paired, turn_deg
from medsr.validation.scores import NAN, PairFit
from medsr.validation.trial import Trial
from medsr.volume import Volume

LEAST_CORRELATION = 0.85  # of A x and y in the mask: below it the two scans show different things


def pair_trial(
    low: Volume,
    high: Volume,
    scan: str,
    task: str,
    settings: EnhanceSettings,
    profile: ProfileChoice = "auto",
    thickness_mm: float | None = None,
    *,
    registered: bool = True,
) -> tuple[Trial, PairFit]:
    """A real pair as a trial: the low-resolution scan in the unit of the other, which is the reference.

    Two MR protocols differ in scale and offset. One line for all methods, fitted on the coarse grid alone (see
    `PairFit`), takes that out before anything is restored; the methods themselves turn with such a line.

    Args:
        low: Low-resolution scan.
        high: High-resolution scan.
        scan: Name of the pair.
        task: Name for what is asked of it.
        settings: Settings with the noise of the low-resolution scan in its own unit; None estimates it.
        profile: Profile of the low-resolution scan's acquisition.
        thickness_mm: Thickness of its slices, None for what the headers say.
        registered: Whether the two are in one patient frame; else the high-resolution scan is brought there first.

    Raises:
        InputError: the high-resolution scan shows no body, or the two can't be registered.
        UsageError: as `paired`, or the two scans show different things.
    """
    motion = None if registered else register(low, high)
    high = high if motion is None else motion.moved(high)
    pair, interpolated = paired(low, high, profile, thickness_mm)
    truth, op = pair.finer, pair.acquisition.op
    mask = foreground_mask(truth.data, truth.modality) & _away_from_faces(pair.acquisition)
    seen = op(tensor_of(truth)).numpy()
    inside = op(torch.from_numpy(mask.astype(np.float32))).numpy() > 0.5
    line = _line(pair.scan, seen, inside)
    fitted = pair.scan.with_data(line.applied(pair.scan.data))
    off_mm = float(np.linalg.norm(shift_mm(fitted.data, seen, fitted.spacing_mm.tolist(), inside)))
    if not line.correlation >= LEAST_CORRELATION:
        advice = ": register them (yes in the column register), and" if motion is None else " after registration:"
        raise UsageError(
            f"low and high scan correlate by {line.correlation:.2f} where both show the body, and match best "
            f"{off_mm:.1f} mm apart; expected at least {LEAST_CORRELATION:g}{advice} pair scans of one contrast"
        )
    known = settings if settings.noise is None else replace(settings, noise=line.slope * settings.noise)
    scale = scale_of(fitted.data, fitted.modality)
    fit = PairFit(
        scan=scan,
        task=task,
        slope=line.slope,
        offset=line.offset,
        correlation=line.correlation,
        shift_mm=off_mm,
        covered=float(pair.scan.data.size / low.data.size),
        turn_deg=turn_deg(low.to_ras(), high.to_ras()),
        interpolated=interpolated,
        moved_mm=NAN if motion is None else motion.shift_mm,
        moved_deg=NAN if motion is None else motion.turn_deg,
        registration_error_mm=NAN if motion is None else motion.error_mm,
    )
    noise = scan_noise(fitted, scale, known, plane_refined=refines_plane(fitted, pair.acquisition))
    R = data_range(truth.data, mask, truth.modality)
    return Trial(truth, fitted, pair.acquisition, scale, noise, mask, R), fit


def tensor_of(volume: Volume) -> Tensor:
    """Voxels (I, J, K) as a tensor of their own."""
    return torch.from_numpy(np.array(volume.data))


def _away_from_faces(acquisition: Acquisition) -> NDArray[np.bool_]:
    """Where A is that of the real scan: at the faces of the shared part it does not know what lies beyond."""
    kept = np.zeros(acquisition.fine_shape, dtype=np.bool_)
    margins = [int(np.ceil(f)) if f > 1 else 0 for f in acquisition.factors]
    kept[tuple(slice(margin, n - margin) for margin, n in zip(margins, kept.shape, strict=True))] = True
    return kept


def _line(scan: Volume, seen: NDArray[np.float32], inside: NDArray[np.bool_]) -> Line:
    """The line that takes y to the unit of A x; CT keeps its units."""
    y, x = scan.data[inside].astype(np.float64), seen[inside].astype(np.float64)
    if y.size < 2 or np.ptp(y) == 0 or np.ptp(x) == 0:
        raise UsageError(
            "the low scan shows nothing where the high one shows the body; check that they belong together"
        )
    return line_onto(y, x, scan.modality)
