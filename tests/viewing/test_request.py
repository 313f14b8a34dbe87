"""A wish survives its passage and says the same on the command line."""

from __future__ import annotations

import dataclasses
import json
import shlex
import subprocess
import sys
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsr.enhancement.enhancement import EnhanceSettings
from medsr.enhancement.files import EnhanceCase
from medsr.errors import UsageError
from medsr.model.weights import DEFAULT_MODEL
from medsr.physics.ops import Profile
from medsr.viewing.request import Wish, numbers_of, result_path

numbers = st.one_of(st.none(), st.tuples(*[st.floats(0.3, 8.0)] * 3), st.tuples(st.floats(0.3, 8.0)))
boxes = st.one_of(st.none(), st.tuples(*[st.tuples(*[st.integers(0, 99)] * 3)] * 2))
wishes = st.builds(
    Wish,
    spacing_mm=numbers,
    mode=st.sampled_from(["mean", "sample", "uncertainty"]),
    blend=st.floats(0, 1),
    seed=st.integers(0, 2**31),
    profile=st.sampled_from(get_args(Profile)),
    thickness_mm=st.one_of(st.none(), st.floats(0.5, 9.0)),
    force=st.booleans(),
    region=boxes,
)


@given(wishes)
def test_a_wish_survives_json(wish):
    assert Wish.from_dict(json.loads(json.dumps(wish.to_dict()))) == wish


def test_the_defaults_are_those_of_the_command_line():
    wish, settings, case = Wish(), EnhanceSettings(), EnhanceCase()
    for name in ("mode", "blend", "samples", "steps", "seed", "flips", "force"):
        assert getattr(wish, name) == getattr(settings, name)
    for name in ("spacing_mm", "factors", "profile", "thickness_mm"):
        assert getattr(wish, name) == getattr(case, name)
    assert wish.model == DEFAULT_MODEL


def test_a_plain_wish_is_a_plain_command():
    assert Wish().command("a b.nii.gz", "out.nii.gz") == "medsr enhance 'a b.nii.gz' out.nii.gz"


@given(wishes)
def test_every_word_of_the_command_is_an_option_of_medsr_enhance(wish):
    import inspect

    from medsr.cli.enhance import enhance

    known = {f"--{name.replace('_', '-')}" for name in inspect.signature(enhance).parameters}
    words = shlex.split(wish.command("in.nii", "out.nii"))
    assert words[:4] == ["medsr", "enhance", "in.nii", "out.nii"]
    assert {word for word in words if word.startswith("--")} <= known


def test_only_what_counts_in_a_mode_is_said():
    wish = Wish(mode="sample", blend=0.5, samples=3, steps=9, factors=(1.0, 1.0, 5.0))
    assert wish.command("", "o.nii") == "medsr enhance SCAN o.nii --factor 1,1,5 --mode sample --blend 0.5 --steps 9"
    assert "--samples 3" in dataclasses.replace(wish, mode="uncertainty").command("", "o.nii")


def test_an_unknown_key_is_refused():
    with pytest.raises(UsageError, match="colour"):
        Wish.from_dict({"colour": "red"})


@pytest.mark.parametrize(
    ("text", "values"), [("", None), ("1", (1.0,)), (" 1, 2.5 ,3", (1.0, 2.5, 3.0)), ("1 1 5", (1.0, 1.0, 5.0))]
)
def test_numbers_are_one_or_three(text, values):
    assert numbers_of(text) == values


@pytest.mark.parametrize("text", ["1,2", "a", "0", "-1", "inf", "nan", "1,1,1,1"])
def test_anything_else_is_refused(text):
    with pytest.raises(UsageError, match="one number above 0, or three"):
        numbers_of(text)


@pytest.mark.parametrize(
    ("source", "target"),
    [("", "finer.nii.gz"), ("a/head.nii.gz", "a/head_finer.nii.gz"), ("a/series", "a/series_finer.nii.gz")],
)
def test_a_result_lies_beside_its_scan(source, target):
    assert result_path(source) == target


def test_the_viewer_side_stays_light():
    code = "import sys; import medsr.viewing.request, medsr.viewing.exchange; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
