"""Several stacks from file to file: read, fuse, write the scan and its record, all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medsr.enhancement.enhancement import OnEstimate
from medsr.enhancement.files import write_results
from medsr.enhancement.outputs import check_target
from medsr.enhancement.posterior import OnProgress
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import UsageError
from medsr.fusion.checks import check_request
from medsr.fusion.fusion import fuse
from medsr.io import formats, load
from medsr.record import Record


def check_files(sources: Sequence[Path], target: Path, settings: EnhanceSettings) -> None:
    """Refuse a target or a request before anything is read.

    Args:
        sources: NIfTI files or DICOM series, two or more.
        target: Name of the output.
        settings: What is asked.

    Raises:
        UsageError: what several stacks can't share, or a target that is not one file.
        MedsrError: as `medsr.enhancement.outputs.check_target`.
    """
    check_request(settings)
    named = formats.by_name(target.name)
    if named is None or named.is_series:
        raise UsageError(
            f"{target}: several stacks give one file and no DICOM series yet; end the name in {formats.endings()}"
        )
    if settings.input.volume is not None or settings.input.gaps == "split":
        raise UsageError("--volume and --gaps split are for one IN; put every series into a folder of its own")
    for source in sources:
        check_target(target, source, settings.output, uncertainty=settings.mode == "uncertainty")


def fuse_files(
    sources: Sequence[Path],
    target: Path,
    settings: EnhanceSettings,
    on_progress: OnProgress | None = None,
    memory_bytes: int | None = None,
    on_estimate: OnEstimate | None = None,
) -> list[Record]:
    """Fuse NIfTI files or DICOM series, one stack each, into one file; the record goes to TARGET.json.

    Args:
        sources: NIfTI files, DICOM folders or any file of a series, two or more.
        target: Name of one file, of a format that is no series.
        settings: What is asked.
        on_progress: Called as the work goes on.
        memory_bytes: Memory that may be used; None: most of what is free.
        on_estimate: Called before long work on a stack with what it will need.

    Returns:
        The record.

    Raises:
        MedsrError: as `check_files`, `io.load` and `fuse`.
    """
    check_files(sources, target, settings)
    stacks = [load(source, settings.policies) for source in sources]
    result = fuse(stacks, None, settings, on_progress, memory_bytes=memory_bytes, on_estimate=on_estimate)
    return write_results([result], target, settings)
