"""Where results go: the format of a target, refusals before any work, and writing that leaves all or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from medsr.enhancement.settings import EnhanceSettings, Output
from medsr.errors import OutputError, UsageError
from medsr.io import files, formats, save
from medsr.io.dicom.archive import write_all
from medsr.io.dicom.derived import DerivedSeries
from medsr.io.dicom.folders import atomic_folders, check_folder
from medsr.io.dicom.options import DicomOptions
from medsr.io.formats import FORMATS, Format, FormatName
from medsr.record import Record
from medsr.volume import Volume

FILE_NAMES = (".gz", ".zip", ".png", ".jpg")  # endings that mean a file, not a folder


def format_of(source: Path, target: Path, output: Output) -> FormatName:
    """The format that the output is to have.

    Args:
        source: Input.
        target: Name of the output.
        output: How the result is written.

    Raises:
        UsageError: a name, a format and an input that don't go together.
        InputError: the input is missing or of no known format.
    """
    named = formats.by_name(target.name)
    if named is not None and not named.is_series:
        if output.format not in (None, named.name):
            raise UsageError(f"{target}: names a {named.title} file, but --format is {output.format}; change one")
        return named.name
    if output.format is not None and not FORMATS[output.format].is_series:
        return output.format
    return _as_source(source, target, output)


def _as_source(source: Path, target: Path, output: Output) -> FormatName:
    own = formats.by_content(source)
    if own.is_series and output.like is not None:
        raise UsageError("--like is for an input in one file; a DICOM series takes the place of its own source")
    if own.is_series or output.like is not None:
        if formats.by_name(target.name) is not None or target.suffix.lower() in FILE_NAMES:
            raise UsageError(
                f"{target}: DICOM is written as a folder; choose a name that doesn't end in {target.suffix}"
            )
        return "dicom"
    if output.format is not None:
        raise UsageError(
            f"a {own.title} file says nothing of patient and study; name the series that it was made of by --like"
        )
    return own.name


def check_target(target: Path, source: Path, output: Output | None = None, *, uncertainty: bool = False) -> FormatName:
    """Refuse a target before any work is done for it.

    Args:
        target: Name of the output.
        source: Input.
        output: How the result is written; None: one file, NIfTI where its name doesn't say otherwise.
        uncertainty: Whether an uncertainty map goes beside it.

    Returns:
        The format that the output will have.

    Raises:
        UsageError: a name that doesn't go with the format, the input itself, or options without effect.
        OutputError: its folder is missing or can't be written, or foreign files are in the way.
    """
    chosen = format_of(source, target, output or Output(_file_format(target)))
    if FORMATS[chosen].is_series:
        _check_folders(target, source, uncertainty, output or Output())
    else:
        _check_file(target, source, FORMATS[chosen], output or Output())
        files.check_writable(target)
    files.check_writable(record_path(target))
    return chosen


def check_new(target: Path, settings: EnhanceSettings, *, overwrite: bool = False) -> None:
    """Refuse to replace anything, or to leave what belongs to an earlier result beside a new one.

    Args:
        target: Name of the output.
        settings: What is asked.
        overwrite: Whether an output of that name, its companions and its record may be replaced.

    Raises:
        OutputError: something of that name is there already; with `overwrite`, something that would not be replaced.
    """
    results = [target]
    if settings.input.gaps == "split" and formats.is_one_file(target.name) and target.parent.is_dir():
        numbers = {number for path in target.parent.iterdir() for number in re.findall(r"_(\d+)", path.name)}
        results += [beside(target, number) for number in sorted(numbers)]  # parts of a series are numbered
    for name in results:
        written = _companions(name, settings.mode == "uncertainty", settings.output.parametric_map)
        is_series = not formats.is_one_file(name.name)  # a file has no parametric map beside it
        for path in (name, *_companions(name, True, is_series), record_path(name)):
            if not _holds_something(path):
                continue
            if not overwrite:
                raise OutputError(f"{path}: is there already; choose another name, or replace it with --overwrite")
            if path not in (name, *written, record_path(name)):
                raise OutputError(f"{path}: is of an earlier result and would stay beside the new one; remove it first")
            if path.is_dir() and formats.is_one_file(path.name):
                raise OutputError(f"{path}: is a folder; choose another name")


def _holds_something(path: Path) -> bool:
    """Whether a file of any size but 0, a link or a folder that is not empty has that name."""
    if path.is_symlink():
        return True
    return any(path.iterdir()) if path.is_dir() else path.is_file() and path.stat().st_size > 0


def _file_format(target: Path) -> FormatName:
    named = formats.by_name(target.name)
    return "nifti" if named is None or named.is_series else named.name


def _check_file(target: Path, source: Path, chosen: Format, output: Output) -> None:
    if chosen.writer is None:
        raise UsageError(f"{target}: {chosen.title} is not written; end the name in {formats.endings()}")
    chosen.check_installed()
    if not chosen.writes(target.name):
        raise UsageError(f"{target}: expected a name that ends in {formats.endings(chosen)}")
    if target.exists() and source.exists() and source.samefile(target):
        raise UsageError(f"{target} is the input itself; choose another name for the output")
    if output.like is not None or output.parametric_map or output.dicom != DicomOptions():
        raise UsageError("--like, --compress, --keep-private and --parametric-map are for DICOM; name a folder as OUT")


def _check_folders(target: Path, source: Path, uncertainty: bool, output: Output) -> None:
    inputs = [path.resolve() for path in (source, output.like) if path is not None]
    here = target.resolve()
    if any(path == here or path in here.parents for path in inputs):
        raise UsageError(f"{target} lies in the input itself; choose a folder beside it")
    if output.parametric_map and not uncertainty:
        raise UsageError("a parametric map holds the uncertainty; ask for --mode uncertainty as well")
    for folder in (target, *_companions(target, uncertainty, output.parametric_map)):
        check_folder(folder)


def beside(target: Path, kind: str) -> Path:
    """Path of a companion of `target`, such as NAME_uncertainty.nii.gz, or NAME_uncertainty for a folder."""
    stem = formats.stem(target.name) if formats.is_one_file(target.name) else target.name
    return target.with_name(f"{stem}_{kind}{target.name[len(stem) :]}")


def record_path(target: Path) -> Path:
    """Path of a target's run record."""
    return target.with_name(f"{target.name}.json")


