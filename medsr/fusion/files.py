"""Several stacks from file to file: read, fuse, write the scan and its record, all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medsr.enhancement.enhancement import OnEstimate
from medsr.enhancement.files import check_dtype, dicom_scans, write_results
from medsr.enhancement.outputs import check_target
from medsr.enhancement.posterior import OnProgress
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import InputError, UsageError
from medsr.fusion.checks import check_request
from medsr.fusion.fusion import fuse
from medsr.fusion.grid import Grid
from medsr.fusion.grid_file import read_grid
from medsr.io import Policies, formats, load
from medsr.io.dicom.patients import check_one_patient, difference
from medsr.io.dicom.reading import read_dicom_scans
from medsr.io.dicom.stack import Stack
from medsr.io.formats import FORMATS, FormatName
from medsr.record import Record
from medsr.volume import Volume


def check_files(
    sources: Sequence[Path], target: Path, settings: EnhanceSettings, grid: Path | None = None
) -> FormatName:
    """Refuse a target or a request before anything is read.

    Args:
        sources: NIfTI files or DICOM series, two or more; or one DICOM tree, of which `settings` name several volumes.
        target: Name of the output.
        settings: What is asked.
        grid: Image whose grid the result has, if there is one.

    Returns:
        The format that the output will have.

    Raises:
        UsageError: what several stacks can't share, or a DICOM series that is to be made of other files.
        MedsrError: as `medsr.enhancement.outputs.check_target`.
    """
    check_request(settings)
    if (settings.input.volume is not None and len(sources) > 1) or settings.input.gaps == "split":
        raise UsageError("--volume and --gaps split are for one IN; put every series into a folder of its own")
    with_map = settings.mode == "uncertainty"
    chosen = check_target(target, sources[0], settings.output, uncertainty=with_map)
    check_dtype(settings.output, chosen)
    for number, source in enumerate(sources[1:], start=2):
        if FORMATS[chosen].is_series and not formats.by_content(source).is_series:
            raise UsageError(
                f"stack {number} is no DICOM series and says nothing of patient and study; give its series, or end "
                f"OUT in {formats.endings()}"
            )
        check_target(target, source, settings.output, uncertainty=with_map)
    if grid is not None and grid.exists() and target.exists() and grid.samefile(target):
        raise UsageError(f"{target} is the image of the grid itself; choose another name for the output")
    return chosen


def fuse_files(
    sources: Sequence[Path],
    target: Path,
    settings: EnhanceSettings,
    on_progress: OnProgress | None = None,
    memory_bytes: int | None = None,
    on_estimate: OnEstimate | None = None,
    grid: Path | None = None,
) -> list[Record]:
    """Fuse NIfTI files or DICOM series, one stack each, into one; the record goes to TARGET.json.

    Args:
        sources: NIfTI files, DICOM folders or any file of a series, two or more; or one DICOM tree, of which `settings`
            name several volumes.
        target: Name of one file, or of a folder for a series that is derived from DICOM series and takes the place of
            the first.
        settings: What is asked.
        on_progress: Called as the work goes on.
        memory_bytes: Memory that may be used; None: most of what is free.
        on_estimate: Called before long work on a stack with what it will need.
        grid: Image of the same patient whose grid the result has; None: as the settings ask.

    Returns:
        The record.

    Raises:
        MedsrError: as `check_files`, `read_stacks`, `read_grid` and `fuse`.
    """
    chosen = check_files(sources, target, settings, grid)
    several = len(sources) > 1
    volumes, places = read_stacks(sources, settings.policies) if several else _named(sources[0], settings)
    onto = None if grid is None else grid_of(grid, settings.policies, places)
    result = fuse(volumes, None, settings, on_progress, grid=onto, memory_bytes=memory_bytes, on_estimate=on_estimate)
    stacks = [stack for stack in places if stack is not None] if FORMATS[chosen].is_series else []
    return write_results([result], target, settings, stacks[:1], stacks[1:])


def read_stacks(sources: Sequence[Volume | Path | str], policies: Policies) -> tuple[list[Volume], list[Stack | None]]:
    """The stacks of one body, and the slices that they were made of where they come from DICOM series.

    Args:
        sources: Stacks as they are, NIfTI files, DICOM folders or any file of a series.
        policies: What to do with an irregular DICOM series.

    Returns:
        The stacks, and for each its slices, or None.

    Raises:
        InputError: series of different patients, a path that can't be read or holds several scans.
        MedsrError: as `io.load`.
    """
    volumes, places = [], []
    for source in sources:
        volume, stack = (source, None) if isinstance(source, Volume) else _read(Path(source), policies)
        volumes.append(volume)
        places.append(stack)
    check_one_patient(places)
    return volumes, places


def grid_of(image: Volume | Path | str, policies: Policies, places: Sequence[Stack | None]) -> Grid:
    """The grid of an image of the same patient as the stacks.

    Args:
        image: The image, or where it lies.
        policies: What to do with an irregular DICOM series.
        places: Slices of each stack that is a DICOM series, else None.

    Raises:
        InputError: series of different patients.
        MedsrError: as `read_grid`.
    """
    if isinstance(image, Volume):
        return Grid(image.shape, image.affine)
    grid, slices = read_grid(Path(image), policies)
    differs = difference([*places, slices])
    if differs is not None:
        stack, _, tag = differs
        raise InputError(
            f"{image}: is of another patient than stack {stack + 1}, as its {tag} says; name an image of the same one"
        )
    return grid


def _named(tree: Path, settings: EnhanceSettings) -> tuple[list[Volume], list[Stack | None]]:
    """The volumes of a DICOM tree that are asked for by their numbers."""
    scans = dicom_scans(tree, settings)
    if len(scans) != len(settings.input.volumes):
        raise InputError(f"{tree}: a volume of --volume has several time points; a stack has one")
    places: list[Stack | None] = [scan.stack for scan in scans]
    check_one_patient(places)
    return [scan.volume for scan in scans], places


def _read(source: Path, policies: Policies) -> tuple[Volume, Stack | None]:
    if not formats.by_content(source).is_series:
        return load(source, policies), None
    scans = read_dicom_scans(source, policies)
    if len(scans) > 1:
        raise InputError(f"{source}: holds {len(scans)} volumes; expected one, so put each into a folder of its own")
    return scans[0].volume, scans[0].stack
