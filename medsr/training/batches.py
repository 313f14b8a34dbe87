"""Batches of degraded patches: the same step gives the same batch, whenever and wherever it is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from medsr.conditioning import (
    anatomy_maps,
    expected_detail,
    joined_maps,
    roughness,
    scan_conditions,
    slice_phases,
)
from medsr.errors import InputError
from medsr.ops import AxisSampling, Separable
from medsr.ops.noise import add_gaussian, add_rician
from medsr.training.draws import (
    IntensityDraw,
    LesionDraw,
    ScannerDraw,
    draw_intensity,
    draw_lesions,
    draw_scanner,
    draw_turn,
)
from medsr.training.packs import PackedScan

BLOCK = 8  # patches are centred in blocks of this side, chosen by how much detail they hold
FOREGROUND = 0.05  # of the model range: blocks darker than this are air
LESION_WEIGHT = 6.0  # in the loss, of voxels within half a coarse voxel of a planted lesion: they are few
COARSER = (1.0, 1.25, 1.6)  # each scan is also used area-averaged by these factors: sharper for its spacing
COARSER_SHARES = (0.5, 0.3, 0.2)
COARSEST_MM = 1.5
GROUP_SHARES = {"MR3": 0.32, "MR2": 0.58, "CT": 0.1}
CONTRAST_WEIGHTS = {"T1w": 0.5}  # within a group, 1 for all others: T1w is learnt soonest


@dataclass(frozen=True)
class TrainingScan:
    """A scan in the model range at one resolution, with where its patches should lie.

    Attributes:
        group: "MR3" (three fine axes), "MR2" (slices) or "CT".
        weight: how often it is drawn, relative to the others of its group.
        data: (I, J, K) float32, model range.
        spacing_mm: voxel spacing.
        degradable: axes that may be degraded.
        modality: "MR" or "CT".
        centres: (N, 3) block centres in voxels.
        shares: (N,) probability of each.
    """

    group: str
    weight: float
    data: Tensor
    spacing_mm: tuple[float, float, float]
    degradable: tuple[bool, bool, bool]
    modality: str
    centres: NDArray[np.int64]
    shares: NDArray[np.float64]


@dataclass(frozen=True)
class Batch:
    """Degraded patches, ready for the loss; kept small, since other processes make them for a GPU.

    Attributes:
        detail: (B, 1, I, J, K) true detail in units of the expected one.
        anatomy: (B, N_ANATOMY, I, J, K) of `conditioning.anatomy_maps`.
        phases: per axis (B, 2, n) of `conditioning.slice_phases`.
        scan: (B, N_SCAN_CONDITIONS) of `conditioning.scan_conditions`.
        weight: (B, 1, I, J, K) what a voxel counts in the loss, more near planted lesions.
    """

    detail: Tensor
    anatomy: Tensor
    phases: tuple[Tensor, Tensor, Tensor]
    scan: Tensor
    weight: Tensor

    @property
    def maps(self) -> Tensor:
        """(B, N_MAPS - 1, I, J, K) of `conditioning.scan_maps`."""
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


def training_scans(scans: Sequence[PackedScan]) -> list[list[TrainingScan]]:
    """Each scan at its own and at coarser resolutions, coarser ones area-averaged along the degradable axes."""
    return [
        [_training_scan(scan, coarser) for coarser in COARSER if coarser == 1 or _worth(scan, coarser)]
        for scan in scans
    ]


def make_batch(
    scans: Sequence[Sequence[TrainingScan]],
    step_seed: tuple[int, int],
    count: int,
    shape: tuple[int, int, int],
    variety: float,
) -> Batch:
    """The batch of one step, drawn from its own generator.

    A cube gets any acquisition. A slab, whose sides differ, gets thick slices: the longest side lies across them, the
    shortest along the coarser of the other axes, and all patches are turned to one order of axes.

    Args:
        scans: of `training_scans`.
        step_seed: (seed of the run, number of the step).
        count: patches.
        shape: (long, middle, short) sides of the patches in voxels.
        variety: see `draws.draw_scanner`; also the share of patches with a changed contrast.
    """
    rng = np.random.default_rng(step_seed)
    order = None if len(set(shape)) == 1 else draw_turn(rng)[0]
    patches = [_draw_patch(scans, rng, shape, order, variety) for _ in range(count)]
    return _joined(patches)


def degraded(
    x: Tensor, scanner: ScannerDraw, spacing_mm: tuple[float, float, float], modality: str, seed: int
) -> tuple[Tensor, Separable, Tensor]:
    """A window seen by a drawn scanner: its plain start, the operator, and the numbers for the network.

    Args:
        x: (1, 1, I, J, K) in the model range.
        scanner: the drawn acquisition.
        spacing_mm: of x.
        modality: "MR" gets Rician, "CT" Gaussian noise.
        seed: of the noise.
    """
    i, j, k = x.shape[-3:]
    op = scanner.operator((i, j, k))
    y = op(x)
    if scanner.noise_sigma > 0:
        generator = torch.Generator(x.device).manual_seed(seed)
        add = add_gaussian if modality == "CT" else add_rician
        y = add(y, scanner.noise_sigma, generator)
    start = op.start(y, roughness(scanner.noise_sigma))
    return start, op, scan_conditions(op, spacing_mm, scanner.noise_sigma)[None].to(x.device)


def with_lesions(
    x: Tensor,
    lesions: Sequence[LesionDraw],
    spacing_mm: tuple[float, float, float],
    reach_mm: tuple[float, float, float],
) -> tuple[Tensor, Tensor]:
    """The window with soft ellipsoids added, but for those that would lie in air, and what each voxel then counts.

    Args:
        x: (I, J, K) in the model range.
        lesions: of `draws.draw_lesions`.
        spacing_mm: of x.
        reach_mm: per axis, how far around a lesion voxels count more.

    Returns:
        Window and weights, (I, J, K).
    """
    weight = torch.ones_like(x)
    for lesion in lesions:
        centre = [min(int(share * n), n - 1) for share, n in zip(lesion.place, x.shape, strict=True)]
        if float(x[centre[0], centre[1], centre[2]]) > FOREGROUND:
            x = x + lesion.height * _ellipsoid(x, centre, lesion, spacing_mm)
            i, j, k = (axis + 2 * reach for axis, reach in zip(lesion.axes_mm, reach_mm, strict=True))
            near = _ellipsoid(x, centre, replace(lesion, axes_mm=(i, j, k)), spacing_mm) > 0.5
            weight = torch.where(near, LESION_WEIGHT, weight)
    return x, weight


def _ellipsoid(x: Tensor, centre: Sequence[int], lesion: LesionDraw, spacing_mm: tuple[float, float, float]) -> Tensor:
    """1 inside, 0 outside, 0.5 where the distance from the centre is half the axis."""
    squares = torch.zeros((), device=x.device)
    for dim, (n, place, h, axis_mm) in enumerate(zip(x.shape, centre, spacing_mm, lesion.axes_mm, strict=True)):
        sides = [n if other == dim else 1 for other in range(3)]
        squares = squares + (((torch.arange(n, device=x.device) - place) * h * 2 / axis_mm) ** 2).reshape(sides)
    edge = lesion.edge_mm * 2 / min(lesion.axes_mm)
    return ((1 - squares.sqrt()) / edge + 0.5).clamp(0, 1)


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


def _draw_patch(
    scans: Sequence[Sequence[TrainingScan]],
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    slab_order: tuple[int, int, int] | None,
    variety: float,
) -> Batch:
    scan = _draw_scan(scans, rng)
    scanner = draw_scanner(rng, scan.spacing_mm, scan.degradable, variety, thick=slab_order is not None)
    ranked = _ranked(scanner, scan.spacing_mm)
    sides = [shape[ranked.index(axis)] for axis in range(3)]
    margins = [0 if axis is None else axis.margin for axis in scanner.axes]
    x, inner = _window(scan, rng, sides, margins)
    if rng.random() < variety:
        x = _contrast_changed(x, draw_intensity(rng, scan.modality))
    a, b, c = (scanner.reach_mm(axis, h) for axis, h in enumerate(scan.spacing_mm))
    x, weight = with_lesions(x, draw_lesions(rng, variety), scan.spacing_mm, (a, b, c))
    noise_seed = int(rng.integers(2**31))
    start, op, numbers = degraded(x[None, None], scanner, scan.spacing_mm, scan.modality, noise_seed)
    place = (..., *inner)
    size = (start.shape[-3], start.shape[-2], start.shape[-1])
    i, j, k = (phase[..., inside] for phase, inside in zip(slice_phases(op, size), inner, strict=True))
    patch = Batch(
        detail=(x[None, None][place] - start[place]) / expected_detail(op),
        anatomy=_anatomy(op, start, scan.spacing_mm, inner),
        phases=(i, j, k),
        scan=numbers,
        weight=weight[None, None][place],
    )
    order, flips = draw_turn(rng)
    if slab_order is not None:
        order = (ranked[slab_order[0]], ranked[slab_order[1]], ranked[slab_order[2]])
    return _turned(patch, order, flips)


def _anatomy(
    op: Separable, start: Tensor, spacing_mm: tuple[float, float, float], inner: tuple[slice, slice, slice]
) -> Tensor:
    """The anatomy maps of a part of the window: a curvature only needs the neighbours."""
    for dim, part in zip((-3, -2, -1), inner, strict=True):
        before, after = min(1, part.start), min(1, start.shape[dim] - part.stop)
        start = start.narrow(dim, part.start - before, part.stop - part.start + before + after)
    maps = anatomy_maps(op, start, spacing_mm)
    for dim, part in zip((-3, -2, -1), inner, strict=True):
        maps = maps.narrow(dim, min(1, part.start), part.stop - part.start)
    return maps


def _ranked(scanner: ScannerDraw, spacing_mm: tuple[float, float, float]) -> list[int]:
    """Axes from the thickest slices to none, and from fine to coarse where there are none."""
    return sorted(range(3), key=lambda axis: (-(a.factor if (a := scanner.axes[axis]) else 1.0), spacing_mm[axis]))


def _contrast_changed(x: Tensor, change: IntensityDraw) -> Tensor:
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


def _draw_scan(scans: Sequence[Sequence[TrainingScan]], rng: np.random.Generator) -> TrainingScan:
    groups = sorted({versions[0].group for versions in scans})
    shares = np.array([GROUP_SHARES[group] for group in groups])
    group = groups[int(rng.choice(len(groups), p=shares / shares.sum()))]
    members = [versions for versions in scans if versions[0].group == group]
    weights = np.array([versions[0].weight for versions in members])
    versions = members[int(rng.choice(len(members), p=weights / weights.sum()))]
    shares = np.array(COARSER_SHARES[: len(versions)])
    return versions[int(rng.choice(len(versions), p=shares / shares.sum()))]


def _window(
    scan: TrainingScan, rng: np.random.Generator, sides: Sequence[int], margins: Sequence[int]
) -> tuple[Tensor, tuple[slice, slice, slice]]:
    """A window with margins around a patch, reflected where the scan is too thin, and the patch's place in it."""
    centre = scan.centres[int(rng.choice(len(scan.centres), p=scan.shares))] + rng.integers(-BLOCK // 2, BLOCK // 2, 3)
    data, inner = scan.data, []
    for dim, (patch, margin) in enumerate(zip(sides, margins, strict=True)):
        n, side = data.shape[dim], patch + 2 * margin
        if n < side:
            data = _reflected(data, dim, side)
            start, offset = 0, int(rng.integers(0, side - patch + 1)) if margin == 0 else margin
        else:
            start = int(np.clip(centre[dim] - side // 2, 0, n - side))
            offset = int(np.clip(centre[dim] - patch // 2 - start, 0, side - patch))
        data = data.narrow(dim, start, side)
        inner.append(slice(offset, offset + patch))
    return data, (inner[0], inner[1], inner[2])


def _reflected(data: Tensor, dim: int, side: int) -> Tensor:
    """The scan continued along `dim` by mirror images until it has `side` voxels."""
    n = data.shape[dim]
    index = np.abs((np.arange(side) - (side - n) // 2) % (2 * n - 2))
    index = np.where(index < n, index, 2 * n - 2 - index)
    return data.index_select(dim, torch.from_numpy(index))


def _training_scan(scan: PackedScan, coarser: float) -> TrainingScan:
    x = scan.scale.to_model(torch.from_numpy(scan.data.astype(np.float32)))
    spacing = list(scan.spacing_mm)
    if coarser != 1:
        axes: list[AxisSampling | None] = [None, None, None]
        for axis in range(3):
            if scan.degradable[axis]:
                n = x.shape[axis]
                axes[axis] = AxisSampling(n, round(n / coarser), "box", n / round(n / coarser))
                spacing[axis] *= n / round(n / coarser)
        x = Separable((axes[0], axes[1], axes[2]))(x)
    group = "CT" if scan.modality == "CT" else ("MR3" if all(scan.degradable) else "MR2")
    weight = CONTRAST_WEIGHTS.get(scan.name.rpartition("_")[2], 1.0)
    centres, shares = _patch_centres(x)
    a, b, c = spacing
    return TrainingScan(group, weight, x.contiguous(), (a, b, c), scan.degradable, scan.modality, centres, shares)


def _worth(scan: PackedScan, coarser: float) -> bool:
    return max(h for h, fine in zip(scan.spacing_mm, scan.degradable, strict=True) if fine) * coarser <= COARSEST_MM


def _patch_centres(x: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Block centres in the foreground, half by area and half by the detail they hold."""
    volume = x[None, None]
    sides = [min(BLOCK, n) for n in x.shape]
    smooth = F.avg_pool3d(volume, 3, stride=1, padding=1, count_include_pad=False)
    detail = F.avg_pool3d((volume - smooth) ** 2, sides, ceil_mode=True)[0, 0].sqrt()
    bright = F.avg_pool3d(volume, sides, ceil_mode=True)[0, 0] > FOREGROUND
    blocks = torch.nonzero(bright)
    if len(blocks) == 0:
        raise InputError("a training scan holds nothing brighter than air; leave it out of the packs")
    energy = detail[bright].double().numpy()
    shares = 0.5 / len(blocks) + 0.5 * energy / energy.sum()
    side = torch.tensor(sides)
    return (blocks * side + side // 2).numpy(), shares / shares.sum()
