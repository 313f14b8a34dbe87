"""The learning curve: gain over the IBP estimate in dB on held-out scans, per task, as numbers, CSV and picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medsr.diffusion.process import Process
from medsr.diffusion.processes.edm import EDM
from medsr.diffusion.samplers import last_of
from medsr.model.conditioning import conditioned, origin_and_unit, scan_maps, unconditioned
from medsr.model.nets import Autoencoder, Net
from medsr.model.states import states_of
from medsr.physics.ops import Profile, Separable
from medsr.training.autoencoding import autoencoded
from medsr.training.batches import degraded
from medsr.training.degradations import AxisParameters, ScannerParameters
from medsr.training.flaws import Flaws
from medsr.training.packs import PackedScan
from medsr.training.precision import mixed_precision

CROP = 80  # voxels a side around the centre of each held-out scan
AIR = 0.05  # of the model range: darker voxels don't count
CURVE_STEPS = 10  # of a sample, where the process does not tell the mean
TASKS = ("iso2", "iso4", "thick5")
LOWEST_SHOWN_DB = -0.5


@dataclass(frozen=True)
class Probe:
    """One held-out crop under one task.

    Attributes:
        name: Scan and task, such as "sub-x01_T1w thick5".
        task: The task alone.
        modality: "MR" or "CT".
        truth: (1, 1, I, J, K) in the model range.
        y: The scan (1, 1, i, j, k) that was made of it.
        ibp: (1, 1, I, J, K) IBP estimate.
        op: Forward operator of the task, as the network is told it.
        spacing_mm: Voxel spacing of the truth.
        numbers: (1, N_SCAN_CONDITIONS) for the network.
    """

    name: str
    task: str
    modality: str
    truth: Tensor
    y: Tensor
    ibp: Tensor
    op: Separable
    spacing_mm: tuple[float, float, float]
    numbers: Tensor


def make_probes(
    scans: Sequence[PackedScan], device: torch.device, seen: tuple[Profile, float] | None = None
) -> list[Probe]:
    """A probe for every held-out scan and task.

    Args:
        scans: Held-out scans.
        device: Device of the probes.
        seen: Profile and width, in samples, that the scans are seen through while the task's are told; None: the same.
    """
    return [_probe(scan, task, device, seen) for scan in scans for task in TASKS]


@torch.inference_mode()
def restored(net: Net, probe: Probe, process: Process = EDM) -> Tensor:
    """The projected posterior mean (1, 1, I, J, K) of a probe in the model range, or a sample where there is no mean.

    A sample lies up to 3 dB below the mean. Of an autoencoder, what it leaves of the truth, projected, as a perfect
    walk in its codes would.
    """
    if isinstance(net, Autoencoder):
        return probe.op.prox(autoencoded(net, probe.op, probe.ibp, probe.truth), probe.y, 0.0)
    i, j, k = probe.ibp.shape[-3:]
    states = states_of(net, (i, j, k))
    maps = states.maps(scan_maps(probe.op, probe.ibp, probe.spacing_mm))
    raw = (conditioned if process.sees_scan else unconditioned)(net, maps, probe.numbers)
    origin, unit = origin_and_unit(process.models, probe.op, probe.ibp)
    device = probe.ibp.device
    nothing = torch.zeros(1, states.channels, *states.shape, device=device)
    with mixed_precision(device):
        if process.tells_mean:
            infinite = torch.full((1,), torch.inf, device=device)
            state = process.estimate(raw, nothing, infinite).mean.float()
        else:
            rest, seen = (probe.y - probe.op(origin)) / unit, states.seen(probe.op)

            def denoise(x: Tensor, sigma: Tensor) -> Tensor:
                return seen.prox(process.denoiser(raw, nothing)(x, sigma).float(), rest, 0.0)

            white = torch.randn(nothing.shape, generator=torch.Generator().manual_seed(0)).to(device)
            first = process.first_state(nothing, nothing, white, CURVE_STEPS)
            state = last_of(process.walk(denoise, first, "euler", CURVE_STEPS, lambda _: nothing)).clean
    return probe.op.prox(origin + unit * states.decode(state), probe.y, 0.0)


def gain_db(result: Tensor, probe: Probe, mask: Tensor) -> float:
    """Gain of a result over the IBP estimate in dB, within a mask of the truth's shape."""
    before, after = (((x - probe.truth)[mask] ** 2).mean() for x in (probe.ibp, result))
    return 10 * float(torch.log10(before / after))


