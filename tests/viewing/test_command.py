"""The command line that the viewer shows asks for what the form asks for."""

from __future__ import annotations

import dataclasses
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsr.cli import app, enhance
from medsr.enhancement.settings import MODES, SAMPLER_NAMES, EnhanceSettings, Input, Output
from medsr.errors import UsageError
from medsr.io.dicom.options import Compression, Gaps, NaN, Tilt
from medsr.io.recipes import parsed
from medsr.physics.profiles import PROFILES
from medsr.viewing.command import UNUSED, command_of, numbers_of, result_path

# Numbers as they are typed: what a command shows of them is the whole number.
number = st.integers(1, 80).map(lambda n: n / 10)
numbers = st.one_of(st.none(), st.tuples(*[number] * 3), st.tuples(number))
corner = st.tuples(*[st.integers(0, 99)] * 3)
inputs = st.builds(
    Input,
    gaps=st.sampled_from(get_args(Gaps)),
    tilt=st.sampled_from(get_args(Tilt)),
    nan=st.sampled_from(get_args(NaN)),
    volume=st.sampled_from([None, "2.1"]),
)
outputs = st.builds(
    Output,
    format=st.sampled_from([None, "nifti", "dicom"]),
    like=st.sampled_from([None, Path("a series")]),
    dtype=st.sampled_from([None, "int16"]),
    compress=st.sampled_from(get_args(Compression)),
    keep_private=st.booleans(),
    parametric_map=st.booleans(),
)
requests = st.builds(
    EnhanceSettings,
    spacing_mm=numbers,
    factors=numbers,
    profile=st.sampled_from(PROFILES),
    thickness_mm=st.one_of(st.none(), number),
    noise=st.one_of(st.none(), number),
    modality=st.sampled_from([None, "MR", "CT"]),
    mode=st.sampled_from(MODES),
    blend=st.sampled_from([0.0, 0.5, 1.0]),
    samples=st.just(0) | st.integers(2, 20),
    steps=st.integers(1, 20),
    sampler=st.sampled_from(SAMPLER_NAMES),
    seed=st.integers(0, 2**31),
    flips=st.integers(0, 3),
    model=st.sampled_from(["medsr-base", "own model.safetensors"]),
    device=st.sampled_from(["auto", "cpu", "cuda:1"]),
    tile=st.one_of(st.none(), st.integers(1, 99)),
    region=st.one_of(st.none(), st.tuples(corner, corner)),
    force=st.booleans(),
    input=inputs,
    output=outputs,
)


@given(requests)
def test_settings_survive_json(settings):
    assert parsed(EnhanceSettings, json.loads(json.dumps(settings.to_dict())), "settings") == settings


@pytest.fixture(scope="module")
def terminal():
    """Settings that the command line makes of words, without doing the work."""
    caught = []

    def catch(source, target, settings, **_):
        caught.append(settings)
        return []

    def parse(words):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("medsr.enhancement.outputs.check_target", lambda *_, **__: "nifti")
            patch.setattr(
                "medsr.enhancement.files.enhance_file",
                catch,
            )
            with pytest.raises(IndexError):  # no record came back, so there is nothing to print
                app.app(words, standalone_mode=False)
        return caught.pop()

    return parse


@given(asked=requests)
def test_the_command_asks_for_the_same(terminal, asked):
    words = shlex.split(command_of(asked, "in.nii", "out.nii"))
    assert words[:4] == ["medsr", "enhance", "in.nii", "out.nii"]
    unused = {name: getattr(EnhanceSettings, name) for name in UNUSED[asked.mode]}
    assert terminal(words[1:]) == dataclasses.replace(asked, **unused)


def test_the_defaults_of_the_command_line_are_those_of_the_settings(terminal):
    assert terminal(["enhance", "in.nii", "out.nii"]) == EnhanceSettings()
    assert EnhanceSettings() == enhance.DEFAULT


def test_a_plain_request_is_a_plain_command():
    assert command_of(EnhanceSettings(), "a b.nii.gz", "out.nii.gz") == "medsr enhance 'a b.nii.gz' out.nii.gz"


def test_further_stacks_stand_between_scan_and_result():
    said = command_of(EnhanceSettings(), "a.nii", "o.nii", ["b c.nii", ""])
    assert said == "medsr enhance a.nii 'b c.nii' STACK3 o.nii"
    for grid, word in (("t 1.nii", "'t 1.nii'"), ("", "GRID")):
        assert command_of(EnhanceSettings(), "a.nii", "o.nii", ["b.nii"], grid) == (
            f"medsr enhance a.nii b.nii o.nii --grid {word}"
        )


def test_only_what_counts_in_a_mode_is_said():
    request = EnhanceSettings(mode="sample", blend=0.5, samples=3, steps=9, factors=(1.0, 1.0, 5.0))
    assert command_of(request, "", "o.nii") == (
        "medsr enhance SCAN o.nii --factor 1,1,5 --mode sample --blend 0.5 --steps 9"
    )
    assert "--samples 3" in command_of(dataclasses.replace(request, mode="uncertainty"), "", "o.nii")


def test_an_unknown_key_is_refused():
    with pytest.raises(UsageError, match="unknown key colour"):
        parsed(EnhanceSettings, {"colour": "red"}, "settings")


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
    modules = "medsr.viewing.command, medsr.viewing.exchange, medsr.model.packaged"
    code = f"import sys; import {modules}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
