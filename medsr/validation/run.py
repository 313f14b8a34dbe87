"""Every case of a study to its ending: in this process, or by an engine that keeps each case as a part in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsr.engine.engines import DEFAULT
from medsr.engine.leases import Lease
from medsr.engine.outcome import Kind, Outcome, Tally
from medsr.engine.selection import Shard
from medsr.engine.store import Store
from medsr.engine.work import work_on
from medsr.errors import GeometryError, InputError, MedsrError, OutputError, ResourceError, UsageError
from medsr.io.names import shard_of
from medsr.validation.job import STAGES, assignment_of, id_of
from medsr.validation.measure import PlannedTrial, measure_trial
from medsr.validation.recipe import StudyRecipe
from medsr.validation.store import Part, Parts

Ending = Part | Exception
OnEnd = Callable[[PlannedTrial, Ending, int, int], None]
"""Called with a case, what came of it, the number of cases that ended, and that of all."""

ERRORS: Mapping[Kind, type[MedsrError]] = {
    "unreadable": InputError,
    "changed": InputError,
    "geometry": GeometryError,
    "unsupported": UsageError,
    "oom": ResourceError,
    "crash": ResourceError,
    "timeout": ResourceError,
    "write": OutputError,
}


@dataclass(frozen=True)
class Division:
    """How the work of a study is divided.

    Attributes:
        engine: Name in `medsr.engine.engines.ENGINES`.
        options: The engine's `Options`; None for its defaults.
        shard: Number of a part of the cases, from 1, and how many parts there are; None for all.
        command: Arguments of `medsr` that ask for the same study, for engines that run one.
        module: Module for the computing processes.
    """

    engine: str = DEFAULT
    options: Any = None
    shard: Shard | None = None
    command: tuple[str, ...] = ()
    module: str = STAGES

    def has(self, planned: PlannedTrial) -> bool:
        """Whether a case belongs to its part."""
        return self.shard is None or shard_of(id_of(planned), self.shard[1]) == self.shard[0] - 1


WHOLE = Division()


def run_here(planned: Sequence[PlannedTrial], recipe: StudyRecipe, on_end: OnEnd) -> list[Ending]:
    """Every case in this process; nothing is kept."""
    found: list[Ending] = []
    for one in planned:
        found.append(one.error or _attempt(one, recipe))
        on_end(one, found[-1], len(found), len(planned))
    return found


def _attempt(planned: PlannedTrial, recipe: StudyRecipe) -> Ending:
    try:
        measured = measure_trial(planned, recipe)
    except Exception as error:
        return error
    return Part(measured.findings, measured.hallucination)


def run_kept(
    planned: Sequence[PlannedTrial],
    recipe: StudyRecipe,
    model_sha256: str,
    folder: Path,
    division: Division,
    on_end: OnEnd,
) -> tuple[list[Ending | None], int]:
    """Every case of one part by an engine; cases that are kept in the folder are not measured again.

    Args:
        planned: All cases of the study.
        recipe: What is measured of them.
        model_sha256: Hash of the weights; "" where no model is measured.
        folder: Folder of the study's output.
        division: Part that is worked on, and by what.
        on_end: Called with each case of the part.

    Returns:
        What came of each case, None where it has not ended; and how many of the part were kept before.

    Raises:
        OutputError: the folder can't be written.
        MedsrError: as `engine.work.work_on`.
    """
    parts, store = Parts(folder), Store(folder)
    parts.prepare()
    store.prepare()
    own = [one for one in planned if division.has(one)]
    ended: dict[str, Ending] = {}

    def end(one: PlannedTrial, came: Ending) -> None:
        ended[id_of(one)] = came
        on_end(one, came, len(ended), len(own))

    for one in own:
        before = one.error or parts.read(one.key)
        if before is not None:
            end(one, before)
    n_before = sum(isinstance(came, Part) for came in ended.values())
    left = {id_of(one): one for one in own if id_of(one) not in ended}

    def on_change(tally: Tally, outcome: Outcome | None, running: int) -> None:
        if outcome is not None:
            one = left[outcome.case]
            end(one, _came(one, outcome, parts))

    if left:
        _discard_damaged(left, parts, store)
        assignment = assignment_of(
            list(left.values()), recipe, model_sha256, store, division.command, module=division.module
        )
        work_on(assignment, on_change, engine=division.engine, options=division.options)
    for one in own:
        if id_of(one) not in ended and (came := _kept(one, parts, store)) is not None:
            end(one, came)
    known = (ended.get(id_of(one)) if division.has(one) else _kept(one, parts, store) for one in planned)
    return list(known), n_before


def _kept(planned: PlannedTrial, parts: Parts, store: Store) -> Ending | None:
    """What another run has kept of a case; None where that has not ended."""
    if planned.error is not None:
        return planned.error
    part = parts.read(planned.key)
    if part is not None:
        return part
    outcome = store.read(id_of(planned), "failed")
    return None if outcome is None else _came(planned, outcome, parts)


def _came(planned: PlannedTrial, outcome: Outcome, parts: Parts) -> Ending:
    """The part of a case that is done, or its failure as an error; it names the first file, for the terminal."""
    if outcome.state == "done":
        return parts.read(planned.key) or OutputError(f"{parts.views(planned.key)}: is damaged; run again")
    if outcome.kind == "bug":
        return MedsrError(f"{planned.paths[0]}: an error of medsr ({outcome.reason})")
    return ERRORS[outcome.kind](f"{planned.paths[0]}: {outcome.reason}")


def _discard_damaged(left: Mapping[str, PlannedTrial], parts: Parts, store: Store) -> None:
    """Remove parts that can't be read, unless another run has the case or was killed while it moved them."""
    states = store.states()
    for case, one in left.items():
        if parts.is_damaged(one.key) and states.get(case) != "publish":
            lease = Lease(store.leases, case)
            if lease.take():
                if parts.is_damaged(one.key):
                    parts.discard(one.key)
                lease.give_back()
