"""One case from file to file: read, enhance or degrade, write the scan and its record, all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medsr.enhancement.enhancement import OnEstimate, enhance
from medsr.enhancement.outputs import beside, check_target, write_dicom, write_file
from medsr.enhancement.posterior import OnProgress
from medsr.enhancement.result import Enhancement, described
from medsr.enhancement.settings import EnhanceSettings, Output
from medsr.errors import UsageError
from medsr.io import load_all
from medsr.io.dicom.derivation import Kind, derivation_of
from medsr.io.dicom.derived import DerivedSeries, summary
from medsr.io.dicom.places import placed
from medsr.io.dicom.reading import DicomScan, read_dicom_scans, read_found
from medsr.io.dicom.stack import Stack
from medsr.io.dicom.triage import triage
from medsr.io.formats import FORMATS, FormatName, is_one_file
from medsr.model.weights import Model, load_model
from medsr.physics.tasks import Task, degrade
from medsr.record import Record
from medsr.volume import Volume

NUMBERS_PER_SCAN = 3  # result, uncertainty and parametric map of one scan have series numbers of their own


def enhance_file(
    source: Path,
    target: Path,
    settings: EnhanceSettings,
    model: Model | None = None,
    on_progress: OnProgress | None = None,
    memory_bytes: int | None = None,
    on_estimate: OnEstimate | None = None,
) -> list[Record]:
    """Enhance a NIfTI file or DICOM series into a NIfTI file or a derived series; the record goes to TARGET.json.

    Several volumes of one file or series are enhanced in turn. In NIfTI they are written back together, except for the
    parts of a split series, which become NAME_1.nii.gz, NAME_2.nii.gz and so on; in DICOM each becomes a series in a
    folder of its own inside TARGET. In mode "uncertainty" the map goes beside the output as NAME_uncertainty.

    Args:
        source: NIfTI file, DICOM folder or any file of a series.
        target: File name that ends in .nii or .nii.gz, or a folder.
        settings: What is asked.
        model: Loaded model; None: the one that `settings` name.
        on_progress: Called as the work goes on.
        memory_bytes: Memory that may be used: a larger scan is computed in blocks; None: most of what is free.
        on_estimate: Called before long work with what it will need.

    Returns:
        One record per volume.

    Raises:
        MedsrError: as `io.load_all`, `acquisition_of`, `enhance` and `io.save`.
    """
    chosen = check_target(target, source, settings.output, uncertainty=settings.mode == "uncertainty")
    check_dtype(settings.output, chosen)
    model = model or load_model(settings.model, settings.device)
    volumes, stacks = read_scans(source, settings, chosen)
    results = enhance_volumes(volumes, settings, model, on_progress, memory_bytes, on_estimate)
    return write_results(results, target, settings, stacks)


def read_scans(source: Path, settings: EnhanceSettings, chosen: FormatName) -> tuple[list[Volume], list[Stack]]:
    """The volumes of a source and, where DICOM is to be written, the slices whose place the results take.

    Args:
        source: NIfTI file, DICOM folder or any file of a series.
        settings: Request; how the scan is read matters here.
        chosen: Format of the output.

    Raises:
        MedsrError: as `io.load_all` and `io.dicom.triage.triage`.
    """
    if not FORMATS[chosen].is_series:
        named = settings.input.volume is not None
        return (_volumes(dicom_scans(source, settings)) if named else load_all(source, settings.policies)), []
    like = settings.output.like
    scans = (
        dicom_scans(source, settings)
        if like is None
        else placed(load_all(source, settings.policies), like, settings.policies)
    )
    return _volumes(scans), [scan.stack for scan in scans]


def enhance_volumes(
    volumes: Sequence[Volume],
    settings: EnhanceSettings,
    model: Model,
    on_progress: OnProgress | None = None,
    memory_bytes: int | None = None,
    on_estimate: OnEstimate | None = None,
) -> list[Enhancement]:
    """Enhance volumes in turn.

    Raises:
        MedsrError: as `enhance`.
    """
    return [
        enhance(one, model, settings, None, on_progress, memory_bytes=memory_bytes, on_estimate=on_estimate)
        for one in volumes
    ]


def write_results(
    results: Sequence[Enhancement],
    target: Path,
    settings: EnhanceSettings,
    stacks: Sequence[Stack] = (),
    further: Sequence[Stack] = (),
) -> list[Record]:
    """Write results, uncertainties and records as `enhance_file` says.

    Args:
        results: Results in the order of their volumes.
        target: File name that ends in .nii or .nii.gz, or a folder.
        settings: What was asked.
        stacks: Slices whose place each result takes, for DICOM; empty: NIfTI is written.
        further: For DICOM, slices of other series that a result was made of too.

    Returns:
        The records as they were written.

    Raises:
        MedsrError: as `io.save`.
    """
    if stacks:
        return _write_series(results, target, settings.output, stacks, tuple(further))
    names = names_of(target, settings, len(results))
    groups = [list(results)] if len(names) == 1 else [[result] for result in results]
    for path, group in zip(names, groups, strict=True):
        maps = [_measured(result.uncertainty) for result in group if result.uncertainty is not None]
        write_file([one.volume for one in group], [one.record for one in group], path, settings.output.dtype, maps)
    return [result.record for result in results]


def names_of(target: Path, settings: EnhanceSettings, n_volumes: int) -> list[Path]:
    """Paths of the output: the target, or a NIfTI file for each part of a series that was split."""
    if settings.input.gaps == "split" and n_volumes > 1 and is_one_file(target.name):
        return [beside(target, str(number)) for number in range(1, n_volumes + 1)]
    return [target]


def degrade_file(source: Path, target: Path, task: Task, seed: int = 0) -> Volume:
    """Degrade a high-resolution scan by a named task into a NIfTI file.

    Args:
        source: High-resolution scan: NIfTI file, DICOM folder or any file of a series.
        target: File name that ends in .nii or .nii.gz.
        task: Task.
        seed: Random seed for the noise, where the task has any.

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
    write_file([coarse for coarse, _ in results], records, target, None)
    return results[0][0]


