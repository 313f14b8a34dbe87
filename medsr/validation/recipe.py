"""The recipe of a study: which tasks and methods are measured, what is measured beside them, and the gates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar

from medsr.engine.deadlines import Deadlines
from medsr.enhancement.settings import EnhanceSettings, with_model_beside
from medsr.errors import UsageError
from medsr.fusion.checks import check_request
from medsr.io.recipes import FORBID_UNKNOWN, parsed, read_toml
from medsr.metrics.gates import Gate, read_gates
from medsr.metrics.table import UNCERTAINTY_NAMES
from medsr.physics.tasks import TASKS, Task
from medsr.validation.criteria import Sheet, is_sheet, read_sheet
from medsr.validation.methods import ALL_METHODS, FUSED, LEARNED, PICTURED, check_methods

DECIDED_BY_TASK = ("spacing_mm", "factors", "profile", "thickness_mm", "modality", "region")
LONGEST_SILENCE_S = 3600.0  # structures and intervals are measured without a word
PAIR = Task("pair")
"""What is asked of a real pair: to restore the low scan as it is."""


@dataclass(frozen=True)
class StudyRecipe:
    """What `medsr validate` reads; paths are relative to the recipe's folder.

    Attributes:
        tasks: Tasks that degrade every reference. Each is a table of its own: `name`, and the keys of
            `medsr.physics.tasks.Task`, or `base`, a named task whose keys hold where no other is given.
        methods: Names out of `medsr.validation.methods.ALL_METHODS`.
        workers: Number of processes for each device; 0 works in this process where nothing is kept in a folder, and in
            one of its own where cases are.
        gates: Limits, files of them, or a TOML file of criteria; exit code 8 where one is not kept.
        blend: Weights of the sample, 0 (mean) to 1 (sample), for the line of error against texture.
        uncertainty: Measure how far the stated uncertainty can be trusted.
        hallucination: Run the hallucination tests, which plant lesions and look for what is invented, erased or biased.
        anatomy: Segment the reference and the results, and compare the structures of the body.
        reading: Two methods for a page on which readers compare them blinded, out of
            `medsr.validation.methods.PICTURED`; empty for none.
        bootstrap_seed: Random seed for the intervals over subjects, and for order and sides of a reading.
        memory_gib: Memory for each worker; None for its share of four fifths of the machine's.
        deadlines: Longest silence of each stage before a process is taken for hung.
        enhance: Settings of the learned methods, their model and device.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID_UNKNOWN

    tasks: tuple[Task, ...] = ()
    methods: tuple[str, ...] = ALL_METHODS
    workers: int = 0
    gates: tuple[str, ...] = ()
    blend: tuple[float, ...] = ()
    uncertainty: bool = False
    hallucination: bool = False
    anatomy: bool = False
    reading: tuple[str, ...] = ()
    bootstrap_seed: int = 0
    memory_gib: float | None = None
    deadlines: Deadlines = field(default_factory=lambda: Deadlines(enhance=LONGEST_SILENCE_S))
    enhance: EnhanceSettings = field(default_factory=EnhanceSettings)

    def __post_init__(self) -> None:
        check_methods(self.methods)
        names = [task.name for task in self.tasks]
        twice = [name for name in names if names.count(name) > 1 or name == PAIR.name]
        if twice:
            raise UsageError(f"two tasks are called {twice[0]!r}; give each a name of its own, and none {PAIR.name!r}")
        if not all(0 <= blend <= 1 for blend in self.blend):
            raise UsageError(f"blend is {list(self.blend)}; expected numbers from 0 (mean) to 1 (sample)")
        asked = [name for name in DECIDED_BY_TASK if getattr(self.enhance, name) != getattr(EnhanceSettings, name)]
        if asked:
            raise UsageError(f"enhance.{asked[0]} is set; in a validation the task or the pair decides about it")
        if self.enhance.cascade is not None and self.uncertainty:
            raise UsageError("a cascade has no uncertainty; leave enhance.cascade or uncertainty out")
        if self.stacked:
            if FUSED not in self.methods:
                raise UsageError(
                    f"task {self.stacked[0]!r} has stacks, for the method {FUSED!r}; add it to the methods"
                )
            check_request(replace(self.enhance, mode="mean", samples=0))
        pictured = [name for name in PICTURED if name in self.methods]
        if self.reading and (len(self.reading) != 2 or len({*self.reading} & {*pictured}) != 2):
            raise UsageError(f"reading is {', '.join(self.reading)}; expected two of {', '.join(pictured)}")
        if self.workers < 0 or self.bootstrap_seed < 0 or not self.methods:
            raise UsageError("expected at least one method, and neither workers nor a seed below 0")
        if self.memory_gib is not None and self.memory_gib <= 0:
            raise UsageError(f"memory_gib is {self.memory_gib}; expected more than 0")

    @property
    def limits(self) -> tuple[Gate, ...]:
        """The gates, read.

        Raises:
            MedsrError: as `medsr.metrics.gates.read_gates`.
        """
        return read_gates([gate for gate in self.gates if not is_sheet(gate)])

    @property
    def sheet(self) -> Sheet:
        """The criteria of the acceptance sheet, read: those among the gates, else those that ship with the package.

        Raises:
            UsageError: as `medsr.validation.criteria.read_sheet`.
        """
        return read_sheet(self.gates)

    @property
    def stacked(self) -> tuple[str, ...]:
        """Names of the tasks that make several stacks."""
        return tuple(task.name for task in self.tasks if task.stacks > 1)

    @property
    def measures_uncertainty(self) -> bool:
        """Whether it is asked for: a gate on it does so as well."""
        return self.uncertainty or any(gate.metric in UNCERTAINTY_NAMES for gate in self.limits)

    @property
    def needs_model(self) -> bool:
        """Whether anything is measured of the model."""
        return bool(set(self.methods) & {*LEARNED, FUSED}) or bool(self.blend) or self.measures_uncertainty

    @property
    def settings_key(self) -> str:
        """Hash of what decides about the numbers of one case, its task aside."""
        measured = (self.measures_uncertainty, self.hallucination, self.anatomy)
        deciding = (self.methods, self.blend, *measured, self.enhance.facts())
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """What decided about the numbers, for the report: neither paths nor machines."""
        aside = ("workers", "memory_gib", "deadlines", "gates", "enhance")
        content = {key: value for key, value in asdict(self).items() if key not in aside}
        gates = [gate.text for gate in self.limits]
        gates += [one.text for one in self.sheet.criteria] if self.sheet.asked else []
        deciding: dict[str, Any] = json.loads(json.dumps({**content, "enhance": self.enhance.facts(), "gates": gates}))
        return deciding


