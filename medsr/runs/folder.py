"""Every scan of a folder in turn, each with its own ending: one bad file never costs the others."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from medsr.errors import MedsrError, UsageError
from medsr.io import files
from medsr.models import Model
from medsr.runs.case import EnhanceCase, OnProgress, enhance_file


@dataclass(frozen=True)
class Case:
    """One scan of a folder.

    Attributes:
        name: path below the folder.
        source: the file, or the folder of a DICOM series.
        target: where the result goes.
        state: "waiting", "running", "done" or "failed".
        grid: spacing of the result, such as "1 x 1 x 1 mm".
        residual: in units of the noise.
        seconds: that it took.
        message: why it failed.
    """

    name: str
    source: Path
    target: Path
    state: str = "waiting"
    grid: str = ""
    residual: float | None = None
    seconds: float | None = None
    message: str = ""


OnCase = Callable[[int, Case], None]
"""Called with the number of a case and the case, whenever its state changes."""


def cases_of(source: Path, target: Path) -> list[Case]:
    """The scans of a folder tree: NIfTI files, and folders with DICOM files; results mirror the tree as NIfTI.

    Raises:
        UsageError: no folder, no scan in it, or a target inside it.
    """
    if not source.is_dir():
        raise UsageError(f"{source}: expected a folder with scans")
    if target.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"{target}: lies inside the folder that is read; choose one outside it")
    found: list[Case] = []
    for folder, below, names in os.walk(source):
        below.sort()
        kinds = {name: _kind(Path(folder, name)) for name in sorted(names)}
        scans = [Path(folder, name) for name, kind in kinds.items() if kind == "nifti"]
        scans += [Path(folder)] if "dicom" in kinds.values() else []
        for path in scans:
            name = str(path.relative_to(source)) if path != source else source.name
            stem = name.removesuffix(".gz").removesuffix(".nii")
            found.append(Case(name, path, target / f"{stem}.nii.gz"))
    if not found:
        raise UsageError(f"{source}: no NIfTI or DICOM file in this folder tree")
    return found


def enhance_folder(
    cases: list[Case], case: EnhanceCase, model: Model, on_case: OnCase, on_progress: OnProgress | None = None
) -> list[Case]:
    """Enhance each case; the same list with its endings."""
    ended = []
    for number, one in enumerate(cases):
        on_case(number, replace(one, state="running"))
        ended.append(_enhanced(one, case, model, on_progress))
        on_case(number, ended[-1])
    return ended


def _enhanced(one: Case, case: EnhanceCase, model: Model, on_progress: OnProgress | None) -> Case:
    began = time.monotonic()
    try:
        one.target.parent.mkdir(parents=True, exist_ok=True)
        record = enhance_file(one.source, one.target, case, model, on_progress)[0]
    except MedsrError as error:
        return replace(one, state="failed", message=" ".join(str(error).split()), seconds=time.monotonic() - began)
    except OSError as error:
        return replace(one, state="failed", message=f"can't be written ({files.reason(error)})")
    grid = " x ".join(f"{h:g}" for h in record.task["fine_spacing_mm"]) + " mm"
    return replace(one, state="done", grid=grid, residual=record.residual, seconds=time.monotonic() - began)


def _kind(path: Path) -> str:
    try:
        return files.sniff(path)
    except MedsrError:
        return ""
