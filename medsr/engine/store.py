"""What a run knows of its cases: one small file each in OUT/.medsr, its state in the name, written whole or not at all.

A case's files are made in a folder of their own, then listed in its outcome with state "publish", then moved to their
names, then the outcome is renamed to "done": whoever is killed in between, the next run finishes the moves.

    .medsr/plan.jsonl                  the plan; names files of the input
    .medsr/cases/ID.STATE.json         outcomes
    .medsr/leases/ID.lock              leases of running cases
    .medsr/drafts/ID-RANDOM            files of a case being made, swept when the case is next begun
    .medsr/drafts/page-RANDOM          pages and tables being made, swept at the end of a run
    .medsr/thumbs/ID.png               pictures
    .medsr/logs/                       what computing processes write before they die
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from medsr.engine.outcome import STATES, Outcome, State, Written
from medsr.engine.plan_file import PlannedCase
from medsr.errors import InputError, OutputError
from medsr.io import files
from medsr.io.names import digest

FOLDER = ".medsr"
RANK = {state: n for n, state in enumerate(("skipped", "failed", "publish", "done"))}

MADE, THUMB = "made", "thumb.png"  # in the folder of a case in work: its outputs, its picture


def case_key(input_sha256: str, model_sha256: str, settings_key: str) -> str:
    """Hash of everything that decides about a result."""
    return digest(input_sha256, model_sha256, settings_key)


@dataclass(frozen=True)
class Store:
    """The hidden folder of an output folder.

    Attributes:
        root: Output folder.
    """

    root: Path

    @property
    def folder(self) -> Path:
        """OUT/.medsr."""
        return self.root / FOLDER

    @property
    def plan(self) -> Path:
        """The plan's file."""
        return self.folder / "plan.jsonl"

    @property
    def leases(self) -> Path:
        """Folder of the leases."""
        return self.folder / "leases"

    @property
    def logs(self) -> Path:
        """Folder of the logs."""
        return self.folder / "logs"

    def thumbnail(self, case: str) -> Path:
        """The picture of a case."""
        return self.folder / "thumbs" / f"{case}.png"

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            OutputError: they can't be made or written.
        """
        try:
            for name in ("cases", "leases", "drafts", "thumbs", "logs"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(files.unwritable(self.root, error)) from error
        files.check_writable(self.folder / "drafts" / "probe")

    def put(self, name: str, write: Callable[[Path], None]) -> None:
        """Write a file beside the results in one step: `write` gets the path of a draft.

        Raises:
            OutputError: it can't be written.
        """
        for is_last in (False, True):
            draft = self.folder / "drafts" / f"page-{secrets.token_hex(4)}"
            try:
                with _written(self.root):
                    draft.mkdir()
                    write(draft / "file")
                    (draft / "file").replace(self.root / name)
                return
            except OutputError:  # another run that ends may take a draft for one that a killed run left
                if is_last:
                    raise
            finally:
                shutil.rmtree(draft, ignore_errors=True)

    def sweep_drafts(self) -> None:
        """Remove what killed runs left of pages, unless a case is in work somewhere."""
        if not any(self.leases.iterdir()):
            for draft in [*(self.folder / "drafts").glob("page-*"), *(self.folder / "drafts").glob(".part-*")]:
                _remove(draft)

    def states(self) -> dict[str, State]:
        """State of every case of which an outcome is kept, from the names of the files alone."""
        found: dict[str, State] = {}
        with suppress(FileNotFoundError), os.scandir(self.folder / "cases") as entries:
            for entry in entries:
                case, _, rest = entry.name.partition(".")
                state = cast(State, rest.removesuffix(".json"))
                if state in STATES and RANK[state] >= RANK.get(found.get(case, "skipped"), 0):
                    found[case] = state
        return found

    def read(self, case: str, state: State) -> Outcome | None:
        """The outcome of a case in a state; None where there is none that can be read."""
        try:
            return Outcome.from_json(self._path(case, state).read_bytes())
        except (OSError, InputError):
            return None

    def outcome(self, case: str) -> Outcome | None:
        """The outcome of a case, the best there is."""
        return next((found for state in reversed(RANK) if (found := self.read(case, cast(State, state)))), None)

    def write(self, outcome: Outcome) -> None:
        """Keep an outcome in place of any other of its case.

        Raises:
            OutputError: it can't be written.
        """
        draft = self.folder / "drafts" / f"{outcome.case}-{secrets.token_hex(4)}.json"
        try:
            with _written(self.folder):
                with draft.open("xb") as file:
                    file.write(outcome.to_json().encode())
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(self._path(outcome.case, outcome.state))
        finally:
            draft.unlink(missing_ok=True)
        for state in STATES:
            if state != outcome.state:
                self._path(outcome.case, state).unlink(missing_ok=True)

    def new_work(self, case: str) -> Path:
        """A folder for the files of a case, what an earlier attempt left there swept away.

        Raises:
            OutputError: it can't be made.
        """
        self.sweep(case)
        work = self.folder / "drafts" / f"{case}-{secrets.token_hex(4)}"
        with _written(self.root):
            (work / MADE).mkdir(parents=True)
        return work

    def sweep(self, case: str) -> None:
        """Remove half-made files of a case."""
        for work in (self.folder / "drafts").glob(f"{case}-*"):
            _remove(work)

    def publish(self, case: PlannedCase, outcome: Outcome, work: Path) -> Outcome:
        """Move finished files to their names.

        Args:
            case: Case as the plan has it.
            outcome: Ending of the case; `written` lists the files by their names in the output folder.
            work: Folder from `new_work`.

        Raises:
            OutputError: they can't be moved, or a file that is not medsr's stands in their way.
        """
        before = self.outcome(case.case)
        known = set() if before is None else {one.name for one in before.written}
        place = (self.root / case.target).parent
        for entry in (work / MADE).iterdir():
            _refuse_foreign(place / entry.name, self.root, known)
        self.write(replace(outcome, state="publish", facts={**outcome.facts, "ending": outcome.state}))
        self._move(case, outcome, work, known)
        self.write(outcome)
        return outcome

    def recovered(self, case: PlannedCase, model_sha256: str, settings_key: str) -> Outcome | None:
        """The outcome of a case that is finished and still true, its files moved where a killed run left them.

        True is: input, weights and settings are the same, and the files lie there as they were written.
        """
        outcome = self.outcome(case.case)
        if outcome is None or not outcome.written or not _is_same_input(case, outcome, model_sha256, settings_key):
            return None
        if outcome.state == "publish":
            for work in (self.folder / "drafts").glob(f"{case.case}-*"):
                with suppress(OutputError):
                    self._move(case, outcome, work, set())
            facts = dict(outcome.facts)
            outcome = replace(outcome, state=facts.pop("ending"), facts=facts)
            if all(self._is_whole(one) for one in outcome.written):
                self.write(outcome)
                self.sweep(case.case)
        return outcome if all(self._is_whole(one) for one in outcome.written) else None

    def _move(self, case: PlannedCase, outcome: Outcome, work: Path, known: set[str]) -> None:
        place = (self.root / case.target).parent
        with _written(place):
            place.mkdir(parents=True, exist_ok=True)
            for entry in sorted((work / MADE).iterdir()):
                if (place / entry.name).is_dir():
                    (place / entry.name).rename(work / f"old-{entry.name}")
                entry.replace(place / entry.name)
            if (work / THUMB).exists():
                (work / THUMB).replace(self.thumbnail(case.case))
            for name in known - {one.name for one in outcome.written}:
                (self.root / name).unlink(missing_ok=True)
        shutil.rmtree(work, ignore_errors=True)

    def _is_whole(self, written: Written) -> bool:
        path = self.root / written.name
        try:
            stat = path.stat()
        except OSError:
            return False
        if stat.st_size != written.n_bytes:
            return False
        return stat.st_mtime_ns == written.mtime_ns or files.sha256_file(path) == written.sha256

    def _path(self, case: str, state: State) -> Path:
        return self.folder / "cases" / f"{case}.{state}.json"


def _is_same_input(case: PlannedCase, outcome: Outcome, model_sha256: str, settings_key: str) -> bool:
    if outcome.key != case_key(outcome.input_sha256, model_sha256, settings_key):
        return False
    if case.fingerprint and case.fingerprint == outcome.fingerprint:
        return True
    try:
        digests = [files.sha256_file(Path(path)) for path in case.files]
    except InputError:
        return False
    return files.sha256_of_digests(digests) == outcome.input_sha256


def _refuse_foreign(path: Path, root: Path, known: set[str]) -> None:
    name = path.relative_to(root).as_posix()
    if not path.exists() or name in known or any(other.startswith(f"{name}/") for other in known):
        return
    if (
        not path.with_name(f"{path.name}.json").exists()
        and not path.name.endswith(".json")
        and "_uncertainty" not in path.name
    ):
        raise OutputError("a file that medsr did not write has the name of the output; move it away")


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is still there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _written(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(files.unwritable(place, error)) from error