def read_study_recipe(path: Path) -> StudyRecipe:
    """The recipe in a TOML file.

    Raises:
        UsageError: missing, not TOML, an unknown key or a value of the wrong kind.
    """
    recipe = study_recipe(read_toml(path, "a recipe of a study"), str(path))
    beside = [str(path.parent / text) if (path.parent / text).is_file() else text for text in recipe.gates]
    return replace(recipe, gates=tuple(beside), enhance=with_model_beside(recipe.enhance, path.parent))


def study_recipe(content: Mapping[str, Any], where: str = "recipe") -> StudyRecipe:
    """The recipe of a table of keys.

    Raises:
        UsageError: an unknown key or a value of the wrong kind.
    """
    tasks = content.get("tasks", ())
    if not isinstance(tasks, Sequence) or not all(isinstance(task, Mapping) for task in tasks):
        raise UsageError(f"{where}: tasks are written as [[tasks]], each with a name")
    return parsed(StudyRecipe, {**content, "tasks": [_task(where, task) for task in tasks]}, where)


def _task(where: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """One task as keys of `Task`: what is not given is that of `base`, or of the named task of that name."""
    known = [entry.name for entry in fields(Task)]
    unknown = [key for key in table if key not in (*known, "base")]
    if unknown:
        raise UsageError(f"{where}: unknown key tasks.{unknown[0]}; known are base, {', '.join(known)}")
    base = table.get("base", table.get("name") if table.get("name") in TASKS else None)
    if base is not None and base not in TASKS:
        raise UsageError(f"{where}: no task is called {base!r}; choose one of {', '.join(TASKS)}")
    own = {key: value for key, value in table.items() if key != "base"}
    merged = (asdict(TASKS[base]) if base is not None else {}) | own
    if (merged.get("factor") is None) == (merged.get("thick_mm") is None):
        raise UsageError(f"{where}: task {merged.get('name', '')!r}: expected either factor or thick_mm")
    return merged
