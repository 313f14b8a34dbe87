"""BIDS names and sidecars: what they say of a scan, and the names of derivatives (BIDS 1.10)."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from medsr.io import formats
from medsr.io.acquired_facts import facts_of_sidecar
from medsr.io.acquired_matrix import phases_of_sidecar
from medsr.volume import AcquisitionType

MAX_SIDECAR_BYTES = 1 << 20
MAX_THICKNESS_MM = 1000.0
MAX_DEPTH = 6  # folders between a scan and the root of its data set, both included, and two more
UNUSABLE = (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)  # of reading a sidecar
# Facts of an acquisition that stay true of a finer scan; names of places, devices' numbers, dates and slices do not.
ACQUISITION_FIELDS = (
    *("Modality", "MagneticFieldStrength", "Manufacturer", "ManufacturersModelName", "MRAcquisitionType"),
    *("EchoTime", "RepetitionTime", "InversionTime", "FlipAngle", "ScanningSequence", "SequenceVariant"),
    *("PulseSequenceType", "ReceiveCoilName", "ContrastBolusIngredient"),
)
ANATOMICAL = ("T1w", "T2w", "FLAIR", "PDw", "T2starw", "inplaneT1", "inplaneT2", "angio", "CT")
CONTRASTS = (*ANATOMICAL, "PDT2", "bold", "dwi", "asl")
UNLIKE_MAGNITUDE = ("phase", "real", "imag")  # values of the entity `part`; phase wraps, the others change sign
STACKS_DIFFER = ("acq", "run", "dir")  # entities in which the stacks of one body may differ
BEFORE_ACQ = ("sub", "ses", "sample", "task")  # entities that come before `acq` in a name
_BIDS_NAME = re.compile(r"sub-[A-Za-z0-9]+(_[A-Za-z0-9]+-[A-Za-z0-9]+)*(_[A-Za-z0-9]+)?")
# `desc` is the last entity of a BIDS name: nothing but the suffix follows it.
_DERIVATIVE = re.compile(r"(?P<entities>.*?)(?:_desc-(?P<desc>[A-Za-z0-9]+))?_(?P<suffix>[A-Za-z0-9]+)")


def contrast_of_name(name: str) -> str:
    """Contrast from the last part of a file name: T1w of "sub-01_T1w.nii.gz"; "" where there is none."""
    _, underscore, last = _stem(name).rpartition("_")
    return last if underscore and last in CONTRASTS else ""


def part_of_name(name: str) -> str:
    """Value of the entity `part` of a file name: phase of "sub-01_part-phase_T2w.nii.gz"; "" where there is none."""
    return _entities(_stem(name)).get("part", "")


def scan_name(name: str) -> str:
    """What a scan is called in tables and reports: a BIDS name, whose subject is a code; any other name as a hash.

    Other names of files and folders may be those of patients.
    """
    stem = _stem(name)
    return stem if _BIDS_NAME.fullmatch(stem) else f"scan-{hashlib.sha256(stem.encode()).hexdigest()[:8]}"


def bids_name(name: str) -> str:
    """The name of a derivative: `desc-medsr` before the suffix of a BIDS name, its folders kept."""
    folder, _, stem = name.rpartition("/")
    match = _DERIVATIVE.fullmatch(stem)
    entities, suffix, desc = (stem, "", "") if match is None else match.group("entities", "suffix", "desc")
    made = f"{entities}_desc-{desc or ''}medsr" + (f"_{suffix}" if suffix else "")
    return f"{folder}/{made}" if folder else made


def fused_name(name: str) -> str:
    """The name of what stacks of one body become: `acq-fused` for the entities in which stacks differ.

    Stacks of one subject, session and contrast have the same: their names differ in acq, run and dir alone.

    Args:
        name: BIDS name, with or without its folder; "" for a name without a subject or a suffix.
    """
    folder, _, stem = name.rpartition("/")
    entities, suffix = _entities(stem), stem.rpartition("_")[2]
    if "sub" not in entities or "-" in suffix:
        return ""
    first = {key: value for key, value in entities.items() if key in BEFORE_ACQ}
    last = {key: value for key, value in entities.items() if key not in (*first, *STACKS_DIFFER)}
    made = "_".join((*(f"{key}-{value}" for key, value in (first | {"acq": "fused"} | last).items()), suffix))
    return f"{folder}/{made}" if folder else made


@dataclass(frozen=True)
class Sidecar:
    """What the sidecar of a scan says; None where it does not.

    Attributes:
        thickness_mm: SliceThickness.
        acquisition_type: MRAcquisitionType, "2D" or "3D".
        phases: Axis of the phase encoding and the samples acquired along it.
        facts: What it says of partial sampling, filters and kernels (`medsr.io.acquired_facts`).
        warnings: What of it can't be used.
    """

    thickness_mm: float | None = None
    acquisition_type: AcquisitionType | None = None
    phases: tuple[int, int] | None = None
    facts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def sidecar_of(path: Path) -> Sidecar:
    """What the JSON sidecars of a scan say: the one beside it, and those it inherits from in its BIDS data set.

    Of a fact in several sidecars the one nearest to the scan counts (BIDS 1.10, inheritance principle).
    SpacingBetweenSlices is not asked: the affine tells the distance, and old headers hold the gap there.
    """
    try:
        content = _content(path)
        thickness, kind = content.get("SliceThickness"), content.get("MRAcquisitionType")
        acquisition_type = cast(AcquisitionType, kind) if kind in get_args(AcquisitionType) else None
        phases, facts = phases_of_sidecar(content), facts_of_sidecar(content)
        if thickness is None:
            return Sidecar(None, acquisition_type, phases, facts)
        if isinstance(thickness, bool) or not 0 < float(thickness) < MAX_THICKNESS_MM:
            raise ValueError("not a thickness")
        return Sidecar(float(thickness), acquisition_type, phases, facts)
    except UNUSABLE:
        return Sidecar(warnings=("the JSON sidecar can't be used: slice thickness not known",))


def acquisition_fields(path: Path) -> dict[str, Any]:
    """What the sidecars of a scan say of its acquisition that stays true of a result; nothing that names anyone.

    Args:
        path: The scan; {} where its sidecars can't be used.
    """
    try:
        content = _content(path)
    except UNUSABLE:
        return {}
    return {name: content[name] for name in ACQUISITION_FIELDS if isinstance(content.get(name), str | int | float)}


def root_of(path: Path) -> Path | None:
    """The BIDS data set that a file lies in; None for none."""
    folders = list(path.absolute().parents)[:MAX_DEPTH]
    return next((folder for folder in folders if (folder / "dataset_description.json").is_file()), None)


def _content(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for sidecar in reversed(_sidecars(path)):
        if sidecar.stat().st_size > MAX_SIDECAR_BYTES:
            raise ValueError("too large")
        said = json.loads(sidecar.read_text(encoding="utf-8"))
        if not isinstance(said, dict):
            raise ValueError("not an object")
        content |= said
    return content


def _sidecars(path: Path) -> list[Path]:
    """The sidecars that apply to a scan, nearest first: its own, then one in each folder up to the data set's root."""
    stem = _stem(path.name)
    own = path.with_name(f"{stem}.json")
    found = [own] if own.is_file() else []
    root = root_of(path)
    if root is None:
        return found
    parents = list(path.absolute().parents)
    for folder in parents[: parents.index(root) + 1]:
        applying = [one for one in folder.glob("*.json") if one.name != own.name and _applies(one.stem, stem)]
        found += sorted(applying, key=lambda one: -len(_entities(one.stem)))
    return found


def _applies(sidecar: str, scan: str) -> bool:
    """Whether a sidecar has the suffix of a scan and no entity that the scan does not have."""
    suffix = sidecar.rpartition("_")[2]
    return suffix == scan.rpartition("_")[2] and _entities(sidecar).items() <= _entities(scan).items()


def _entities(stem: str) -> dict[str, str]:
    """The entities of a BIDS name: {"sub": "01", "part": "mag"} for "sub-01_part-mag_T2w"."""
    pairs = [part.partition("-") for part in stem.split("_")]
    return {key: value for key, dash, value in pairs if dash}


def _stem(name: str) -> str:
    return formats.stem(name) if formats.is_one_file(name) else name
