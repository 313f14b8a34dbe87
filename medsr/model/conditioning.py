"""The network's input: maps on the fine grid and a few numbers, made from the operator and the IBP estimate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from medsr.diffusion.denoiser import RawNetwork
from medsr.diffusion.process import Models
from medsr.physics.ops import AxisSampling, Separable
from medsr.physics.ops.matrices import SLICE_PROFILES

Network = Callable[[Tensor, Tensor], Tensor]
"""Maps (B, N_MAPS, I, J, K) and conditions (B, N_CONDITIONS) to (B, 2, I, J, K)."""

N_ANATOMY = 4
FIRST_SINE = 6  # index of the first axis's sine among the maps; two further for each axis

DETAIL_PER_OCTAVE = 0.024  # median detail beyond the IBP estimate per doubling of an axis, measured on training scans
FLAT_DIFFERENCE = 0.1  # typical difference of neighbouring samples in the model range
CENTRE = 0.35  # the inputs are centred here in the model range
SCAN_DEVIATION = 0.3  # of a scan around it
# The curvature must be the loudest input: with all maps alike a network gained 0.03 dB in 150 steps, so 0.29.
CURVATURE_GAIN = 2.0
PHASE_GAIN = 0.1


def expected_detail(op: Separable) -> float:
    """Expected standard deviation of the detail that the IBP estimate misses, in units of the model range.

    Grows with the octaves that an axis lost, axes adding up as variances. On the training scans single patches lie
    within a factor of 2 of it for factors 2 to 9 on one, two or three axes.
    """
    octaves = np.array([np.log2(_factor(axis)) for axis in op.axes])
    return DETAIL_PER_OCTAVE * float(np.sqrt(max(float(octaves @ octaves), 0.25)))


def origin_and_unit(models: Models, op: Separable, ibp: Tensor) -> tuple[Tensor, float]:
    """What a state r of the diffusion stands for, x = origin + unit r: a detail beyond the IBP estimate, or the scan.

    Args:
        models: What the process models.
        op: Operator of the acquisition.
        ibp: IBP estimate (B, 1, I, J, K) in the model range.
    """
    return (torch.full_like(ibp, CENTRE), SCAN_DEVIATION) if models == "scan" else (ibp, expected_detail(op))


def roughness(noise_sigma: float) -> float:
    """The IBP estimate's roughness penalty for white noise of `noise_sigma` in the model range (`Separable.ibp`)."""
    return float(f"{(noise_sigma / FLAT_DIFFERENCE) ** 2:.2g}")


def scan_conditions(op: Separable, spacing_mm: tuple[float, float, float], noise_sigma: float) -> Tensor:
    """Numbers (N_SCAN_CONDITIONS,) near 1 that describe the acquisition to the network.

    Per axis: log2 of the factor, width over coarse spacing minus 1, log2 of the fine spacing in mm; then the noise in
    units of the expected detail, and flags for a flat-topped or k-space profile and for a single degraded axis.

    Args:
        op: Operator of the acquisition.
        spacing_mm: Spacing of the fine grid in mm, per axis.
        noise_sigma: Standard deviation of the scan's noise in the model range.
    """
    values: list[float] = []
    for axis, spacing in zip(op.axes, spacing_mm, strict=True):
        width = axis.fwhm / _factor(axis) - 1.0 if axis is not None and axis.has_width else 0.0
        values += [float(np.log2(_factor(axis))), 4.0 * width, float(np.log2(spacing))]
    noise = noise_sigma / expected_detail(op)
    degraded = [axis for axis in op.axes if axis is not None]
    values += [float(np.log2(noise + 0.05)) / 2 + 1, min(noise, 4.0)]
    values += [float(any(SLICE_PROFILES[axis.profile].is_flat for axis in degraded))]
    values += [float(any(not axis.has_width for axis in degraded)), float(len(degraded) == 1)]
    return torch.tensor(values, dtype=torch.float32)


def scan_maps(op: Separable, ibp: Tensor, spacing_mm: tuple[float, float, float]) -> Tensor:
    """Maps (B, N_MAPS - 1, I, J, K) that do not change while sampling: anatomy, then the slice phases.

    Args:
        op: Operator of the acquisition.
        ibp: IBP estimate (B, 1, I, J, K) in the model range.
        spacing_mm: Spacing of the fine grid in mm, per axis.
    """
    size = (ibp.shape[-3], ibp.shape[-2], ibp.shape[-1])
    i, j, k = (phase.expand(len(ibp), -1, -1).to(ibp) for phase in slice_phases(op, size))
    return joined_maps(anatomy_maps(op, ibp, spacing_mm), (i, j, k))


