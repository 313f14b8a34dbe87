"""The file of a plan, for those who only ask after a run: light to import, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from medsr.engine.outcome import Kind
from medsr.errors import InputError

SCHEMA = 4


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """One case.

    Attributes:
        case: Id of the case.
        files: Absolute paths of the input files.
        target: Path of the output, relative to the output folder.
        shown: The target where it is made of labels or hashes and may be shown, else "".
        fingerprint: Hash of sizes and times of the input files.
        voxels: Number of voxels of the result.
        input_bytes: Memory of the input as float32.
        problem: Reason to fail without any work; "" for none.
        kind: Kind of the problem.
        given: What the stages are told of this case besides, as plain values.
    """

    case: str
    files: tuple[str, ...]
    target: str
    shown: str
    fingerprint: str
    voxels: int
    input_bytes: int
    problem: str = ""
    kind: Kind = ""
    given: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Head:
    """First line of the file: what all cases share.

    Attributes:
        command: Command of `medsr` whose plan it is.
        recipe: Keys of the recipe.
        model: Name, version and hash of the weights.
        more: What else the command keeps, as plain values.
        left_out: Number of files that are not cases, by reason.
        schema: Version of the file's layout.
    """

    command: str
    recipe: dict[str, Any]
    model: dict[str, str]
    more: dict[str, Any]
    left_out: dict[str, int]
    schema: int = SCHEMA


def lines_of(head: Head, cases: Iterable[PlannedCase]) -> Iterator[bytes]:
    """The lines of the file."""
    yield (json.dumps(asdict(head)) + "\n").encode()
    for case in cases:
        yield (json.dumps(asdict(case), separators=(",", ":")) + "\n").encode()


def read_lines(path: Path, command: str = "") -> tuple[Head, list[dict[str, Any]]]:
    """The head, and each case as it stands in the file.

    Args:
        path: The file.
        command: Command of `medsr` whose plan is expected; "" for any.

    Raises:
        InputError: none there, of another command, or not of this version.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            first = json.loads(next(lines))
            if first["schema"] != SCHEMA:
                raise InputError(f"{path}: a plan of schema {first['schema']}; plan again with this version")
            head = Head(**first)
            if command not in ("", head.command):
                raise InputError(f"{path.parent.parent}: holds a run of medsr {head.command}, not of medsr {command}")
            return head, [json.loads(line) for line in lines]
    except OSError as error:
        raise InputError(
            f"{path.parent.parent}: holds no run of medsr {command or 'batch'}; name the OUT of one"
        ) from error
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise InputError(f"{path}: is damaged; plan again, with the input") from error


def planned(row: dict[str, Any]) -> PlannedCase:
    """The case of a line."""
    return PlannedCase(**{**row, "files": tuple(row["files"])})
