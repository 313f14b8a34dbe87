"""The scans that patches are cut from, at several resolutions: the choice of a scan, and where patches lie in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from medsr.errors import InputError
from medsr.physics.ops import AxisSampling, Separable
from medsr.training.packs import PackedScan

BLOCK = 8  # patches are centred in blocks of this side, chosen by how much detail they hold
FOREGROUND = 0.05  # of the model range: blocks darker than this are air
COARSER = (1.0, 1.25, 1.6)  # each scan is also used area-averaged by these factors: sharper for its spacing
COARSER_SHARES = (0.5, 0.3, 0.2)
COARSEST_MM = 1.5
GROUP_SHARES = {"MR3": 0.32, "MR2": 0.58, "CT": 0.1}
CONTRAST_WEIGHTS = {"T1w": 0.5}  # within a group, 1 for all others: T1w is learnt soonest


@dataclass(frozen=True)
class TrainingScan:
    """A scan in the model range at one resolution, with where its patches should lie.

    Attributes:
        group: "MR3" (3D MR, three fine axes), "MR2" (2D MR, slices) or "CT".
        weight: Probability of the scan relative to the others of its group.
        data: (I, J, K) float32, model range.
        spacing_mm: Voxel spacing.
        degradable: Axes that may be degraded.
        modality: "MR" or "CT".
        centres: (N, 3) block centres in voxels.
        shares: (N,) probability of each centre.
    """

    group: str
    weight: float
    data: Tensor
    spacing_mm: tuple[float, float, float]
    degradable: tuple[bool, bool, bool]
    modality: str
    centres: NDArray[np.int64]
    shares: NDArray[np.float64]


def training_scans(scans: Sequence[PackedScan]) -> list[list[TrainingScan]]:
    """Each scan at its own and at coarser resolutions, coarser ones area-averaged along the degradable axes."""
    return [
        [_training_scan(scan, coarser) for coarser in COARSER if coarser == 1 or _worth(scan, coarser)]
        for scan in scans
    ]


def choose_scan(scans: Sequence[Sequence[TrainingScan]], rng: np.random.Generator) -> TrainingScan:
    """A random scan at a random resolution: the group first, a member of it, then the resolution, each by its share."""
    groups = sorted({versions[0].group for versions in scans})
    shares = np.array([GROUP_SHARES[group] for group in groups])
    group = groups[int(rng.choice(len(groups), p=shares / shares.sum()))]
    members = [versions for versions in scans if versions[0].group == group]
    weights = np.array([versions[0].weight for versions in members])
    versions = members[int(rng.choice(len(members), p=weights / weights.sum()))]
    shares = np.array(COARSER_SHARES[: len(versions)])
    return versions[int(rng.choice(len(versions), p=shares / shares.sum()))]


def window(
    scan: TrainingScan, rng: np.random.Generator, sides: Sequence[int], margins: Sequence[int]
) -> tuple[Tensor, tuple[slice, slice, slice]]:
    """A window with margins around a patch, reflected where the scan is too thin, and the patch's place in it.

    Args:
        scan: Scan that the window is cut from.
        rng: Generator that chooses the place.
        sides: Sides of the patch in voxels.
        margins: Voxels on each side of the patch.
    """
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
