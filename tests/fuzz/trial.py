"""Damaged input read in a process that may die: what came of it, and whether that is within the law.

The law: reading ends with volumes or with a `MedsrError` of one line that names no patient; within ten seconds of a
core, since a busy machine is not the fault of the reader; without asking for 2 GiB beyond what the interpreter holds.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from dicom_phantoms import SECRET

from medsr.io.formats import is_one_file

MAX_S = 10.0  # of a core
MAX_WAIT_S = 60.0  # for a reader that waits instead of computing
MAX_BYTES = 2 << 30
CEILING_BYTES = 6 << 30  # more is refused to the worker, so that a fault can't take down the machine
FRESH_AFTER = 500  # trials of one worker, so that what one leaves behind does not count against many others
START_S = 120.0

Make = Callable[[int, Path], str]
"""Writes the damaged input of a seed into a folder and says what was done."""


@dataclass
class Tally:
    """What came of a run.

    Attributes:
        outcomes: how often input was read or refused, by class of error.
        slowest: longest trial in seconds of a core, and its seed.
        largest: most bytes of memory asked for, and the seed.
        broken: seed, what was done and which law was broken.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, -1)
    largest: tuple[int, int] = (0, -1)
    broken: list[tuple[int, str, str]] = field(default_factory=list)


def try_all(make: Make, seeds: range) -> Tally:
    """Read the damaged input of every seed."""
    tally = Tally()
    with Reader() as reader:
        for seed in seeds:
            with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
                done = make(seed, Path(name))
                paths = sorted(Path(name).iterdir())
                one_file = name_of_one(paths, seed)
                outcome, fault, seconds, n_bytes = reader.read(one_file if one_file is not None else Path(name))
            tally.outcomes[outcome] += 1
            tally.slowest = max(tally.slowest, (seconds, seed))
            tally.largest = max(tally.largest, (n_bytes, seed))
            if fault:
                tally.broken.append((seed, done, fault))
    return tally


def name_of_one(paths: list[Path], seed: int) -> Path | None:
    """The file to point at: the image or its header, or now and then one file of a series; None for the folder."""
    images = [path for path in paths if is_one_file(path.name)]
    return images[0] if images else paths[0] if paths and seed % 7 == 0 else None


class Reader:
    """A worker process that reads one path after the other, replaced when it dies or hangs."""

    def __enter__(self) -> Reader:
        self._said = tempfile.NamedTemporaryFile(prefix="fuzz-said-")
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._said.close()

    def read(self, path: Path) -> tuple[str, str, float, int]:
        """Outcome, broken law or "", seconds of a core and bytes."""
        if self._n_read >= FRESH_AFTER:
            self._stop()
            self._start()
        self._n_read += 1
        started = self._core_seconds()
        try:
            self._pipe.send(path)
            if self._hangs(started):
                self._stop()
                self._start()
                return "hung", f"no end within {MAX_S:g} s", MAX_S, 0
            outcome, fault, n_bytes = self._pipe.recv()
        except (EOFError, BrokenPipeError):
            self.process.join()
            fault = f"the process died with exit code {self.process.exitcode}"
            self._start()
            return "died", fault, 0.0, 0
        seconds = self._core_seconds() - started
        if not fault and SECRET.lower() in self._spoken().lower():
            fault = "header content on standard error"
        if n_bytes > MAX_BYTES:
            fault = f"{fault} asked for {n_bytes >> 20} MiB".strip()
            self._stop()
            self._start()
        return outcome, fault, seconds, n_bytes

    def _hangs(self, started: float) -> bool:
        """Wait for an answer; whether it failed to come in time."""
        deadline = time.monotonic() + MAX_WAIT_S
        while not self._pipe.poll(1.0):
            if self._core_seconds() - started > MAX_S or time.monotonic() > deadline:
                return True
        return self._core_seconds() - started > MAX_S

    def _core_seconds(self) -> float:
        """What the worker has computed so far; 0 where it is dead."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _start(self) -> None:
        self._n_read = 0
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self._said.name), daemon=True)
        self.process.start()
        theirs.close()
        try:
            assert self._pipe.poll(START_S), "the worker did not start"
            self._pipe.recv()
        except EOFError:
            raise AssertionError(f"the worker died at its start: {self._spoken()}") from None

    def _stop(self) -> None:
        self.process.kill()
        self.process.join()
        self._pipe.close()

    def _spoken(self) -> str:
        content = Path(self._said.name).read_text(errors="replace")
        os.truncate(self._said.name, 0)
        return content


def _serve(pipe: Connection, said: str) -> None:
    stream = os.open(said, os.O_WRONLY | os.O_APPEND)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    from medsr.io import load_all

    _load_codecs()
    before = _address_space()
    resource.setrlimit(resource.RLIMIT_AS, (before + CEILING_BYTES, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pipe.send("ready")
    while True:
        path = pipe.recv()
        outcome, fault = outcome_of(load_all, path)
        pipe.send((outcome, fault, max(0, _peak() - before)))


def outcome_of(load_all: Callable[[Path], object], path: Path) -> tuple[str, str]:
    """What reading a path ends in, and the law that this breaks or ""."""
    from medsr.errors import MedsrError, ResourceError

    try:
        load_all(path)
    except ResourceError as error:
        return "ResourceError", f"memory refused: {error}"
    except MedsrError as error:
        text = str(error)
        fault = ""
        if SECRET.lower() in text.lower():
            fault = "the message quotes the header"
        elif len(text.splitlines()) != 1 or not text.isprintable():
            fault = f"the message is not one plain line: {text!r}"
        return type(error).__name__, fault
    except BaseException as error:
        return "escaped", f"{type(error).__name__} escaped: {error}"
    return "read", ""


def _load_codecs() -> None:
    """Everything that a sound file makes pydicom import, so that no trial pays for it."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

    for syntax in (JPEG2000Lossless, JPEGLSLossless, JPEGLosslessSV1, RLELossless):
        assert get_decoder(syntax).is_available, "a codec of the base install is missing"


def _address_space() -> int:
    return _status("VmSize")


def _peak() -> int:
    """The largest address space so far: memory asked for counts, whether or not it was ever written to."""
    return _status("VmPeak")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:"))
