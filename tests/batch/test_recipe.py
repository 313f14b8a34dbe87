"""What decides about a case's result: any changed setting, weights or input does it again, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from itertools import chain
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from batches import MODEL, copied, scans

from medsr.batch.job import job_of
from medsr.batch.plan import make_plan
from medsr.batch.recipe import BatchRecipe
from medsr.engine.progress import Count
from medsr.engine.selection import still_to_do
from medsr.engine.store import Store
from medsr.errors import MedsrError

USUAL = BatchRecipe()
ASIDE = {"device", "workers", "memory_gib", "queue_gib", "deadlines"}  # how the work is done
ASIDE |= {"include", "exclude", "fuse", "references", "gates"}  # which cases, and what is measured of them
ASIDE |= {"model"}  # a name: the hash of the weights counts
OF_ONE_SCAN = {"enhance.region", "enhance.output.like"}  # refused in a recipe
VALUES: dict[Any, tuple[Any, ...]] = {
    bool: (True, False),
    int: (1, 2, 3),
    float: (0.5, 2.0),
    str: ("one", "residual<=1.5"),
    Path: (Path("one"),),
    NoneType: (None,),
}


def settings_of(kind: type, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path and type of every setting, those within others included."""
    hints = get_type_hints(kind)
    for name in (entry.name for entry in fields(kind)):
        if is_dataclass(hints[name]):
            yield from settings_of(hints[name], (*before, name))
        else:
            yield (*before, name), hints[name]


def values_of(hint: Any) -> tuple[Any, ...]:
    """Some values of a type."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return inner
    if origin in (Union, UnionType):
        return tuple(chain.from_iterable(values_of(one) for one in inner))
    if origin is tuple and inner[-1] is Ellipsis:
        return tuple((value,) for value in values_of(inner[0]))
    if origin is tuple:
        return (tuple(values_of(one)[0] for one in inner),)
    return VALUES[hint]


def with_value(settings: Any, path: tuple[str, ...], value: Any) -> Any:
    """The settings with one changed."""
    name, *rest = path
    return replace(settings, **{name: with_value(getattr(settings, name), tuple(rest), value) if rest else value})


def changed(path: tuple[str, ...], hint: Any) -> BatchRecipe | None:
    """The usual recipe with another value of one setting; None where no other is allowed."""
    for value in values_of(hint):
        try:
            recipe = with_value(USUAL, path, value)
        except MedsrError:
            continue
        if recipe != USUAL:
            return recipe
    return None


CHANGED = {path: changed(path, hint) for path, hint in settings_of(BatchRecipe)}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished case: its plan, and where it lies."""
    folder = tmp_path_factory.mktemp("run")
    source, out = scans(folder / "in", ["good.nii.gz"]), folder / "out"
    assert copied(source, out)[0].done == 1
    return make_plan(source, out, USUAL, MODEL), Store(out)


def is_done_again(plan, store):
    return still_to_do(job_of(plan, store, "copying"), plan.cases, Count(plan.cases), again=False) == list(plan.cases)


def test_every_setting_has_another_value_to_try():
    assert {".".join(path) for path, recipe in CHANGED.items() if recipe is None} <= OF_ONE_SCAN


@pytest.mark.parametrize("path", [path for path, recipe in CHANGED.items() if recipe is not None], ids=".".join)
def test_a_case_is_done_again_for_any_setting_that_decides_about_its_result_and_for_no_other(path, done):
    plan, store = done
    assert is_done_again(replace(plan, recipe=CHANGED[path]), store) == (not ASIDE & set(path))


def test_a_case_is_done_again_for_other_weights_and_not_for_another_name_of_them(done):
    plan, store = done
    assert not is_done_again(plan, store)
    assert not is_done_again(replace(plan, model={**MODEL, "name": "renamed", "version": "1"}), store)
    assert is_done_again(replace(plan, model={**MODEL, "sha256": "1" * 64}), store)


def test_a_case_is_done_again_for_another_input_and_not_for_one_that_lies_elsewhere(done, tmp_path):
    plan, store = done
    [case] = plan.cases
    content = Path(case.files[0]).read_bytes()
    for name, same in (("same.nii.gz", content), ("other.nii.gz", content + b"more")):
        (tmp_path / name).write_bytes(same)
        elsewhere = replace(case, files=(str(tmp_path / name),), fingerprint=name)
        assert is_done_again(replace(plan, cases=(elsewhere,)), store) == (same != content)
