"""One case, path to path: read, enhance or degrade, write the scan and its record, all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from medsr.enhancement.enhancement import Enhancement, EnhanceSettings, described, enhance
from medsr.enhancement.outputs import (
    Output,
    beside,
    check_target,
    record_path,
    write_dicom,
    write_nifti,
)
from medsr.enhancement.slabs import enhance_within
from medsr.errors import UsageError
from medsr.io import Policies, load_all
from medsr.io.dicom.derivation import Kind, derivation_of
from medsr.io.dicom.derived import DerivedSeries, summary
from medsr.io.dicom.places import placed
from medsr.io.dicom.reading import DicomScan, read_dicom_scans, read_found
from medsr.io.dicom.stack import Stack
from medsr.io.dicom.triage import triage
from medsr.io.formats import FORMATS, FormatName, is_one_file
from medsr.io.nifti import WRITABLE
from medsr.model.weights import Model
from medsr.physics.acquisition import acquisition_of
from medsr.physics.ops import Profile
from medsr.physics.tasks import Task, degrade
from medsr.record import Record
from medsr.volume import Modality, Volume

__all__ = [
    "EnhanceCase",
    "Output",
    "beside",
    "check_target",
    "degrade_file",
    "enhance_file",
    "names_of",
    "record_path",
]

OnProgress = Callable[[str, int, int], None]
NUMBERS_PER_SCAN = 3  # result, spread and parametric map of one scan have series numbers of their own


@dataclass(frozen=True)
class EnhanceCase:
    """What is asked for one scan: the finer grid, how the coarse one was acquired, and the settings of the work.

    Attributes:
        spacing_mm: wanted spacing, or None.
        factors: wanted factors, or None.
        profile: of the acquisition.
        thickness_mm: slice thickness, or None for what the headers say.
        modality: overrides what the headers say.
        dtype: stored type of a NIfTI output, or None for that of the input.
        settings: of `enhance`.
        policies: what to do with an irregular DICOM series.
        output: format of the result.
        volume: of a DICOM tree the volume that `medsr inspect` lists under this number; None: all the source holds.
        memory_bytes: that may be used; a scan that needs more is computed in slabs. None: no limit.
    """

    spacing_mm: tuple[float, ...] | None = None
    factors: tuple[float, ...] | None = None
    profile: Profile = "gaussian"
    thickness_mm: float | None = None
    modality: Modality | None = None
    dtype: str | None = None
    settings: EnhanceSettings = field(default_factory=EnhanceSettings)
    policies: Policies = field(default_factory=Policies)
    output: Output = field(default_factory=Output)
    volume: str | None = None
    memory_bytes: int | None = None


def enhance_file(
    source: Path, target: Path, case: EnhanceCase, model: Model, on_progress: OnProgress | None = None
) -> list[Record]:
    """Enhance a NIfTI file or DICOM series into a NIfTI file or a derived series; the record goes to TARGET.json.

    Several volumes of one file or series are enhanced in turn. In NIfTI they are written back together, but the parts
    of a series that was split as NAME_1.nii.gz, NAME_2.nii.gz and so on; in DICOM each becomes a series in a folder of
    its own inside TARGET. In mode "uncertainty" the spread map goes beside the output as NAME_spread.

    Args:
        source: NIfTI file, DICOM folder or any file of a series.
        target: name ending in .nii or .nii.gz, or of a folder.
        case: what is asked for.
        model: of `load_model`.
        on_progress: called as the work goes on.

    Returns:
        One record per volume.

    Raises:
        MedsrError: as `io.load_all`, `acquisition_of`, `enhance` and `io.save`.
    """
    chosen = check_target(target, source, case.output, uncertainty=case.settings.mode == "uncertainty")
    _check_dtype(case, chosen)
    volumes, stacks = read_case(source, case, chosen)
    results = enhance_volumes(volumes, case, model, on_progress)
    return write_results(results, target, case, stacks)


def read_case(source: Path, case: EnhanceCase, chosen: FormatName) -> tuple[list[Volume], list[Stack]]:
    """The volumes of a source and, where DICOM is to be written, the slices whose place the results take.

    Raises:
        MedsrError: as `io.load_all` and `io.dicom.triage.triage`.
    """
    if not FORMATS[chosen].is_series:
        return (load_all(source, case.policies) if case.volume is None else _volumes(_scans(source, case))), []
    like = case.output.like
    scans = _scans(source, case) if like is None else placed(load_all(source), like, case.policies)
    return _volumes(scans), [scan.stack for scan in scans]


def enhance_volumes(
    volumes: Sequence[Volume], case: EnhanceCase, model: Model, on_progress: OnProgress | None = None
) -> list[Enhancement]:
    """Enhance volumes in turn.

    Raises:
        MedsrError: as `acquisition_of` and `enhance`.
    """
    return [_enhanced(_as_modality(volume, case.modality), case, model, on_progress) for volume in volumes]


def write_results(
    results: Sequence[Enhancement], target: Path, case: EnhanceCase, stacks: Sequence[Stack] = ()
) -> list[Record]:
    """Write results, spreads and records as `enhance_file` says.

    Args:
        results: in order of their volumes.
        target: as `enhance_file`.
        case: what was asked for.
        stacks: of each result the slices whose place it takes: DICOM is written; none: NIfTI.

    Returns:
        The records as they were written.

    Raises:
        MedsrError: as `io.save`.
    """
    if stacks:
        return _write_series(results, target, case, stacks)
    names = names_of(target, case, len(results))
    groups = [list(results)] if len(names) == 1 else [[result] for result in results]
    for path, group in zip(names, groups, strict=True):
        uncertainties = [_measured(result.uncertainty) for result in group if result.uncertainty is not None]
        write_nifti([one.volume for one in group], [one.record for one in group], path, case.dtype, uncertainties)
    return [result.record for result in results]


def names_of(target: Path, case: EnhanceCase, n_volumes: int) -> list[Path]:
    """What is written for a case: the target, but a NIfTI file for each part of a series that was split."""
    if case.policies.gaps == "split" and n_volumes > 1 and is_one_file(target.name):
        return [beside(target, str(number)) for number in range(1, n_volumes + 1)]
    return [target]


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
    write_nifti([coarse for coarse, _ in results], records, target, None)
    return results[0][0]


def _check_dtype(case: EnhanceCase, chosen: FormatName) -> None:
    if case.dtype is not None and case.dtype not in WRITABLE:
        raise UsageError(f"voxel type {case.dtype!r} is not one of {', '.join(WRITABLE)}")
    if case.dtype is not None and FORMATS[chosen].is_series:
        raise UsageError("--dtype is for NIfTI; a DICOM series is always stored in 16 bits with a scale")


def _write_series(
    results: Sequence[Enhancement], target: Path, case: EnhanceCase, stacks: Sequence[Stack]
) -> list[Record]:
    made = [_series(stack, result, case, n) for n, (stack, result) in enumerate(zip(stacks, results, strict=True))]
    records = [replace(result.record, output=summary(one)) for result, (one, _) in zip(results, made, strict=True)]
    uncertainties = [uncertainty for _, uncertainty in made if uncertainty is not None]
    write_dicom([one for one, _ in made], records, target, uncertainties, parametric_map=case.output.parametric_map)
    return records


def _scans(source: Path, case: EnhanceCase) -> list[DicomScan]:
    if case.volume is None:
        return read_dicom_scans(source, case.policies)
    if case.policies != Policies():
        raise UsageError(
            "--volume reads regular volumes alone; put the series into a folder of its own for --gaps, --tilt"
        )
    return read_found(triage(source).volume(case.volume))


def _volumes(scans: Sequence[DicomScan]) -> list[Volume]:
    return [scan.volume for scan in scans]


def _series(
    stack: Stack, result: Enhancement, case: EnhanceCase, index: int
) -> tuple[DerivedSeries, DerivedSeries | None]:
    """The series of one result and, in mode "uncertainty", that of its spread."""
    number = NUMBERS_PER_SCAN * index + 1

    def one(volume: Volume, kind: Kind, number: int) -> DerivedSeries:
        return DerivedSeries(volume, stack, derivation_of(result.record, kind), case.output.dicom, number)

    uncertainty = None if result.uncertainty is None else one(result.uncertainty, "uncertainty", number + 1)
    return one(result.volume, "result", number), uncertainty


def _enhanced(volume: Volume, case: EnhanceCase, model: Model, on_progress: OnProgress | None) -> Enhancement:
    acquisition = acquisition_of(volume, case.spacing_mm, case.factors, case.profile, case.thickness_mm)
    if case.memory_bytes is None:
        return enhance(volume, model, case.settings, acquisition, on_progress)
    return enhance_within(volume, model, case.settings, acquisition, on_progress, case.memory_bytes)


def _as_modality(volume: Volume, modality: Modality | None) -> Volume:
    return volume if modality is None else replace(volume, modality=modality)


def _measured(uncertainty: Volume) -> Volume:
    """A map is never rounded to whole numbers, whatever the scan was."""
    return replace(uncertainty, data=np.asarray(uncertainty.data), source=replace(uncertainty.source, dtype="float32"))
