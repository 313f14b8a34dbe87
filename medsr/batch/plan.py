"""The plan of a run: every case with its output and its size, made before any work and written as JSON lines.

Plans name files of the input, so they stay in the output's hidden folder; reports show ids and hashes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from medsr.batch.recipe import BatchRecipe, batch_recipe
from medsr.batch.size import Size, size_of
from medsr.batch.stacks import with_stacks_fused
from medsr.engine.outcome import Kind
from medsr.engine.plan_file import Head, PlannedCase, lines_of, planned, read_lines
from medsr.engine.selection import Shard, part_of
from medsr.errors import MedsrError, UsageError
from medsr.io import files
from medsr.io.bids import bids_name
from medsr.io.discover import Discovery, discover
from medsr.io.formats import is_one_file, suffix_for
from medsr.io.found import Found
from medsr.io.names import case_id, digest, fingerprint, safe
from medsr.io.recipes import present
from medsr.model.spec import ModelSpec

COMMAND = "batch"


@dataclass(frozen=True)
class Plan:
    """All cases of a run.

    Attributes:
        recipe: What is asked of every scan.
        model: Name, version and hash of the weights.
        layout: Layout of the input, as in `Discovery`.
        cases: Cases in the order of their places in the input.
        left_out: Number of files that are not cases, by reason.
    """

    recipe: BatchRecipe
    model: dict[str, str]
    layout: str
    cases: tuple[PlannedCase, ...]
    left_out: dict[str, int] = field(default_factory=dict)

    def shard(self, shard: Shard | None) -> tuple[PlannedCase, ...]:
        """The cases of one shard; None for all of them."""
        return part_of(self.cases, shard)

    @property
    def voxels(self) -> int:
        """Number of result voxels of all cases that can be worked on."""
        return sum(case.voxels for case in self.cases if not case.problem)

    @property
    def work_voxels(self) -> int:
        """Number of voxels that the network gives for them: of several stacks, those of each alone."""
        return sum(case.given.get("work_voxels", case.voxels) for case in self.cases if not case.problem)

    @property
    def most_bytes(self) -> int:
        """Upper bound of the outputs' size as uncompressed float32."""
        maps = 2 if self.recipe.enhance.mode == "uncertainty" else 1
        return 4 * maps * self.voxels


def make_plan(
    source: Path, target: Path, recipe: BatchRecipe, model: dict[str, str], spec: ModelSpec | None = None
) -> Plan:
    """Every case of an input, as far as headers show.

    Args:
        source: Folder, BIDS data set, glob, table or file.
        target: Output folder.
        recipe: What is asked of every scan.
        model: Name, version and hash of the weights.
        spec: Specification of the weights, whose envelope judges the grids; None leaves them unjudged.

    Raises:
        InputError: no input there.
        UsageError: a table that can't be used, or stacks to be fused in what is no BIDS data set.
    """
    found = discover(source, recipe.include, recipe.exclude, without=target)
    if recipe.fuse and found.layout != "bids":
        raise UsageError(f"{source}: is no BIDS data set, whose names tell stacks; name them in a table's column fuse")
    scans = with_stacks_fused(found.found) if recipe.fuse else found.found
    cases = _without_collisions(_case(one, found, recipe, spec) for one in scans)
    left_out = Counter(left.reason for left in found.left_out)
    return Plan(recipe, model, found.layout, tuple(cases), dict(left_out.most_common()))


def _case(found: Found, discovery: Discovery, recipe: BatchRecipe, spec: ModelSpec | None) -> PlannedCase:
    case = case_id(found.identity)
    target, is_open = _target(found, discovery, recipe, case)
    problem, size = found.problem, Size()
    kind: Kind = found.kind
    as_dicom = recipe.enhance.output.format == "dicom" or not is_one_file(target)
    if as_dicom and not all(one.number for one in found.parts) and not problem:
        problem, kind = "a NIfTI file says nothing of patient and study, so it can't become DICOM", "unsupported"
    n_voxels = sum(0 if one.outline is None else one.outline.n_voxels for one in found.parts)
    try:
        if not problem:
            size = size_of(found, recipe.enhance, spec)
    except MedsrError as error:
        problem, kind = str(error), "unsupported"
    reference = _reference(found, recipe)
    read = found.files if found.grid is None or problem else (*found.files, *_files_of(found.grid))
    return PlannedCase(
        case=case,
        files=tuple(str(path.absolute()) for path in read),
        target=target,
        shown=target if is_open else "",
        fingerprint=fingerprint(read),
        voxels=size.result,
        input_bytes=4 * n_voxels,
        problem=_without_policies(problem, found, recipe),
        kind=kind,
        given={
            "stacks": [[len(one.files), one.number] for one in found.parts],
            "reference": "" if reference is None else str(reference.absolute()),
            "grid": "" if found.grid is None else str(found.grid.absolute()),
            "work_voxels": size.work,
        },
    )


def _without_policies(problem: str, found: Found, recipe: BatchRecipe) -> str:
    """A DICOM series that is not regular as it lies may be so by the recipe's policies: then it is tried."""
    mendable = found.number > 0 and found.kind == "geometry" and recipe.enhance.policies.mends_series
    return "" if mendable else problem


def _target(found: Found, discovery: Discovery, recipe: BatchRecipe, case: str) -> tuple[str, bool]:
    """The output's relative path, and whether it gives nothing of a person away."""
    is_dicom = found.number > 0
    wanted = recipe.enhance.output.format
    as_dicom = wanted == "dicom" or (wanted is None and is_dicom)
    suffix = "" if as_dicom else suffix_for(found.place, wanted)
    if found.target:
        return found.target, False
    if is_dicom or not found.name or recipe.names == "hash":
        study = digest(found.identity.rsplit("|", 3)[0])[:8] if is_dicom else case[:2]
        return f"{study}/{case}{suffix}", True
    if discovery.layout == "bids":
        return bids_name(safe(found.name)) + suffix, True
    return safe(found.name) + suffix, False


def _files_of(image: Path) -> list[Path]:
    """The files of an image: itself, or all in the folder of a series."""
    return sorted(path for path in image.iterdir() if path.is_file()) if image.is_dir() else [image]


def _reference(found: Found, recipe: BatchRecipe) -> Path | None:
    if found.reference is not None or recipe.references is None:
        return found.reference
    path = recipe.references / found.place
    return path if path.exists() else None


def _without_collisions(cases: Iterable[PlannedCase]) -> Iterator[PlannedCase]:
    """Two cases never write one file; names that differ in case only are one on some file systems."""
    ids: set[str] = set()
    targets: set[str] = set()
    for case in cases:
        if case.case in ids:
            continue
        ids.add(case.case)
        taken = case.target.lower() in targets
        targets.add(case.target.lower())
        clash = "its output would have the name of another case's; rename the input or give names in a table"
        yield replace(case, problem=clash, kind="unsupported") if taken and not case.problem else case


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan as JSON lines: a head, then one case a line.

    Raises:
        OutputError: the file can't be written.
    """
    head = Head(COMMAND, plan.recipe.as_dict(), plan.model, {"layout": plan.layout}, plan.left_out)
    with files.atomic(path) as file:
        for line in lines_of(head, plan.cases):
            file.write(line)


def read_plan(path: Path) -> Plan:
    """The plan in a file.

    Raises:
        InputError: none there, or not of this version.
    """
    head, rows = read_lines(path, COMMAND)
    cases = tuple(planned(row) for row in rows)
    return Plan(batch_recipe(present(head.recipe)), head.model, head.more["layout"], cases, head.left_out)
