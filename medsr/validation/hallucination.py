"""What super-resolution could do wrong on one scan: invent, erase, bias a measurement, or hang on a trifle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.posterior import OnProgress
from medsr.enhancement.region import Box, crop
from medsr.enhancement.settings import EnhanceSettings
from medsr.metrics.arrays import rms
from medsr.metrics.blobs import FalseLesions, false_lesions
from medsr.metrics.error import data_range, foreground_mask
from medsr.metrics.patches import flagged_patches
from medsr.metrics.prior import PriorPart, prior_part
from medsr.metrics.tissue import TissueBias, tissue_bias
from medsr.model.intensity import scale_of
from medsr.model.weights import Model
from medsr.physics.acquisition import Acquisition
from medsr.physics.tasks import Task, degrade
from medsr.validation.baselines import METHODS
from medsr.validation.lesions import CONTRASTS, LesionFinding, NullLesion, lesion_findings, null_lesion
from medsr.validation.methods import COMPARED
from medsr.validation.nodules import choose_nodules, nodule_height, part_with_lung
from medsr.validation.patterns import PatternFinding, pattern_findings, phantom_of
from medsr.validation.planting import DIAMETERS_MM, choose_lesions, tissue_contrast
from medsr.volume import Volume

RestoreScan = Callable[[Volume, Acquisition], NDArray[np.float32]]
"""A low-resolution scan and how it was acquired to the result, (I, J, K) in the scan's unit."""

SIDE_VOX = 96  # of the part of a scan that is looked at: dozens of results are needed
NOISE_SHARE = 0.005  # of R: the small noise of the stability test
SHIFT_SAMPLES = 0.25


@dataclass(frozen=True)
class Stability:
    """How a result changes with what should not matter.

    Attributes:
        noise_gain: Change of the result over the noise that was added to the scan, both root mean square.
        shift_change: Change under slices that start a quarter of a slice later, over R; NaN in a scan too thin for it.
        shift_error: Error of the result in the same voxels, over R, for comparison.
        flip_change: Largest change over the three axes when the scan is flipped, and the result flipped back, over R.
    """

    noise_gain: float
    shift_change: float
    shift_error: float
    flip_change: float


@dataclass(frozen=True)
class HallucinationTests:
    """One method on one scan under one task.

    Attributes:
        scan: Name of the reference.
        task: Name of the task.
        method: Name of the method.
        lesions: Planted lesions by size and contrast; in a CT that shows lung, nodules in it as well.
        patterns: What became of bars, crosses and letters; empty where there was no room for them.
        false_lesions: Blobs that the reference does not have, by size.
        null_lesion: Response to lesions that the scanner can't see; None where none could be planted.
        prior: Unmeasured part of the result.
        tissues: Volume bias by tissue.
        flagged: Number of patches that contradict the reference in the measured band.
        patches: Number of all patches.
        stability: Change under noise, shift and flips.
    """

    scan: str
    task: str
    method: str
    lesions: tuple[LesionFinding, ...]
    patterns: tuple[PatternFinding, ...]
    false_lesions: tuple[FalseLesions, ...]
    null_lesion: NullLesion | None
    prior: PriorPart
    tissues: tuple[TissueBias, ...]
    flagged: int
    patches: int
    stability: Stability

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)


def restorers(
    model: Model | None,
    settings: EnhanceSettings,
    names: Sequence[str] = COMPARED,
    on_progress: OnProgress | None = None,
) -> dict[str, RestoreScan]:
    """The methods of those names: baselines, "mean" and "sample"; the learned ones only where there is a model."""
    found: dict[str, RestoreScan] = {}
    for name in names:
        if name in METHODS:
            found[name] = _baseline(name)
        elif model is not None:
            chosen = replace(settings, mode="mean" if name == "mean" else "sample")
            found[name] = _learned(model, chosen, on_progress)
    return found


def hallucination_tests(
    scan: str,
    reference: Volume,
    task: Task,
    methods: Mapping[str, RestoreScan],
    seed: int = 0,
    contrasts: Sequence[float] = CONTRASTS,
    side_vox: int = SIDE_VOX,
) -> tuple[HallucinationTests, ...]:
    """Every hallucination test on the middle of one scan, and nodules where a CT holds the most lung, for every method.

    Args:
        scan: Name of the reference.
        reference: High-resolution scan.
        task: Task that degrades it.
        methods: Methods of `restorers`.
        seed: Random seed for the places of lesions and for noise.
        contrasts: Contrasts of the lesions.
        side_vox: Largest side of the part that is looked at.

    Raises:
        InputError: the part holds no body, or shows fewer than three intensities.
        UsageError: it is too coarse or too small for the task.
    """
    turned = reference.to_ras()
    part, with_lung = central(turned, side_vox), part_with_lung(turned, side_vox)
    found = [_tested(scan, part, task, name, restore, seed, contrasts) for name, restore in methods.items()]
    if with_lung is None:
        return tuple(found)
    return tuple(
        replace(tests, lesions=(*tests.lesions, *_nodules(tests.method, *with_lung, task, methods[tests.method], seed)))
        for tests in found
    )


