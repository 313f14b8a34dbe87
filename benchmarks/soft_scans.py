"""What a scan gains whose voxels promise more than they hold: zero-filled, interpolated or smoothed, with no option.

Each reference is sampled in k-space at half as many voxels per axis. The scan is then stored as a scanner or a user
would, on a grid twice as fine or smoothed, and enhanced by a factor of 2; a finer result is brought to the
reference's grid in k-space. Gains are over cubic interpolation of what was sampled (or smoothed), in dB, beside that of
the scan as it was sampled.

python benchmarks/soft_scans.py [scan ...]   default: the isotropic scan of the validation split under $MEDSR_DATA
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from medsr.affine import crop, resized
from medsr.enhancement.enhancement import enhance
from medsr.enhancement.region import central_block
from medsr.enhancement.settings import EnhanceSettings
from medsr.io import load
from medsr.model.weights import Model, load_model
from medsr.physics.acquisition import Acquisition, on_grids
from medsr.volume import Volume

DATA = Path(os.environ.get("MEDSR_DATA", "../shared/data"))
SCANS = ("validation/sub-bchadult01_T1w.nii.gz",)
SIDE_VOX = 96  # of the reference
MARGIN_VOX = 12  # of its border that doesn't count
SMOOTHED_VOX = 0.6  # standard deviation

Array = NDArray[np.float32]


def zero_filled(values: Array) -> Array:
    """Twice as many samples per axis, with zeros in the outer half of k-space; both grids share their corners."""
    for axis, n in enumerate(values.shape):
        frequency = np.fft.fftfreq(n) * n
        places = (np.arange(2 * n) + 0.5) / 2 - 0.5
        kernel = np.exp(2j * np.pi * np.outer(places, frequency) / n)
        spectrum = np.fft.fft(np.moveaxis(values, axis, 0), axis=0)
        values = np.moveaxis(np.tensordot(kernel, spectrum, 1).real / n, 0, axis)
    return np.asarray(values, np.float32)


def interpolated(values: Array, order: int) -> Array:
    """Twice as many samples per axis by splines of an order."""
    places = np.meshgrid(*((np.arange(2 * n) + 0.5) / 2 - 0.5 for n in values.shape), indexing="ij")
    return np.asarray(ndimage.map_coordinates(values, places, order=order, mode="mirror"), np.float32)


def smoothed(values: Array) -> Array:
    """The same samples after a Gaussian of `SMOOTHED_VOX`."""
    return np.asarray(ndimage.gaussian_filter(values, SMOOTHED_VOX), np.float32)


STORED: dict[str, Callable[[Array], Array]] = {
    "zero-filled": zero_filled,
    "interpolated by splines": partial(interpolated, order=3),
    "interpolated linearly": partial(interpolated, order=1),
    "smoothed": smoothed,
}


def rows(reference: Volume, model: Model) -> Iterator[dict[str, float | str]]:
    """Per way of storing it: gains of the scan as it was sampled and as it was stored, and what medsr says of it."""
    i, j, k = (n // 2 for n in reference.shape)
    sampled = on_grids(reference.affine, reference.shape, (i, j, k), "kspace", None)
    y = sampled.op(torch.from_numpy(np.array(reference.data))).numpy()
    scan = Volume(y, sampled.coarse_affine, reference.modality)
    native_db = _gain_db(reference, scan, y, sampled, model)[0]
    for name, change in STORED.items():
        data = change(y)
        stored = replace(scan, data=data, affine=resized(scan.affine, scan.shape, data.shape))
        held = y if data.shape != y.shape else data
        gain_db, warnings = _gain_db(reference, stored, held, sampled, model)
        told = next((line for line in warnings if "stored" in line or "softer" in line), "nothing")
        yield {"stored": name, "native_db": native_db, "stored_db": gain_db, "share": gain_db / native_db, "told": told}


def _gain_db(
    reference: Volume, scan: Volume, held: Array, sampled: Acquisition, model: Model
) -> tuple[float, tuple[str, ...]]:
    found = enhance(scan, model, EnhanceSettings(factors=(2.0,), flips=0, force=True))
    result = torch.from_numpy(np.array(found.volume.data))
    if found.volume.shape != reference.shape:
        result = on_grids(found.volume.affine, found.volume.shape, reference.shape, "kspace", None).op(result)
    cubic = sampled.op.cubic(torch.from_numpy(held))
    gain = 10 * np.log10(_mse(cubic.numpy(), reference.data) / _mse(result.numpy(), reference.data))
    return float(gain), found.record.warnings


def _mse(x: Array, truth: Array) -> float:
    inner = (slice(MARGIN_VOX, -MARGIN_VOX),) * 3
    return float(np.mean((np.asarray(x, np.float64) - truth)[inner] ** 2))


def main(paths: list[Path]) -> None:
    """Print a row per scan and way of storing it, and write results/soft_scans.json."""
    model, table = load_model(), []
    for path in paths:
        whole = load(path).to_ras()
        box = central_block(whole, SIDE_VOX)
        window = tuple(
            slice(start, start + (stop - start) // 2 * 2) for start, stop in zip(box.start, box.stop, strict=True)
        )
        reference = whole.with_data(np.array(whole.data[window]), crop(whole.affine, box.start))
        for row in rows(reference, model):
            table.append({"scan": path.name.removesuffix(".nii.gz"), **row})
            print("\t".join(f"{v:.2f}" if isinstance(v, float) else str(v) for v in table[-1].values()), flush=True)
    Path("results").mkdir(exist_ok=True)
    Path("results/soft_scans.json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or [DATA / name for name in SCANS])
