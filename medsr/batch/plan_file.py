"""The file of a plan, for those who only ask after a run: light to import, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medsr.batch.outcome import Kind
from medsr.errors import InputError

SCHEMA = 2


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """One case.

    Attributes:
        case: Id of the case.
        files: Absolute paths of the input files.
        number: Number of the volume among the files of a DICOM series, from 1; 0 for NIfTI.
        target: Path of the output, relative to the output folder.
        shown: The target where it is made of labels or hashes and may be shown, else "".
        reference: Absolute path of the high-resolution scan to measure against; "" for none.
        fingerprint: Hash of sizes and times of the input files.
        voxels: Number of voxels of the result.
        input_bytes: Memory of the input as float32.
        problem: Reason to fail without any work; "" for none.
        kind: Kind of the problem.
    """

    case: str
    files: tuple[str, ...]
    number: int
    target: str
    shown: str
    reference: str
    fingerprint: str
    voxels: int
    input_bytes: int
    problem: str = ""
    kind: Kind = ""


@dataclass(frozen=True)
class Head:
    """First line of the file: what all cases share.

    Attributes:
        recipe: Keys of the recipe.
        model: Name, version and hash of the weights.
        layout: Layout of the input, as in `Discovery`.
        left_out: Number of files that are not cases, by reason.
        schema: Version of the file's layout.
    """

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