def central(reference: Volume, side_vox: int) -> Volume:
    """The middle of a scan, at most `side_vox` voxels a side."""
    sizes = [min(n, side_vox) for n in reference.shape]
    i, j, k = ((n - size) // 2 for n, size in zip(reference.shape, sizes, strict=True))
    return crop(reference, Box((i, j, k), (i + sizes[0], j + sizes[1], k + sizes[2])))


def stability(
    reference: Volume, task: Task, restore: RestoreScan, mask: NDArray[np.bool_], R: float, seed: int = 0
) -> Stability:
    """Change of the result under small noise, a quarter-slice shift and flips (Antun et al. 2020, section 2).

    Args:
        reference: High-resolution scan in RAS order.
        task: Task that degrades it.
        restore: Method to test.
        mask: Voxels that count, (I, J, K) bool.
        R: Data range.
        seed: Random seed for the noise.
    """
    scan, acquisition = degrade(reference, task, seed)
    plain = restore(scan, acquisition)
    noise = NOISE_SHARE * R * np.random.default_rng(seed).standard_normal(scan.shape)
    noisy = restore(scan.with_data((scan.data + noise).astype(np.float32)), acquisition)
    shifted, kept = _shifted(reference, task, restore, acquisition, seed)
    flips = [_flipped(scan, acquisition, restore, axis) for axis in range(3)]
    return Stability(
        noise_gain=rms((noisy - plain)[mask]) / rms(noise),
        shift_change=rms((shifted - plain)[mask & kept]) / R,
        shift_error=rms((plain - reference.data)[mask & kept]) / R,
        flip_change=max(rms((flip - plain)[mask]) for flip in flips) / R,
    )


def _tested(
    scan: str, part: Volume, task: Task, name: str, restore: RestoreScan, seed: int, contrasts: Sequence[float]
) -> HallucinationTests:
    mask = foreground_mask(part.data, part.modality)
    R = data_range(part.data, mask, part.modality)
    degraded, acquisition = degrade(part, task, seed)
    x = restore(degraded, acquisition)
    axes = [axis for axis, changed in enumerate(acquisition.degraded) if changed]
    flagged, patches = flagged_patches(x, part.data, mask, axes, acquisition.coarse_shape)

    def remade(reference: Volume) -> NDArray[np.float32]:
        return restore(*degrade(reference, task, seed))

    lesions = choose_lesions(part, mask, seed, axis=acquisition.coarsest_axis)
    unit = tissue_contrast(part, mask)
    return HallucinationTests(
        scan=scan,
        task=task.name,
        method=name,
        lesions=lesion_findings(name, remade, part, acquisition, lesions, unit, contrasts) if lesions else (),
        patterns=_patterns(part, mask, task, acquisition, restore, seed),
        false_lesions=tuple(
            false_lesions(x, part.data, mask, part.spacing_mm.tolist(), diameter) for diameter in DIAMETERS_MM
        ),
        null_lesion=null_lesion(name, remade, part, acquisition, lesions, unit) if lesions else None,
        prior=prior_part(x, part.data, mask, acquisition.op.measured),
        tissues=tissue_bias(x, part.data, mask, part.modality, float(np.prod(part.spacing_mm))),
        flagged=flagged,
        patches=patches,
        stability=stability(part, task, restore, mask, R, seed),
    )


def _nodules(
    name: str, part: Volume, lung: NDArray[np.bool_], task: Task, restore: RestoreScan, seed: int
) -> tuple[LesionFinding, ...]:
    _, acquisition = degrade(part, task, seed)
    nodules = choose_nodules(part, lung, acquisition, seed)
    if not nodules:
        return ()
    unit = tissue_contrast(part, foreground_mask(part.data, part.modality))
    contrasts = (nodule_height(part, lung) / unit,)
    return lesion_findings(
        name, lambda whole: restore(*degrade(whole, task, seed)), part, acquisition, nodules, unit, contrasts
    )


def _patterns(
    part: Volume, mask: NDArray[np.bool_], task: Task, acquisition: Acquisition, restore: RestoreScan, seed: int
) -> tuple[PatternFinding, ...]:
    phantom = phantom_of(part, mask, acquisition)
    if phantom is None:
        return ()
    degraded, _ = degrade(phantom.volume, task, seed)
    return pattern_findings(phantom, degraded, acquisition.op, restore(degraded, acquisition))


def _shifted(
    reference: Volume, task: Task, restore: RestoreScan, acquisition: Acquisition, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The result for slices that start later by whole fine voxels, moved back, and where it does not wrap around."""
    steps = [max(1, round(SHIFT_SAMPLES * f)) if f > 1 else 0 for f in acquisition.factors]
    kept = np.ones(reference.shape, dtype=bool)
    for axis, (step, n) in enumerate(zip(steps, reference.shape, strict=True)):
        if step:
            index = np.arange(n).reshape([-1 if k == axis else 1 for k in range(3)])
            margin = 2 * int(np.ceil(acquisition.factors[axis]))
            kept &= (index >= margin + step) & (index < n - margin - step)
    rolled = reference.with_data(np.roll(reference.data, [-s for s in steps], axis=(0, 1, 2)))
    return np.roll(restore(*degrade(rolled, task, seed)), steps, axis=(0, 1, 2)), kept


def _flipped(scan: Volume, acquisition: Acquisition, restore: RestoreScan, axis: int) -> NDArray[np.float32]:
    turned = scan.with_data(np.ascontiguousarray(np.flip(scan.data, axis)))
    return np.flip(restore(turned, acquisition), axis)


def _baseline(name: str) -> RestoreScan:
    def restore(scan: Volume, acquisition: Acquisition) -> NDArray[np.float32]:
        scale = scale_of(scan.data, scan.modality)
        y = scale.to_model(torch.from_numpy(np.array(scan.data)))
        return np.asarray(scale.from_model(METHODS[name](acquisition.op, y, 0.0)).numpy(), dtype=np.float32)

    return restore


def _learned(model: Model, settings: EnhanceSettings, on_progress: OnProgress | None) -> RestoreScan:
    def restore(scan: Volume, acquisition: Acquisition) -> NDArray[np.float32]:
        return np.asarray(enhance(scan, model, settings, acquisition, on_progress).volume.data)

    return restore
