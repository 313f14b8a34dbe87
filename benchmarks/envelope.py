"""How well the envelope's verdict separates scans like the training scans from others and from broken ones: its ROC."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsr.enhancement.envelope import judge
from medsr.errors import MedsrError, UsageError
from medsr.io import load, load_all
from medsr.io.files import sha256_file
from medsr.model import DEFAULT_MODEL
from medsr.model.packaged import packaged_models
from medsr.model.spec import Envelope
from medsr.model.weights_file import describe_model
from medsr.physics.acquisition import Acquisition, acquisition_of
from medsr.physics.tasks import TASKS, degrade
from medsr.volume import Volume

DATA = Path(os.environ.get("MEDSR_DATA", "../shared/data"))
Array = NDArray[np.float32]
ALIKE = {  # series with the contrasts and the kinds of anatomy that the model was made for, from other scanners
    "ct_body_overlap_siemens_j2k",
    "mr_brain_pd_7mm_ge",
    "mr_head_sag_4p8mm_siemens",
    "mr_oblique_4mm_hitachi",
    "mr_t1_cor_5p3mm_recut_j2k",
}
UNLIKE = {  # other contrasts, phantoms and drawings
    "ct_classic_tiny_ge",
    "ct_head_5mm_philips_jpegls",
    "mr_asl_7p5mm_siemens_xa30_enhanced",
    "mr_cor_15mm_ge",
    "mr_dwi_b0_siemens_xa30_enhanced",
    "mr_epi_5mm_ge",
    "mr_pcasl_4mm_philips",
    "mr_rot180_implicit",
    "mr_t1_sag_2mm_siemens_jpegll",
    "mr_t2_hyperfine_enhanced",
}


def _span(data: Array) -> float:
    low, high = np.percentile(data, (0.5, 99.5))
    return float(high - low)


def _shuffled(data: Array) -> Array:
    return data[..., np.random.default_rng(0).permutation(data.shape[2])]


def _interleaved(data: Array) -> Array:
    return np.concatenate([data[..., ::2], data[..., 1::2]], axis=2)


def _noisy(data: Array, share: float) -> Array:
    return data + share * _span(data) * np.random.default_rng(0).standard_normal(data.shape, np.float32)


def _few_levels(data: Array) -> Array:
    return np.digitize(data, np.percentile(data, (30, 50, 70, 85, 95))).astype(np.float32)


def _enlarged(data: Array) -> Array:
    small = data[::4, ::4, :]
    return np.asarray(ndimage.zoom(small, [n / m for n, m in zip(data.shape, small.shape, strict=True)], order=1))


def _difference(data: Array) -> Array:
    return data - np.roll(data, 3, axis=0)


def _spiked(data: Array) -> Array:
    data[tuple(n // 2 for n in data.shape)] = 50 * _span(data)
    return data


BROKEN: dict[str, Callable[[Array], Array]] = {
    "inverted": lambda data: data.max() + data.min() - data,
    "slices shuffled": _shuffled,
    "slices of an interleaved scan in storage order": _interleaved,
    "noise of 10 %": lambda data: _noisy(data, 0.10),
    "noise of 25 %": lambda data: _noisy(data, 0.25),
    "noise alone": lambda data: np.random.default_rng(0).standard_normal(data.shape, np.float32),
    "label map": _few_levels,
    "saturated": lambda data: np.minimum(data, np.percentile(data, 80)),
    "every slice three times": lambda data: np.repeat(data[..., ::3], 3, axis=2)[..., : data.shape[2]],
    "enlarged four times in plane": _enlarged,
    "blurred by 4 voxels": lambda data: ndimage.gaussian_filter(data, 4.0),
    "difference of two images": _difference,
    "phase instead of magnitude": lambda data: np.asarray(
        np.angle(np.exp(1j * data.astype(np.float64) / 7)), np.float32
    ),
    "logarithm of its spectrum": lambda data: np.log1p(np.abs(np.fft.fftshift(np.fft.fftn(data)))).astype(np.float32),
    "one bright spike": lambda data: np.where(
        np.arange(data.size).reshape(data.shape) == data.size // 2, 50 * _span(data), data
    ),
}


def main(model_name: str) -> None:
    path = packaged_models().get(model_name, Path(model_name))
    spec = describe_model(path)
    if not spec.envelope.statistics:
        raise UsageError(f"{model_name} holds no ranges; run pipelines/envelope first")
    rows: list[dict[str, object]] = []
    for group, name, volume, acquisition in _cases():
        try:
            acquisition = acquisition or acquisition_of(volume)
            verdict = judge(volume, acquisition, spec.envelope)
        except MedsrError as error:
            rows.append({"group": group, "name": name, "level": "outside", "distance": 99.0, "why": str(error)})
        else:
            why = "; ".join((*verdict.objections, *verdict.notices)[:2])
            distance = 99.0 if _grid_outside(volume, acquisition, spec.envelope) else verdict.distance
            rows.append({"group": group, "name": name, "level": verdict.level, "distance": distance, "why": why})
    measured = {"name": spec.name, "version": spec.version, "sha256": sha256_file(path)}
    result = {"model": measured, "summary": _summary(rows), "cases": rows}
    Path("results").mkdir(exist_ok=True)
    Path("results/envelope.json").write_text(json.dumps(result, indent=1) + "\n")
    for row in rows:
        print(f"{row['group']!s:<20}{row['level']!s:<9}{row['distance']:7.2f}  {row['name']}: {row['why']}")
    print(json.dumps(result["summary"], indent=1))


def _cases() -> Iterator[tuple[str, str, Volume, Acquisition | None]]:
    """Group, name, volume and, where it is known, acquisition of every case."""
    for path in sorted((DATA / "validation").glob("*.nii.gz")):
        name = path.name.removesuffix(".nii.gz")
        volume = load(path)
        yield "held out", name, volume, None
        for task in ("iso2", "thick5", "noisy2"):
            with suppress(UsageError):
                yield "held out", f"{name}, {task}", *degrade(volume, TASKS[task])
        for broken, change in BROKEN.items():
            changed = np.asarray(change(np.array(volume.data)), np.float32)
            yield "broken", f"{name}, {broken}", volume.with_data(changed), None
        for broken, other in _mislabelled(volume):
            yield "broken", f"{name}, {broken}", other, None
    for folder in sorted((DATA / "dicom").iterdir()):
        if folder.name in ALIKE | UNLIKE:
            group = "other scanner" if folder.name in ALIKE else "other kind"
            yield group, folder.name, load_all(folder)[0], None


def _mislabelled(volume: Volume) -> Iterator[tuple[str, Volume]]:
    """The same voxels with a wrong word in the header."""
    scales = {"spacing in cm": 0.1, "spacing ten times too large": 10.0}
    for name, factor in scales.items():
        yield name, volume.with_data(np.array(volume.data), volume.affine @ np.diag([factor, factor, factor, 1.0]))
    if volume.modality == "CT":
        yield "CT without its offset", volume.with_data(np.asarray(volume.data + 1024, np.float32))
        yield "CT called MR", replace(volume, modality="MR")
    else:
        yield "MR called CT", replace(volume, modality="CT")


def _grid_outside(volume: Volume, acquisition: Acquisition, envelope: Envelope) -> bool:
    return bool(envelope.objections(volume.modality, acquisition.factors, acquisition.fine_spacing_mm))


def _summary(rows: list[dict[str, object]]) -> dict[str, dict[str, float]]:
    """Per group: verdicts in percent, and the area under the ROC against the held-out scans."""
    inside = np.array([row["distance"] for row in rows if row["group"] == "held out"])
    found = {}
    for group in dict.fromkeys(str(row["group"]) for row in rows):
        chosen = [row for row in rows if row["group"] == group]
        distances = np.array([row["distance"] for row in chosen])
        auroc = np.mean((distances[:, None] > inside) + 0.5 * (distances[:, None] == inside))
        counts = Counter(str(row["level"]) for row in chosen)
        shares = {level: round(100 * counts[level] / len(chosen), 1) for level in ("inside", "edge", "outside")}
        found[group] = {"cases": len(chosen), **shares, "auroc": round(float(auroc), 3)}
    return found


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_MODEL)
