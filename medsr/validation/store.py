"""What a study keeps of each finished case, so that the next run measures nothing twice: OUT/parts/KEY.json and .npz.

A case counts where both are there. Numbers that JSON lacks are written as words.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from medsr.errors import InputError, OutputError
from medsr.io import files
from medsr.validation.findings import Findings
from medsr.validation.hallucination import HallucinationTests
from medsr.validation.measure import Measured
from medsr.validation.view_files import write_views

SCHEMA = 5
FOLDER = "parts"
MAX_BYTES = 1 << 26


@dataclass(frozen=True)
class Part:
    """The numbers of one finished case.

    Attributes:
        findings: Findings of one scan and task.
        hallucination: Hallucination tests of the same case.
    """

    findings: Findings
    hallucination: tuple[HallucinationTests, ...] = ()


@dataclass(frozen=True)
class Parts:
    """The folder of the finished cases.

    Attributes:
        root: Folder of the study's output.
    """

    root: Path

    @property
    def folder(self) -> Path:
        """Where the parts lie."""
        return self.root / FOLDER

    def views(self, key: str) -> Path:
        """The file of a case's views."""
        return self.folder / f"{key}.npz"

    def prepare(self) -> None:
        """Make the folder, and remove what a killed run left half written.

        Raises:
            OutputError: it can't be made or written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(files.unwritable(self.folder, error)) from error
        for draft in self.folder.glob(".part-*"):
            with suppress(OSError):
                draft.unlink()
        files.check_writable(self.folder / "probe")

    def read(self, key: str) -> Part | None:
        """A finished case, None where there is none that can be read."""
        path = self._path(key)
        try:
            if not self.views(key).is_file() or path.stat().st_size > MAX_BYTES:
                return None
            return _part(json.loads(path.read_text(encoding="utf-8")), key)
        except (OSError, ValueError, LookupError, InputError, ValidationError):
            return None

    def is_damaged(self, key: str) -> bool:
        """Whether there are files of a case, but not such that they can be read."""
        return (self._path(key).exists() or self.views(key).exists()) and self.read(key) is None

    def discard(self, key: str) -> None:
        """Remove the files of a case."""
        for path in (self._path(key), self.views(key)):
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def write_part(key: str, measured: Measured, folder: Path) -> Part:
    """Write KEY.json and KEY.npz of a finished case.

    Raises:
        OutputError: they can't be written.
    """
    write_views(measured.views, folder / f"{key}.npz")
    part = Part(measured.findings, measured.hallucination)
    content = {
        "schema": SCHEMA,
        "key": key,
        "findings": part.findings.as_dict(),
        "hallucination": [one.as_dict() for one in part.hallucination],
    }
    with files.atomic(folder / f"{key}.json") as file:
        file.write((json.dumps(_worded(content), indent=1) + "\n").encode())
    return part


def _part(content: Any, key: str) -> Part | None:
    if not isinstance(content, dict) or (content.get("schema"), content.get("key")) != (SCHEMA, key):
        return None
    hallucination = TypeAdapter(tuple[HallucinationTests, ...]).validate_python(content["hallucination"])
    return Part(Findings.from_dict(content["findings"]), hallucination)


def _worded(value: object) -> object:
    """NaN and infinity as words, which pydantic reads back as numbers."""
    if isinstance(value, dict):
        return {key: _worded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_worded(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
