"""The stages of a batch that enhances: the model is loaded once, then case after case is read, enhanced and written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from medsr.batch.checks import blind_checks, blind_words, reference_checks
from medsr.batch.recipe import BatchRecipe, batch_recipe
from medsr.batch.sidecars import write_sidecar
from medsr.batch.thumbnails import write_thumbnail
from medsr.engine.pipeline import JOBS, OnProgress, Pipeline, Request, pipeline
from medsr.engine.store import MADE, THUMB
from medsr.enhancement.files import enhance_volumes, write_results
from medsr.enhancement.result import Enhancement
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import GeometryError, UsageError
from medsr.fusion.files import grid_of
from medsr.fusion.fusion import fuse
from medsr.fusion.grid import Grid
from medsr.io import files, load, load_all
from medsr.io.dicom.options import Policies
from medsr.io.dicom.patients import check_one_patient
from medsr.io.dicom.reading import DicomScan, read_found
from medsr.io.dicom.stack import Stack, stacked
from medsr.io.dicom.triage import triage_files
from medsr.io.formats import is_one_file
from medsr.model.allocator import keep_freed_memory
from medsr.model.weights import Model, load_model
from medsr.record import Record
from medsr.volume import Volume

__all__ = ["JOBS", "start"]


@dataclass(frozen=True)
class _Scans:
    """What was read: volumes in turn, and the slices they lie in, None where they did not come as DICOM.

    Where `fused`, they are stacks of one body, whose result lies on `grid` where that is asked for; else each gives a
    result.
    """

    volumes: list[Volume]
    stacks: list[Stack | None]
    fused: bool
    grid: Grid | None = None


@dataclass(frozen=True)
class _Finished:
    scans: _Scans
    results: list[Enhancement]


class Enhancing:
    """Read, enhance, write one case.

    Args:
        recipe: What is asked of every scan.
        model: Model, loaded.
        bids: Whether a BIDS sidecar is written beside each NIfTI file.
        memory_bytes: Memory that this process may use.
    """

    def __init__(self, recipe: BatchRecipe, model: Model, *, bids: bool, memory_bytes: int) -> None:
        self._recipe, self._model, self._bids, self._memory_bytes = recipe, model, bids, memory_bytes

    def read(self, request: Request) -> _Scans:
        """All volumes of the case: those of a scan in turn, or one of each stack."""
        parts = list(_parts(request))
        fused = len(parts) > 1
        read = [_read(paths, number, self._recipe.enhance.policies) for paths, number in parts]
        for number, volumes in enumerate(read, start=1):
            if fused and len(volumes) > 1:
                raise GeometryError(f"stack {number} holds {len(volumes)} volumes; expected one")
        scans = [scan for volumes in read for scan in volumes]
        stacks = [stack for _, stack in scans]
        if fused:
            check_one_patient(stacks)
        image = request.get("grid")
        grid = grid_of(image, self._recipe.enhance.policies, stacks) if image else None
        return _Scans([volume for volume, _ in scans], stacks, fused, grid)

    def enhance(self, request: Request, scan: _Scans, on_progress: OnProgress) -> _Finished:
        """All results of the case."""
        settings, limit = self._settings(request), self._memory_bytes
        if scan.fused:
            fused = fuse(scan.volumes, self._model, settings, on_progress, grid=scan.grid, memory_bytes=limit)
            return _Finished(scan, [fused])
        return _Finished(scan, enhance_volumes(scan.volumes, settings, self._model, on_progress, limit))

    def write(self, request: Request, result: _Finished) -> dict[str, Any]:
        """Outputs, records, sidecar and picture; checks against the reference or without one."""
        made = Path(request["work"]) / MADE
        name = request["name"]
        as_dicom = not is_one_file(name)
        stacks = [stack for stack in result.scans.stacks if stack is not None] if as_dicom else []
        if as_dicom and len(stacks) < len(result.scans.stacks):
            raise UsageError("a NIfTI file says nothing of patient and study, so it can't become DICOM in a batch")
        n = len(result.results)
        records = write_results(result.results, made / name, self._settings(request), stacks[:n], stacks[n:])
        if self._bids and not as_dicom:
            write_sidecar(made / name, records[0], [paths[0] for paths, _ in _parts(request)])
        write_thumbnail(result.scans.volumes[0], result.results[0].volume, Path(request["work"]) / THUMB)
        record = records[0]
        warnings = [*record.warnings]
        if request["tile"] is not None:
            warnings.append(f"tried again with a tile of {request['tile']} voxels")
        return {
            "input_sha256": _content(request, result.scans),
            "voxels": sum(one.volume.data.size for one in result.results),
            "checks": self._checks(request, records, result),
            "facts": {
                "format": record.input["format"],
                "modality": record.input["modality"],
                "shape": record.task["fine_shape"],
                "spacing_mm": record.task["fine_spacing_mm"],
                "device": record.device,
                "stacks": len(record.stacks),
                **blind_words(records),
                "warnings": warnings,
            },
        }

    def _settings(self, request: Request) -> EnhanceSettings:
        """What is asked of one case: a smaller tile after a death, and no type of voxels for DICOM."""
        settings, tile = self._recipe.enhance, request["tile"]
        if tile is not None:
            settings = replace(settings, tile=min(tile, settings.tile or tile))
        if is_one_file(request["name"]):
            return settings
        return replace(settings, output=replace(settings.output, dtype=None))

    def _checks(self, request: Request, records: Sequence[Record], result: _Finished) -> dict[str, float]:
        checks = blind_checks(records)
        if request["reference"]:
            checks |= reference_checks(result.results[0].volume, load(request["reference"]))
        return {name: round(value, 6) for name, value in checks.items()}


def start(options: dict[str, Any]) -> Pipeline:
    """Load the model.

    Args:
        options: Keys recipe, device, bids and memory_bytes, as `job` makes them.
    """
    keep_freed_memory()
    recipe = batch_recipe(options["recipe"])
    model = load_model(recipe.enhance.model, options["device"])
    stages = Enhancing(recipe, model, bids=options["bids"], memory_bytes=options["memory_bytes"])
    return pipeline(stages, int(recipe.queue_gib * 2**30))


def _parts(request: Request) -> Iterator[tuple[list[Path], int]]:
    """The files of each stack, or of the only scan, and the number of the volume among them (DICOM, else 0)."""
    paths = map(Path, request["files"])
    for n_files, number in request["stacks"]:
        yield list(islice(paths, n_files)), number


def _content(request: Request, scans: _Scans) -> str:
    """Hash of the content of the input."""
    if not scans.fused:
        return scans.volumes[0].source.content_sha256
    return files.sha256_of_digests({files.sha256_file(Path(path)) for path in request["files"]})


def _read(paths: Sequence[Path], number: int, policies: Policies) -> list[tuple[Volume, Stack | None]]:
    if not number:
        return [(volume, None) for volume in load_all(paths[0], policies)]
    return [(scan.volume, scan.stack) for scan in _found(paths, number, policies)]


def _found(paths: Sequence[Path], number: int, policies: Policies) -> list[DicomScan]:
    """One volume of a DICOM series; where it is not regular as it lies, the recipe's policies decide."""
    found = triage_files(list(paths)).volumes[number - 1]
    if not found.stacks:
        stacks = tuple(stack for frames in found.times for stack in stacked(frames, policies))
        found = replace(found, stacks=stacks)
    return read_found(found)
