"""Batches of degraded patches: the same step gives the same batch, whenever and wherever it is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medsr.diffusion.process import Models
from medsr.model.conditioning import (
    anatomy_maps,
    joined_maps,
    origin_and_unit,
    roughness,
    scan_conditions,
    slice_phases,
)
from medsr.physics.ops import Separable
from medsr.physics.ops.noise import add_gaussian, add_rician
from medsr.training.degradations import (
    ContrastParameters,
    ScannerParameters,
    sample_contrast,
    sample_lesions,
    sample_scanner,
    sample_stage_scanner,
    sample_symmetry,
)
from medsr.training.extras import NO_EXTRAS, Extras, happens
from medsr.training.flaws import NONE, Flaws, correlated, sample_flaws, softened, with_slices
from medsr.training.planting import with_lesions
from medsr.training.scans import TrainingScan, choose_scan, window
from medsr.training.stages import NO_STAGE, Stage, coarsened, sample_stage
from medsr.training.synthetic import synthetic


@dataclass(frozen=True)
class Batch:
    """Degraded patches, ready for the loss; kept small, since other processes make them for a GPU.

    Attributes:
        detail: (B, 1, I, J, K) true state: the detail in units of the expected one, or the scan in its own.
        anatomy: (B, N_ANATOMY, I, J, K) maps from `conditioning.anatomy_maps`.
        phases: Per axis (B, 2, n) from `conditioning.slice_phases`.
        scan: (B, N_SCAN_CONDITIONS) numbers from `conditioning.scan_conditions`.
        weight: (B, 1, I, J, K) weight of each voxel in the loss, larger near planted lesions.
    """

    detail: Tensor
    anatomy: Tensor
    phases: tuple[Tensor, Tensor, Tensor]
    scan: Tensor
    weight: Tensor

    @property
    def maps(self) -> Tensor:
        """(B, N_MAPS - 1, I, J, K) maps, as from `conditioning.scan_maps`."""
        return joined_maps(self.anatomy, self.phases)

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device; a pinned one is copied while the device goes on working."""
        return self._mapped(lambda part: part.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """The same batch in memory that a device copies from by itself."""
        return self._mapped(Tensor.pin_memory)

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Batch:
        i, j, k = (change(phase) for phase in self.phases)
        detail, anatomy, scan, weight = (change(part) for part in (self.detail, self.anatomy, self.scan, self.weight))
        return Batch(detail, anatomy, (i, j, k), scan, weight)


def make_batch(
    scans: Sequence[Sequence[TrainingScan]],
    step_seed: tuple[int, int],
    count: int,
    shape: tuple[int, int, int],
    variety: float,
    extras: Extras = NO_EXTRAS,
    models: Models = "detail",
) -> Batch:
    """The batch of one step, random by a generator of its own.

    A cube gets any acquisition. A slab, whose sides differ, gets thick slices: the longest side lies across them, the
    shortest along the coarser of the other axes, and all patches are turned to one order of axes.

    Args:
        scans: Result of `training_scans`.
        step_seed: (seed of the run, number of the step).
        count: Number of patches.
        shape: (long, middle, short) sides of the patches in voxels.
        variety: Share of patches with a random acquisition (see `sample_scanner`), and of those with another contrast.
        extras: What patches hold beyond an ideal acquisition of a scan.
        models: What the state is (`Process.models`).
    """
    rng = np.random.default_rng(step_seed)
    order = None if len(set(shape)) == 1 else sample_symmetry(rng)[0]
    patches = [_sample_patch(scans, rng, shape, order, variety, extras, models) for _ in range(count)]
    return _joined(patches)


def degraded(
    x: Tensor,
    scanner: ScannerParameters,
    spacing_mm: tuple[float, float, float],
    modality: str,
    seed: int,
    flaws: Flaws = NONE,
) -> tuple[Tensor, Separable, Tensor]:
    """A window seen by a scanner: its IBP estimate, the operator, and the numbers for the network.

    Args:
        x: (1, 1, I, J, K) in the model range.
        scanner: Parameters of the acquisition, as the network is told them.
        spacing_mm: Voxel spacing of x.
        modality: "MR" gets Rician, "CT" Gaussian noise.
        seed: Random seed of the noise.
        flaws: What differs from an ideal acquisition; the softness of the truth is not among it (`flaws.softened`).
    """
    i, j, k = x.shape[-3:]
    op = scanner.operator((i, j, k))
    y = (flaws.seen or scanner).operator((i, j, k))(x)
    slices = int(np.argmax([h * n / m for h, n, m in zip(spacing_mm, x.shape[-3:], y.shape[-3:], strict=True)]))
    y = with_slices(y, flaws, slices)
    if scanner.noise_sigma > 0:
        generator = torch.Generator(x.device).manual_seed(seed)
        add = add_gaussian if modality == "CT" else add_rician
        noisy = add(y, scanner.noise_sigma, generator)
        y = noisy if flaws.correlated_vox == 0 else y + correlated(noisy - y, flaws, slices)
    ibp = op.ibp(y, roughness(scanner.noise_sigma))
    return ibp, op, scan_conditions(op, spacing_mm, scanner.noise_sigma)[None].to(x.device)


def _joined(patches: Sequence[Batch]) -> Batch:
    """Batches of one as one batch, its maps in the type that the network computes in."""
    i, j, k = (torch.cat([patch.phases[axis] for patch in patches]).bfloat16() for axis in range(3))
    return Batch(
        detail=torch.cat([patch.detail for patch in patches]),
        anatomy=torch.cat([patch.anatomy for patch in patches]).bfloat16(),
        phases=(i, j, k),
        scan=torch.cat([patch.scan for patch in patches]),
        weight=torch.cat([patch.weight for patch in patches]),
    )


def _sample_patch(
    scans: Sequence[Sequence[TrainingScan]],
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    slab_order: tuple[int, int, int] | None,
    variety: float,
    extras: Extras,
    models: Models,
) -> Batch:
    scan = choose_scan(scans, rng)
    stage, scanner = _sample_acquisition(scan, rng, variety, slab_order is not None, extras)
    spacing_mm = stage.spacing_mm(scan.spacing_mm)
    ranked = _ranked(scanner, spacing_mm)
    sides = [shape[ranked.index(axis)] for axis in range(3)]
    margins = [0 if axis is None else axis.margin for axis in scanner.axes]
    x, inner = window(scan, rng, stage.on_scan(sides), stage.on_scan(margins))
    if happens(rng, variety * extras.synthetic):
        x = synthetic(rng, (x.shape[0], x.shape[1], x.shape[2]))
    x, inner = coarsened(x, inner, stage)
    if rng.random() < variety:
        x = _contrast_changed(x, sample_contrast(rng, scan.modality))
    flaws = sample_flaws(rng, extras, scanner, variety)
    x = softened(x, flaws, scan.degradable)
    a, b, c = (scanner.reach_mm(axis, h) for axis, h in enumerate(spacing_mm))
    x, weight = with_lesions(x, sample_lesions(rng, variety), spacing_mm, (a, b, c))
    noise_seed = int(rng.integers(2**31))
    ibp, op, numbers = degraded(x[None, None], scanner, spacing_mm, scan.modality, noise_seed, flaws)
    place = (..., *inner)
    size = (ibp.shape[-3], ibp.shape[-2], ibp.shape[-1])
    i, j, k = (phase[..., inside] for phase, inside in zip(slice_phases(op, size), inner, strict=True))
    origin, unit = origin_and_unit(models, op, ibp[place])
    patch = Batch(
        detail=(x[None, None][place] - origin) / unit,
        anatomy=_anatomy(op, ibp, spacing_mm, inner),
        phases=(i, j, k),
        scan=numbers,
        weight=weight[None, None][place],
    )
    order, flips = sample_symmetry(rng)
    if slab_order is not None:
        order = (ranked[slab_order[0]], ranked[slab_order[1]], ranked[slab_order[2]])
    return _turned(patch, order, flips)


def _sample_acquisition(
    scan: TrainingScan, rng: np.random.Generator, variety: float, thick: bool, extras: Extras
) -> tuple[Stage, ScannerParameters]:
    """The grid that the truth of a patch lies on, and how it is acquired."""
    if happens(rng, variety * extras.stages):
        stage = sample_stage(rng, scan.degradable)
        return stage, sample_stage_scanner(rng, stage.axis)
    return NO_STAGE, sample_scanner(rng, scan.spacing_mm, scan.degradable, variety, thick, extras.full_range)


def _anatomy(
    op: Separable, ibp: Tensor, spacing_mm: tuple[float, float, float], inner: tuple[slice, slice, slice]
) -> Tensor:
    """The anatomy maps of a part of the window: a curvature only needs the neighbours."""
    for dim, part in zip((-3, -2, -1), inner, strict=True):
        before, after = min(1, part.start), min(1, ibp.shape[dim] - part.stop)
        ibp = ibp.narrow(dim, part.start - before, part.stop - part.start + before + after)
    maps = anatomy_maps(op, ibp, spacing_mm)
    for dim, part in zip((-3, -2, -1), inner, strict=True):
        maps = maps.narrow(dim, min(1, part.start), part.stop - part.start)
    return maps


def _ranked(scanner: ScannerParameters, spacing_mm: tuple[float, float, float]) -> list[int]:
    """Axes from the thickest slices to none, and from fine to coarse where there are none."""
    return sorted(range(3), key=lambda axis: (-(a.factor if (a := scanner.axes[axis]) else 1.0), spacing_mm[axis]))


def _contrast_changed(x: Tensor, change: ContrastParameters) -> Tensor:
    if change.power != 1:
        x = x.clamp_min(0) ** change.power
    return change.gain * x + change.offset


def _turned(patch: Batch, order: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> Batch:
    """Apply one symmetry of the cube to all parts alike."""
    dims = [axis + 2 for axis in order]
    flipped = [axis + 2 for axis in range(3) if flips[axis]]
    detail, anatomy, weight = (
        part.permute(0, 1, *dims).flip(flipped) for part in (patch.detail, patch.anatomy, patch.weight)
    )
    i, j, k = (_phase_turned(patch.phases[axis], flip) for axis, flip in zip(order, flips, strict=True))
    return Batch(
        detail=detail,
        anatomy=torch.cat([anatomy[:, :1], anatomy[:, 1:][:, list(order)]], dim=1),
        phases=(i, j, k),
        scan=torch.cat([patch.scan[:, :9].reshape(1, 3, 3)[:, list(order)].flatten(1), patch.scan[:, 9:]], dim=1),
        weight=weight,
    )


def _phase_turned(phase: Tensor, flip: bool) -> Tensor:
    """Cosine and sine (B, 2, n) seen from the other end: the sine changes its sign."""
    return torch.stack([phase[:, 0].flip(-1), -phase[:, 1].flip(-1)], dim=1) if flip else phase