def anatomy_maps(op: Separable, ibp: Tensor, spacing_mm: tuple[float, float, float]) -> Tensor:
    """The IBP estimate and its curvature along each axis, (B, N_ANATOMY, I, J, K).

    The curvature along an axis is in units of the expected detail, and weighs less the coarser the axis is:
    neighbouring slices differ by far more than neighbouring pixels.

    Args:
        op: Operator of the acquisition.
        ibp: IBP estimate (B, 1, I, J, K) in the model range.
        spacing_mm: Spacing of the fine grid in mm, per axis.
    """
    gains = [CURVATURE_GAIN * min(spacing_mm) / (h * expected_detail(op)) for h in spacing_mm]
    return torch.cat([ibp - CENTRE, *(gain * _curvature(ibp, axis) for axis, gain in enumerate(gains))], dim=1)


def slice_phases(op: Separable, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Per axis the cosine and sine (1, 2, n) of the position between slice centres, 0 where it is not degraded.

    Args:
        op: Operator of the acquisition.
        shape: Voxels of the fine grid, per axis.
    """
    i, j, k = (_phase(axis, n)[None] for axis, n in zip(op.axes, shape, strict=True))
    return i, j, k


def joined_maps(anatomy: Tensor, phases: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """The maps of `scan_maps` from `anatomy_maps` and, per axis, phases (B, 2, n)."""
    size = anatomy.shape[-3:]
    expanded = [
        phase.reshape(len(phase), 2, *(n if other == axis else 1 for other, n in enumerate(size))).expand(-1, -1, *size)
        for axis, phase in enumerate(phases)
    ]
    return torch.cat([anatomy, *expanded], dim=1)


def conditioned(net: Network, maps: Tensor, scan: Tensor) -> RawNetwork:
    """The raw network of one scan, a function of the noisy detail and the noise level alone.

    Args:
        net: Network.
        maps: Maps (B, N_MAPS - 1, I, J, K), as `scan_maps` makes them.
        scan: Conditions (B, N_SCAN_CONDITIONS), as `scan_conditions` makes them.
    """

    def raw(noisy: Tensor, noise_level: Tensor) -> Tensor:
        return net(torch.cat([noisy, maps], dim=1), torch.cat([scan, noise_level], dim=1))

    return raw


def unconditioned(net: Network, maps: Tensor, scan: Tensor) -> RawNetwork:
    """The raw network that sees nothing of the scan, as training drops it; arguments as for `conditioned`."""
    return conditioned(net, torch.zeros_like(maps), torch.zeros_like(scan))


def flip_averaged(net: Network, axes: Sequence[int]) -> Network:
    """The same network, averaged over all flips along `axes`: 2 ** len(axes) evaluations.

    The network was trained on flipped scans too, so its errors differ from flip to flip and partly cancel
    (self-ensemble of Lim et al. 2017, section 3.4). On crops of the validation split this is worth 0.06 dB for one
    axis, 0.08 dB for two.
    """
    subsets = [subset for count in range(len(axes) + 1) for subset in combinations(axes, count)]

    def averaged(maps: Tensor, conditions: Tensor) -> Tensor:
        total = torch.zeros(())
        for subset in subsets:
            turned = maps.clone()
            for axis in subset:
                turned[:, FIRST_SINE + 2 * axis] *= -1  # the sine of the slice phase changes its sign
            dims = [axis + 2 for axis in subset]
            total = total.to(maps.device) + net(turned.flip(dims), conditions).flip(dims)
        return total / len(subsets)

    return averaged


def _factor(axis: AxisSampling | None) -> float:
    return 1.0 if axis is None else axis.n_fine / axis.n_coarse


def _phase(axis: AxisSampling | None, n: int) -> Tensor:
    if axis is None:
        return torch.zeros(2, n)
    turns = 2 * np.pi * ((torch.arange(n) + 0.5) * (axis.n_coarse / axis.n_fine) - 0.5)
    return PHASE_GAIN * torch.stack([torch.cos(turns), torch.sin(turns)])


def _curvature(x: Tensor, axis: int) -> Tensor:
    """Difference of x and its (1, 2, 1)/4 blur along one axis, repeated at the border."""
    dim = axis + 2
    n = x.shape[dim]
    padded = torch.cat([x.narrow(dim, 0, 1), x, x.narrow(dim, n - 1, 1)], dim=dim)
    return (2 * x - padded.narrow(dim, 0, n) - padded.narrow(dim, 2, n)) / 4
