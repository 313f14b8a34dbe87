"""Three stages of many cases in one computing process: while one is enhanced, the next is read and the last written.

Jobs for `medsr.worker.child`: "read" starts reading and returns, "enhance" takes what was read and starts writing,
"write" tells when that is written, while the next one is enhanced. What is read ahead, and what waits to be written, is
bounded in bytes.
"""

from __future__ import annotations

import faulthandler
import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from medsr.engine.outcome import Kind
from medsr.engine.store import MADE
from medsr.errors import (
    EnvelopeError,
    GeometryError,
    InputError,
    MedsrError,
    OutputError,
    ResourceError,
    UsageError,
    is_out_of_memory,
)
from medsr.io import files
from medsr.io.names import fingerprint, nameless
from medsr.worker.child import Job, Report

OnProgress = Callable[[str, int, int], None]
Request = dict[str, Any]
"""Keys: case, files, name of the output, work (folder), tile, input_bytes, result_bytes, and what the case is given."""


class ChangedError(Exception):
    """The input is not what it was when reading began."""


KINDS: tuple[tuple[type[Exception], Kind], ...] = (
    (ChangedError, "changed"),
    (GeometryError, "geometry"),
    (InputError, "unreadable"),
    (EnvelopeError, "unsupported"),
    (UsageError, "unsupported"),
    (OutputError, "write"),
    (ResourceError, "oom"),
)


class Stages(Protocol):
    """What is done with one case. `read` and `write` run on threads of their own."""

    def read(self, request: Request) -> Any:
        """The scan."""

    def enhance(self, request: Request, scan: Any, on_progress: OnProgress) -> Any:
        """The result."""

    def write(self, request: Request, result: Any) -> dict[str, Any]:
        """Write into the folder `made` of `work`; answer with input_sha256, checks and facts."""


class Budget:
    """Bytes that may be held at a time; one holder may always have what it needs.

    Args:
        limit: Number of bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._held, self._free = limit, 0, threading.Condition()

    def take(self, n_bytes: int) -> None:
        """Wait until the bytes may be held."""
        with self._free:
            self._free.wait_for(lambda: not self._held or self._held + n_bytes <= self._limit)
            self._held += n_bytes

    def give_back(self, n_bytes: int) -> None:
        """Hold the bytes no longer."""
        with self._free:
            self._held -= n_bytes
            self._free.notify_all()


@dataclass
class Pipeline:
    """The cases in one process.

    Attributes:
        stages: What is done with each case.
        to_read: Budget for scans read ahead.
        to_write: Budget for results that wait to be written.
        reader: The thread that reads.
        writer: The thread that writes.
        read: Scans that are being read or wait to be enhanced, by case.
        written: Results that are being written, by case.
    """

    stages: Stages
    to_read: Budget
    to_write: Budget
    reader: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    read: dict[str, Future[tuple[Any, str, float]]] = field(default_factory=dict)
    written: dict[str, Future[dict[str, Any]]] = field(default_factory=dict)


def pipeline(stages: Stages, queue_bytes: int) -> Pipeline:
    """A pipeline with nothing in it; also keeps this process from printing anything but its own death.

    Args:
        stages: What is done with each case.
        queue_bytes: Bytes of scans that may be read ahead, and as many of results that wait to be written.
    """
    warnings.simplefilter("ignore")  # a library's warning may quote a header
    logging.disable(logging.CRITICAL)
    faulthandler.enable(all_threads=False)
    return Pipeline(stages, Budget(queue_bytes), Budget(queue_bytes))


def _start_reading(line: Pipeline, request: Request, report: Report) -> dict[str, Any]:
    line.read[request["case"]] = line.reader.submit(_read, line, request)
    return {}


def _read(line: Pipeline, request: Request) -> tuple[Any, str, float]:
    line.to_read.take(request["input_bytes"])
    paths = [Path(path) for path in request["files"]]
    try:
        began, before = time.monotonic(), fingerprint(paths)
        scan = line.stages.read(request)
        if fingerprint(paths) != before:
            raise ChangedError
        return scan, before, time.monotonic() - began
    except BaseException:
        line.to_read.give_back(request["input_bytes"])
        raise


def _enhance(line: Pipeline, request: Request, report: Report) -> dict[str, Any]:
    """Take the scan when it is read, and hand the result to the writer."""
    stage = "read"
    try:
        scan, seen, read_s = line.read.pop(request["case"]).result()
        stage, began = "enhance", time.monotonic()
        report("stage", {"stage": stage})
        try:
            result = line.stages.enhance(request, scan, lambda *step: report("progress", {"step": step}))
            del scan
        finally:
            line.to_read.give_back(request["input_bytes"])
        seconds = {"read": read_s, "enhance": time.monotonic() - began}
        line.to_write.take(request["result_bytes"])
    except Exception as error:
        return failure(error, stage, request["files"], request["work"])
    line.written[request["case"]] = line.writer.submit(_write, line, request, [result], seen, seconds)
    return {}


def _write(line: Pipeline, request: Request, result: list[Any], seen: str, seconds: dict[str, float]) -> dict[str, Any]:
    began = time.monotonic()
    try:
        answer = line.stages.write(request, result.pop())
        written = _listed(Path(request["work"]) / MADE)
        seconds["write"] = time.monotonic() - began
        rounded = {stage: round(value, 4) for stage, value in seconds.items()}
        return {**answer, "written": written, "fingerprint": seen, "seconds": rounded}
    except Exception as error:
        return failure(error, "write", request["files"], request["work"])
    finally:
        line.to_write.give_back(request["result_bytes"])


def _listed(made: Path) -> list[dict[str, Any]]:
    """Every file made, with what shows later that it is whole."""
    found = []
    for path in sorted(path for path in made.rglob("*") if path.is_file()):
        stat, name = path.stat(), path.relative_to(made).as_posix()
        digest = files.sha256_file(path)
        found.append({"name": name, "n_bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": digest})
    return found


def _tell_when_written(line: Pipeline, request: Request, report: Report) -> Future[dict[str, Any]]:
    return line.written.pop(request["case"])


def failure(error: Exception, stage: str, paths: Iterable[str], work: str) -> dict[str, Any]:
    """A failure as an answer: its kind, and the reason without names.

    Args:
        error: What went wrong.
        stage: "read", "enhance" or "write".
        paths: Input files, whose names are taken out of the reason.
        work: Folder of the case, taken out of the reason too.
    """
    kind, text = _kind(error, stage), str(error)
    if isinstance(error, ChangedError):
        text = "the input changed while it was read; run again when nothing writes to it"
    elif kind == "oom" and not isinstance(error, MedsrError):
        text = "out of memory"
    elif isinstance(error, OSError):
        text = f"can't be {'read' if stage == 'read' else 'written'} ({files.reason(error)})"
    elif kind == "bug":
        text = f"{type(error).__name__}: {error}"
    return {"failed": {"kind": kind, "stage": stage, "reason": nameless(text, paths, work)}}


def _kind(error: Exception, stage: str) -> Kind:
    if is_out_of_memory(error):
        return "oom"
    if isinstance(error, OSError):
        return "unreadable" if stage == "read" else "write"
    return next((name for known, name in KINDS if isinstance(error, known)), "bug")


JOBS: Mapping[str, Job] = {"read": _start_reading, "enhance": _enhance, "write": _tell_when_written}