def gains_db(net: Net, probes: Sequence[Probe], process: Process = EDM) -> dict[str, float]:
    """Gain of `restored` over the IBP estimate, in dB, per probe, where there is no air; none of a classifier."""
    shown = () if process.classifies else probes
    return {probe.name: gain_db(restored(net, probe, process), probe, body(probe)) for probe in shown}


def body(probe: Probe) -> Tensor:
    """Voxels of a probe that are no air."""
    return probe.truth > AIR


def by_task(gains: dict[str, float]) -> dict[str, float]:
    """Mean gain per task over the probes; none where there are no gains."""
    shown = TASKS if gains else ()
    return {task: float(np.mean([g for name, g in gains.items() if name.endswith(f" {task}")])) for task in shown}


def append_row(path: Path, step: int, loss: float, gains: dict[str, float]) -> None:
    """Add one row to the curve's CSV, with a header where the file is new."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "loss", *gains])
        writer.writerow([step, f"{loss:.4f}", *(f"{gain:.3f}" for gain in gains.values())])


def read_curve(path: Path) -> tuple[list[str], list[list[float]]]:
    """Column names and rows of the curve's CSV; of a step written twice after a resume, the later row."""
    with path.open(newline="") as file:
        header, *rows = list(csv.reader(file))
    latest = {int(row[0]): [float(value) for value in row] for row in rows}
    return header, [latest[step] for step in sorted(latest)]


def plot_curve(path: Path, picture: Path) -> None:
    """The curve's CSV as a PNG: one thin line per probe, one thick line per task."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    header, rows = read_curve(path)
    values = np.array(rows)
    figure, axes = pyplot.subplots(1, len(TASKS), figsize=(12, 4), sharey=True, layout="constrained")
    for task, panel in zip(TASKS, axes, strict=True):
        columns = [number for number, name in enumerate(header) if name.endswith(f" {task}")]
        for column in columns:
            name = header[column].removesuffix(f" {task}").removeprefix("sub-")
            panel.plot(values[:, 0], values[:, column], linewidth=0.9, label=name)
        panel.plot(values[:, 0], values[:, columns].mean(axis=1), color="black", linewidth=2.2, label="mean")
        panel.axhline(0, color="grey", linewidth=0.8)
        panel.set(title=task, xlabel="step")
        panel.locator_params(axis="x", nbins=4)
    axes[0].set_ylim(bottom=max(LOWEST_SHOWN_DB, axes[0].get_ylim()[0]))  # a curve that fell is cut, none that rose
    axes[0].set_ylabel("gain over the IBP estimate (dB)")
    axes[-1].legend(fontsize=6, ncol=2)
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)


def _probe(scan: PackedScan, task: str, device: torch.device, seen: tuple[Profile, float] | None) -> Probe:
    x = scan.scale.to_model(torch.from_numpy(scan.data.astype(np.float32)))
    for dim, n in enumerate(scan.data.shape):
        x = x.narrow(dim, max(0, (n - CROP) // 2), min(n, CROP))
    x = x[None, None].to(device)
    told = _scanner(scan, task, "gaussian", 1.0)
    true = told if seen is None else _scanner(scan, task, *seen)
    ibp, op, numbers = degraded(x, told, scan.spacing_mm, scan.modality, seed=0, flaws=Flaws(seen=true))
    y = true.operator((x.shape[-3], x.shape[-2], x.shape[-1]))(x)
    return Probe(f"{scan.name} {task}", task, scan.modality, x, y, ibp, op, scan.spacing_mm, numbers)


def _scanner(scan: PackedScan, task: str, profile: Profile, width: float) -> ScannerParameters:
    if task == "thick5":
        chosen = 2 if scan.degradable[2] else (0 if scan.degradable[0] else 1)
        factors = [5.0 / scan.spacing_mm[axis] if axis == chosen else 0.0 for axis in range(3)]
    else:
        factors = [float(task[-1]) if fine else 0.0 for fine in scan.degradable]
    a, b, c = (AxisParameters(factor, profile, width) if factor else None for factor in factors)
    return ScannerParameters((a, b, c), 0.0)
