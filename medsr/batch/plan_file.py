"""The file of a plan, for those who only ask after a run: light to import, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medsr.batch.outcome import Kind
from medsr.errors import InputError

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """One case.

    Attributes:
        case: its id.
        files: absolute paths of its files.
        number: of the volume among them (DICOM), else 0.
        target: output, relative to the output folder.
        shown: the target where it is made of labels or hashes, else "".
        reference: absolute path of the fine scan to measure against, or "".
        fingerprint: of sizes and times of `files`.
        voxels: of the finer scan.
        coarse_bytes: of the scan in memory.
        problem: why it fails without any work, or "".
        kind: of the problem.
    """

    case: str
    files: tuple[str, ...]
    number: int
    target: str
    shown: str
    reference: str
    fingerprint: str
    voxels: int
    coarse_bytes: int
    problem: str = ""
    kind: Kind = ""


@dataclass(frozen=True)
class Head:
    """What all cases of a plan share: the recipe and the model as they were given, the layout, the files left out."""

    recipe: dict[str, Any]
    model: dict[str, str]
    layout: str
    left_out: dict[str, int]
    schema: int = SCHEMA


def lines_of(head: Head, cases: Iterable[PlannedCase]) -> Iterator[bytes]:
    """The lines of the file."""
    yield (json.dumps(asdict(head)) + "\n").encode()
    for case in cases:
        yield (json.dumps(asdict(case), separators=(",", ":")) + "\n").encode()


def read_lines(path: Path) -> tuple[Head, list[dict[str, Any]]]:
    """The head, and each case as it stands in the file.

    Raises:
        InputError: none there, or not of this version.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            head = Head(**json.loads(next(lines)))
            if head.schema != SCHEMA:
                raise InputError(f"{path}: a plan of schema {head.schema}; plan again with this version")
            return head, [json.loads(line) for line in lines]
    except OSError as error:
        raise InputError(f"{path.parent.parent}: holds no run of medsr batch; name the OUT of one") from error
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise InputError(f"{path}: is damaged; plan again with medsr batch IN OUT") from error


def planned(row: dict[str, Any]) -> PlannedCase:
    """The case of a line."""
    return PlannedCase(**{**row, "files": tuple(row["files"])})
