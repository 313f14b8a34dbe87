"""The table of a triage: what lies in a folder, what medsr would make of it, and which files it leaves aside.

Neither paths nor anything that was typed at a scanner is printed: series and studies go by their number.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from medsr.affine import axes_text, axis_codes
from medsr.cli.slices import spaced
from medsr.enhancement.envelope import judge_grid
from medsr.errors import UsageError
from medsr.fusion.groups import stacks_of_one_body
from medsr.io.bids import fused_name
from medsr.io.dicom.alike import likeness
from medsr.io.dicom.triage import FoundVolume, LeftOut, Triage
from medsr.io.discover import is_bids
from medsr.io.formats import by_content
from medsr.io.found import Found, outline_of
from medsr.model.spec import Envelope
from medsr.physics.acquisition import acquisition_of

WIDTH = 180  # columns of a table that no terminal limits
HINT = (
    "judged by headers alone; voxels are judged where one scan is inspected or enhanced\n"
    "enhance one of them with: medsr enhance FOLDER OUT --volume NUMBER, the number in column series"
)


def print_triage(
    found: Triage, alone: Sequence[Found], others: Sequence[LeftOut], envelope: Envelope, model: str
) -> None:
    """Print every volume of a triage, then the files in none of them, by reason.

    Args:
        found: Result of `medsr.io.dicom.triage.triage`.
        alone: Scans in files of their own (`medsr.io.discover.beside_volumes`).
        others: Every other file of the tree.
        envelope: Envelope of the model that decides.
        model: Name of that model.
    """
    console = _console()
    if found.volumes:
        console.print(_volumes(found.volumes, envelope, model))
    if any(volume.stacks for volume in found.volumes):
        console.print(HINT)
    print_left_out(alone, others)
    n_used = found.n_files - len(found.left_out)
    console.print(f"{found.n_files} files: {n_used} in {len(found.volumes)} volumes, {len(found.left_out)} left aside")


def print_fusable(root: Path, volumes: Sequence[FoundVolume], alone: Sequence[Found]) -> None:
    """Print which scans of a tree could be stacks of one body, and how they are fused; nothing where none could.

    Files are named only where the tree is a BIDS data set, in which names hold codes for people.

    Args:
        root: Root of the tree.
        volumes: Its DICOM volumes.
        alone: Scans in files of their own.
    """
    said = []
    for group in stacks_of_one_body([(likeness(volume), outline_of(volume)) for volume in volumes]):
        numbers = ",".join(volumes[n].name for n in group)
        said.append(f"could be fused, {len(group)} stacks of one contrast in study {volumes[group[0]].study}:")
        said.append(f"  medsr enhance FOLDER OUT --volume {numbers}")
    files = stacks_of_one_body([(fused_name(one.name), one.outline) for one in alone]) if is_bids(root) else []
    for group in files:
        said.append(f"could be fused, {len(group)} stacks of one contrast of a subject:")
        said.append(f"  medsr enhance {' '.join(f'FOLDER/{alone[n].place}' for n in group)} OUT")
    if files:
        said.append("all of a data set at once: medsr batch FOLDER OUT RECIPE, with fuse = true in the recipe")
    for line in said:
        _console().print(Text(line), soft_wrap=True)  # so that a command stays one


def print_left_out(alone: Sequence[Found], others: Sequence[LeftOut]) -> None:
    """Print how many files of a tree are in none of its volumes, by reason; nothing where there are none.

    Args:
        alone: Scans in files of their own (`medsr.io.discover.beside_volumes`).
        others: Every other file.
    """
    if alone or others:
        _console().print(_left_out(alone, others))


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else WIDTH)


def _volumes(volumes: Sequence[FoundVolume], envelope: Envelope, model: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    for name in ("study", "series", "kind", "grid", "mm", "axes", "slices", "times"):
        table.add_column(name, no_wrap=name != "kind")
    table.add_column("what medsr makes of it", overflow="fold", ratio=1)
    for volume in volumes:
        cells = (str(volume.study), volume.name, *_row(volume), _verdict(volume, envelope, model))
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _row(volume: FoundVolume) -> list[str]:
    first = volume.times[0][0]
    rows, columns = first.shape
    between_rows, between_columns = first.spacing_mm
    n_slices = volume.stacks[0].shape[2] if volume.stacks else len(volume.times[0])
    grid = f"{columns} x {rows} x {n_slices}"
    mm, axes, slices = f"{between_columns:.4g} x {between_rows:.4g}", "", _thickness(first.thickness_mm)
    if volume.stacks:
        stack = volume.stacks[0]
        mm = axes_text(stack.spacing_mm)
        axes = axis_codes(stack.affine)
        slices = _thickness(stack.thickness_mm)
        if stack.thickness_mm is not None:
            slices += f", {spaced(float(stack.spacing_mm[2]), stack.thickness_mm)}"
    return [f"{volume.modality} {volume.mixed}".rstrip(), grid, mm, axes, slices, str(len(volume.times))]


def _verdict(volume: FoundVolume, envelope: Envelope, model: str) -> str:
    """What medsr makes of it by default, and whether the model was validated on such scans; or why it can't read it.

    Slices that are interpolated onto an even grid are named as where the scan is described in full.
    """
    outline = outline_of(volume)
    if outline is None:
        return f"can't read it: {volume.reason}"
    try:
        acquisition = acquisition_of(outline)
    except UsageError as error:
        return str(error)
    fine = axes_text(acquisition.fine_spacing_mm)
    verdict = judge_grid(volume.modality, acquisition, envelope).said(model)
    return "; ".join(said for said in (f"to {fine} mm", verdict, volume.stacks[0].filled_said) if said)


def _thickness(thickness_mm: float | None) -> str:
    return "not stated" if thickness_mm is None else f"{thickness_mm:.4g} mm thick"


def _said_of(alone: Found) -> str:
    """What a scan in a file of its own is, or why it can't be read."""
    if alone.problem:
        return alone.problem
    return f"{by_content(alone.files[0]).title}, not in this table: medsr inspect FILE shows it, and a batch takes it"


def _left_out(alone: Sequence[Found], others: Sequence[LeftOut]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("files", justify="right")
    table.add_column("left aside")
    table.add_column("why", overflow="fold")
    counted = Counter((left.status, left.reason) for left in others)
    for one in alone:
        counted["ignored", _said_of(one)] += len(one.files)
    for (status, reason), n in sorted(counted.items()):
        table.add_row(str(n), status, Text(reason))
    return table
