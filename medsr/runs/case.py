"""One case, path to path: read, enhance or degrade, write the scan and its record, all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from medsr.acquisition import Task, acquisition_of, degrade
from medsr.enhancement import Enhancement, EnhanceSettings, described, enhance
from medsr.errors import UsageError
from medsr.io import files, load_all, save
from medsr.io.nifti import WRITABLE
from medsr.models import Model
from medsr.ops import Profile
from medsr.record import Record
from medsr.volume import Modality, Volume

OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class EnhanceCase:
    """What is asked for one scan: the finer grid, how the coarse one was acquired, and the settings of the work.

    Attributes:
        spacing_mm: wanted spacing, or None.
        factors: wanted factors, or None.
        profile: of the acquisition.
        thickness_mm: slice thickness, or None for what the headers say.
        modality: overrides what the headers say.
        dtype: stored type of the output, or None for that of the input.
        settings: of `enhance`.
    """

    spacing_mm: tuple[float, ...] | None = None
    factors: tuple[float, ...] | None = None
    profile: Profile = "gaussian"
    thickness_mm: float | None = None
    modality: Modality | None = None
    dtype: str | None = None
    settings: EnhanceSettings = field(default_factory=EnhanceSettings)


def enhance_file(
    source: Path, target: Path, case: EnhanceCase, model: Model, on_progress: OnProgress | None = None
) -> list[Record]:
    """Enhance a NIfTI file or DICOM series into a NIfTI file; the record goes beside it as TARGET.json.

    Several volumes in one file are enhanced in turn and written back together. In mode "spread" the spread map goes
    beside the output as NAME_spread.nii.gz.

    Args:
        source: NIfTI file, DICOM folder or any file of a series.
        target: name ending in .nii or .nii.gz.
        case: what is asked for.
        model: of `load_model`.
        on_progress: called as the work goes on.

    Returns:
        One record per volume.

    Raises:
        MedsrError: as `io.load_all`, `acquisition_of`, `enhance` and `io.save`.
    """
    check_target(target, source)
    if case.dtype is not None and case.dtype not in WRITABLE:
        raise UsageError(f"voxel type {case.dtype!r} is not one of {', '.join(WRITABLE)}")
    volumes = [_as_modality(volume, case.modality) for volume in load_all(source)]
    results = [_enhanced(volume, case, model, on_progress) for volume in volumes]
    spreads = [_measured(result.spread) for result in results if result.spread is not None]
    records = [result.record for result in results]
    _write([result.volume for result in results], records, target, case.dtype, spreads)
    return records


def degrade_file(source: Path, target: Path, task: Task, seed: int = 0) -> Volume:
    """Degrade a fine scan by a named task into a NIfTI file.

    Raises:
        MedsrError: as `io.load_all`, `degrade` and `io.save`.
    """
    check_target(target, source)
    volumes = load_all(source)
    results = [degrade(volume, task, seed) for volume in volumes]
    records = [
        Record(Record.versions_here(), described(volume), acquisition.summary(), {"task": task.name, "seed": seed})
        for volume, (_, acquisition) in zip(volumes, results, strict=True)
    ]
    _write([coarse for coarse, _ in results], records, target, None)
    return results[0][0]


def check_target(target: Path, source: Path) -> None:
    """Refuse a target before any work is done for it.

    Raises:
        UsageError: not a NIfTI name, or the source itself.
        OutputError: its folder is missing or can't be written.
    """
    if not target.name.endswith((".nii", ".nii.gz")):
        raise UsageError(f"{target}: expected a name that ends in .nii or .nii.gz")
    if target.exists() and source.exists() and source.samefile(target):
        raise UsageError(f"{target}: is the input itself; choose another name for the output")
    files.check_writable(target)
    files.check_writable(record_path(target))


def beside(target: Path, kind: str) -> Path:
    """The path of a companion of `target`, such as NAME_spread.nii.gz."""
    suffix = ".nii.gz" if target.name.endswith(".nii.gz") else ".nii"
    return target.with_name(f"{target.name.removesuffix(suffix)}_{kind}{suffix}")


def record_path(target: Path) -> Path:
    """The path of a target's run record."""
    return target.with_name(f"{target.name}.json")


def _enhanced(volume: Volume, case: EnhanceCase, model: Model, on_progress: OnProgress | None) -> Enhancement:
    acquisition = acquisition_of(volume, case.spacing_mm, case.factors, case.profile, case.thickness_mm)
    return enhance(volume, model, case.settings, acquisition, on_progress)


def _write(
    volumes: Sequence[Volume],
    records: Sequence[Record],
    target: Path,
    dtype: str | None,
    spreads: Sequence[Volume] = (),
) -> None:
    """Record and spread first, then the scan: a scan without its record must never exist, nor one without its scan."""
    content = "[\n" + ",\n".join(record.to_json().rstrip() for record in records) + "\n]\n"
    if len(records) == 1:
        content = records[0].to_json()
    companions = [record_path(target)] + ([beside(target, "spread")] if spreads else [])
    before = {path: path.read_bytes() if path.exists() else None for path in companions}
    scan_before = _inode(target)
    try:
        with files.atomic(record_path(target)) as file:
            file.write(content.encode())
        if spreads:
            save(spreads, beside(target, "spread"), dtype="float32")
        save(volumes, target, dtype=dtype)
    except BaseException:
        if _inode(target) == scan_before:
            _restore(before)
        raise


def _inode(path: Path) -> int | None:
    return path.stat().st_ino if path.exists() else None


def _restore(before: dict[Path, bytes | None]) -> None:
    for path, content in before.items():
        if content is None:
            path.unlink(missing_ok=True)
        else:
            with files.atomic(path) as file:
                file.write(content)


def _as_modality(volume: Volume, modality: Modality | None) -> Volume:
    return volume if modality is None else replace(volume, modality=modality)


def _measured(spread: Volume) -> Volume:
    """A map is never rounded to whole numbers, whatever the scan was."""
    return replace(spread, data=np.asarray(spread.data), source=replace(spread.source, dtype="float32"))
