"""BIDS names and sidecars: what they say of a scan, and the names of derivatives (BIDS 1.10)."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from medsr.io import formats
from medsr.volume import AcquisitionType

MAX_SIDECAR_BYTES = 1 << 20
MAX_THICKNESS_MM = 1000.0
ANATOMICAL = ("T1w", "T2w", "FLAIR", "PDw", "T2starw", "inplaneT1", "inplaneT2", "angio", "CT")
CONTRASTS = (*ANATOMICAL, "PDT2", "bold", "dwi", "asl")
_BIDS_NAME = re.compile(r"sub-[A-Za-z0-9]+(_[A-Za-z0-9]+-[A-Za-z0-9]+)*(_[A-Za-z0-9]+)?")
# `desc` is the last entity of a BIDS name: nothing but the suffix follows it.
_DERIVATIVE = re.compile(r"(?P<entities>.*?)(?:_desc-(?P<desc>[A-Za-z0-9]+))?_(?P<suffix>[A-Za-z0-9]+)")


def contrast_of_name(name: str) -> str:
    """Contrast from the last part of a file name: T1w of "sub-01_T1w.nii.gz"; "" where there is none."""
    _, underscore, last = _stem(name).rpartition("_")
    return last if underscore and last in CONTRASTS else ""


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


@dataclass(frozen=True)
class Sidecar:
    """What the sidecar of a scan says; None where it does not.

    Attributes:
        thickness_mm: SliceThickness.
        acquisition_type: MRAcquisitionType, "2D" or "3D".
        warnings: What of it can't be used.
    """

    thickness_mm: float | None = None
    acquisition_type: AcquisitionType | None = None
    warnings: tuple[str, ...] = ()


def sidecar_of(path: Path) -> Sidecar:
    """The JSON sidecar beside a scan.

    SpacingBetweenSlices is not asked: the affine tells the distance, and old headers hold the gap there.
    """
    sidecar = path.with_name(f"{_stem(path.name)}.json")
    try:
        if not sidecar.is_file():
            return Sidecar()
        if sidecar.stat().st_size > MAX_SIDECAR_BYTES:
            raise ValueError("too large")
        content = json.loads(sidecar.read_text(encoding="utf-8"))
        thickness, kind = content.get("SliceThickness"), content.get("MRAcquisitionType")
        acquisition_type = cast(AcquisitionType, kind) if kind in get_args(AcquisitionType) else None
        if thickness is None:
            return Sidecar(acquisition_type=acquisition_type)
        if isinstance(thickness, bool) or not 0 < float(thickness) < MAX_THICKNESS_MM:
            raise ValueError("not a thickness")
        return Sidecar(float(thickness), acquisition_type)
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return Sidecar(warnings=("the JSON sidecar can't be used: slice thickness not known",))


def _stem(name: str) -> str:
    return formats.stem(name) if formats.is_one_file(name) else name