def check_dtype(output: Output, chosen: FormatName) -> None:
    """Refuse a type of voxels that a format does not have.

    Raises:
        UsageError: for DICOM, any; else one that the format is not written in.
    """
    known = FORMATS[chosen]
    if output.dtype is not None and known.is_series:
        raise UsageError("--dtype is for NIfTI; leave it out, a DICOM series is always stored in 16 bits with a scale")
    if output.dtype is not None and output.dtype not in known.dtypes:
        raise UsageError(f"the voxel type is {output.dtype!r}; {known.title} is written as {', '.join(known.dtypes)}")


def _write_series(
    results: Sequence[Enhancement], target: Path, output: Output, stacks: Sequence[Stack], further: tuple[Stack, ...]
) -> list[Record]:
    pairs = enumerate(zip(stacks, results, strict=True))
    made = [_series(stack, result, output, n, further) for n, (stack, result) in pairs]
    records = [replace(result.record, output=summary(one)) for result, (one, _) in zip(results, made, strict=True)]
    uncertainties = [uncertainty for _, uncertainty in made if uncertainty is not None]
    write_dicom([one for one, _ in made], records, target, uncertainties, parametric_map=output.parametric_map)
    return records


def dicom_scans(source: Path, settings: EnhanceSettings) -> list[DicomScan]:
    """The volumes of a DICOM source that are asked for, in that order.

    Raises:
        UsageError: a number that no volume has, or policies that need a series alone.
        MedsrError: as `io.dicom.reading.read_dicom_scans`.
    """
    wanted = settings.input.volumes
    if not wanted:
        return read_dicom_scans(source, settings.policies)
    if settings.policies.mends_series:
        raise UsageError(
            "--volume reads regular volumes only; for --gaps or --tilt, put the series into a folder of its own"
        )
    found = triage(source)
    return [scan for volume in [found.volume(name) for name in wanted] for scan in read_found(volume)]


def _volumes(scans: Sequence[DicomScan]) -> list[Volume]:
    return [scan.volume for scan in scans]


def _series(
    stack: Stack, result: Enhancement, output: Output, index: int, further: tuple[Stack, ...]
) -> tuple[DerivedSeries, DerivedSeries | None]:
    """The series of one result and, in mode "uncertainty", that of its uncertainty."""
    number = NUMBERS_PER_SCAN * index + 1

    def one(volume: Volume, kind: Kind, number: int) -> DerivedSeries:
        return DerivedSeries(volume, stack, derivation_of(result.record, kind), output.dicom, number, further)

    uncertainty = None if result.uncertainty is None else one(result.uncertainty, "uncertainty", number + 1)
    return one(result.volume, "result", number), uncertainty


def _measured(uncertainty: Volume) -> Volume:
    """A map is never rounded to whole numbers, whatever the scan was."""
    return replace(uncertainty, data=np.asarray(uncertainty.data), source=replace(uncertainty.source, dtype="float32"))