def write_file(
    volumes: Sequence[Volume],
    records: Sequence[Record],
    target: Path,
    dtype: str | None,
    uncertainties: Sequence[Volume] = (),
) -> None:
    """Write the record and the uncertainty first, then the scan, so that no scan is ever without its record.

    Args:
        volumes: Results; several become one 4D file.
        records: Record of each result.
        target: File name of the output.
        dtype: Voxel type, such as "int16"; None: that of the input.
        uncertainties: Uncertainty map of each result, or none.
    """
    companions = [beside(target, "uncertainty")] if uncertainties else []

    def write() -> None:
        if uncertainties:
            save(uncertainties, companions[0], dtype="float32")
        save(volumes, target, dtype=dtype)

    _with_record(records, target, companions, write)


def write_dicom(
    series: Sequence[DerivedSeries],
    records: Sequence[Record],
    target: Path,
    uncertainties: Sequence[DerivedSeries] = (),
    *,
    parametric_map: bool = False,
) -> None:
    """Write the record first, then the companions and the series in one go.

    Several series go into folders of their own inside `target`, named 1, 2 and so on.

    Args:
        series: Results.
        records: Record of each result.
        target: Folder of the output.
        uncertainties: Uncertainty map of each result, or none.
        parametric_map: Whether the uncertainties are written as DICOM Parametric Maps as well.
    """
    companions = _companions(target, bool(uncertainties), parametric_map)

    def write() -> None:
        with atomic_folders(*companions, target) as parts:
            write_all(series, parts[-1])
            if uncertainties:
                write_all(uncertainties, parts[0])
            if parametric_map:
                from medsr.io.dicom.parametric import write_maps

                write_maps(uncertainties, series, parts[1])

    _with_record(records, target, (), write)


def _companions(target: Path, uncertainty: bool, parametric_map: bool) -> list[Path]:
    return [beside(target, "uncertainty")] * uncertainty + [beside(target, "map")] * parametric_map


def _with_record(
    records: Sequence[Record], target: Path, companions: Sequence[Path], write: Callable[[], None]
) -> None:
    """Write a record and then its results; if that fails, record and companions are as they were before."""
    content = "[\n" + ",\n".join(record.to_json().rstrip() for record in records) + "\n]\n"
    if len(records) == 1:
        content = records[0].to_json()
    before = {path: path.read_bytes() if path.exists() else None for path in (record_path(target), *companions)}
    result_before = _inode(target)
    try:
        with files.atomic(record_path(target)) as file:
            file.write(content.encode())
        write()
    except BaseException:
        if _inode(target) == result_before:
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
