"""The table of engines: each entry is whole, and no option is taken in silence."""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass

import pytest
from batches import MODEL, scans

from medsr.batch.plan import make_plan
from medsr.batch.recipe import BatchRecipe
from medsr.batch.run import begin, work_on
from medsr.cli.batch import run
from medsr.cli.sharing import ENGINE_HELP
from medsr.cli.validate import validate
from medsr.engine.engines import ENGINES, Engine, engine_named
from medsr.errors import ResourceError, UsageError


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_an_engine_has_options_that_the_command_line_has_and_works_on_assignments(engine: Engine) -> None:
    module = engine.load()
    assert is_dataclass(module.Options)
    for command in (run, validate):
        assert {field.name for field in fields(module.Options)} <= set(inspect.signature(command).parameters)
    assert list(inspect.signature(module.work).parameters) == ["assignment", "options", "on_outcome", "on_tick"]
    assert engine.options({}) == module.Options()
    assert f"{engine.name}, {engine.summary}" in ENGINE_HELP


def test_an_option_of_another_engine_is_refused_and_its_own_are_named() -> None:
    with pytest.raises(UsageError, match="--tls-ca is for --engine dask, not for --engine local"):
        engine_named("local").options({"tls_ca": "ca.pem"})
    with pytest.raises(UsageError, match=r"--shard is for --engine local or .*not for --engine slurm"):
        engine_named("slurm").options({"shard": (1, 2)})
    assert engine_named("local").options({"shard": (1, 2)}) == engine_named("local").options({})
    assert engine_named("slurm").options({"tasks": 3}).tasks == 3


def test_an_unknown_engine_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=f"choose one of {', '.join(ENGINES)}"):
        engine_named("cloud")


def test_what_an_engine_needs_is_asked_for_before_any_work(tmp_path, monkeypatch) -> None:
    plan = make_plan(scans(tmp_path / "in", ["good.nii.gz"]), tmp_path / "out", BatchRecipe(), MODEL)
    store = begin(plan, tmp_path / "out")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ResourceError, match=r"needs sbatch, which is not installed here; .*--print-script"):
        work_on(plan, store, lambda *_: None, engine="slurm")
    assert store.states() == {}
