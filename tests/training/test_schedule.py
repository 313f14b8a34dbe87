"""Laws of the schedule: what a step gets is a function of the recipe and its number."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsr.training.schedule import TrainingSettings, learning_rate_at, patches_at, variety_at

RECIPES = st.builds(
    TrainingSettings,
    steps=st.integers(1, 5000),
    warmup=st.integers(0, 500),
    decay_share=st.floats(0, 1),
    plain_steps=st.integers(0, 500),
    widening_steps=st.integers(0, 500),
)


@given(RECIPES, st.floats(0, 1))
def test_the_learning_rate_stays_between_zero_and_its_peak(settings, share):
    step = min(int(share * settings.steps), settings.steps - 1)
    assert 0 < learning_rate_at(step, settings) <= settings.learning_rate
    assert learning_rate_at(settings.steps, settings) == 0


@given(RECIPES, st.floats(0, 1), st.floats(0, 1))
def test_a_step_has_as_many_voxels_in_slabs_as_in_cubes(settings, start, share):
    settings = dataclasses.replace(settings, slab_from=start, slab_share=share)
    steps = min(settings.steps, 400)
    seen = [patches_at(step, settings) for step in range(steps)]
    for shape, count in seen:
        assert shape in (settings.slab, (settings.patch,) * 3)
        assert math.prod(shape) * count == pytest.approx(settings.batch * settings.patch**3, rel=0.1)
    slabs = [shape == settings.slab for shape, _ in seen]
    late = [step for step in range(steps) if step >= start * settings.steps]
    assert sum(slabs) == sum(slabs[step] for step in late)
    assert abs(sum(slabs) - share * len(late)) <= 1


def test_the_learning_rate_rises_stays_and_falls():
    settings = TrainingSettings(steps=1000, warmup=100, decay_share=0.5, learning_rate=1.0)
    at = [learning_rate_at(step, settings) for step in range(1000)]
    assert at[0] == pytest.approx(0.01)
    assert at[49] == pytest.approx(0.5)
    assert set(at[99:501]) == {1.0}
    assert at[750] == pytest.approx(0.5)
    assert at == sorted(at[:300]) + sorted(at[300:], reverse=True)


@given(RECIPES, st.integers(0, 6000))
def test_variety_never_falls_and_reaches_one(settings, step):
    here, next_one = (variety_at(s, settings) for s in (step, step + 1))
    assert 0 <= here <= next_one <= 1
    assert variety_at(settings.plain_steps, settings) == 0
    assert variety_at(settings.plain_steps + max(1, settings.widening_steps), settings) == 1


@pytest.mark.parametrize("sizes", [{"patch": 8}, {"slab": (32, 16, 8)}])
def test_patches_too_small_to_learn_from_are_refused(sizes):
    with pytest.raises(ValueError, match="expected sides of 12 or more"):
        TrainingSettings(**sizes)
