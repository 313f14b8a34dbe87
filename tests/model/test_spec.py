"""The metadata of weights files: what goes in comes out, and everything else is refused in one line."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save
from tiny_models import TINY, tiny_net

from medsr.errors import ModelError
from medsr.model.spec import Calibration, Envelope, ModelSpec, calibration_group, specification_in
from medsr.model.weights import weights_bytes

SPEC = ModelSpec("tiny", "3", TINY, trained={"steps": 7}, error_variance=0.2, sample_scale=0.9)


def content_of(spec=SPEC):
    return weights_bytes(tiny_net().state_dict(), spec)


def rewritten(change, content=None):
    """A weights file after `change(facts)` of its specification."""
    content = content_of() if content is None else content
    size = int.from_bytes(content[:8], "little")
    facts = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["medsr"])
    return save(load(content), {"medsr": json.dumps(change(facts) or facts)})


def refused(content, match):
    with pytest.raises(ModelError, match=match) as caught:
        specification_in(content, "tiny.safetensors")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 5


def test_what_is_written_is_read():
    assert specification_in(content_of(), "tiny.safetensors") == SPEC


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=4
    )
)
def test_any_other_header_is_refused(content):
    for header in (content, {"__metadata__": content}, {"__metadata__": {"medsr": json.dumps(content)}}):
        text = json.dumps(header).encode()
        refused(len(text).to_bytes(8, "little") + text, "not a medsr weights file")


def test_another_format_is_refused():
    refused(rewritten(lambda facts: {**facts, "format": "medsr-9"}), "has format 'medsr-9'")


@pytest.mark.parametrize(
    "change",
    [
        {"envelope": None},
        {"envelope": {"colours": 3}},
        {"net": {"width": 8}},
        {"net": {**dataclasses.asdict(TINY), "width": 10**9}},
        {"net": {**dataclasses.asdict(TINY), "blocks": 10**9}},
        {"net": {**dataclasses.asdict(TINY), "width": "8"}},
        {"net": {**dataclasses.asdict(TINY), "width": 8.0}},
        {"net": {**dataclasses.asdict(TINY), "width": -8}},
        {"net": None},
        {"unheard_of": 1},
    ],
)
def test_a_specification_that_makes_no_sense_is_refused(change):
    refused(rewritten(lambda facts: {**facts, **change}), r"tiny\.safetensors")


def test_a_specification_without_envelope_is_refused():
    refused(rewritten(lambda facts: facts.pop("envelope") and facts), "does not fit this version")


def test_weights_for_other_inputs_are_refused():
    def other(facts):
        return {**facts, "net": {**facts["net"], "channels": 5}}

    refused(rewritten(other), "takes 5 maps")


# --- envelope ---------------------------------------------------------------------------------------------------------

MM = (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("modality", "factors", "fine", "objection"),
    [
        ("MR", (2, 2, 2), MM, None),
        ("CT", (1, 1, 5), (0.8, 0.8, 1.0), None),
        ("MR", (1, 1, 12), (0.5, 0.5, 0.6), None),
        ("MR", (1, 1, 13), (0.5, 0.5, 0.5), "factor 13"),
        ("MR", (7, 7, 1), (0.5, 0.5, 0.5), "factor 7"),
        ("MR", (1, 1, 8), MM, "slices every 8 mm"),
        ("PET", (2, 2, 2), MM, "modality PET"),
        ("MR", (2, 2, 2), (0.2, 1.0, 1.0), "result of 0.2 mm"),
        ("MR", (2, 2, 2), (3.0, 3.0, 3.0), "result of 3 mm"),
        ("MR", (1, 1, 2), (1.0, 6.0, 1.0), None),  # an axis that is not refined may be coarse
    ],
)
def test_the_envelope_says_what_lies_outside(modality, factors, fine, objection):
    found = Envelope().objections(modality, factors, fine)
    assert bool(found) == (objection is not None)
    assert objection is None or any(objection in line for line in found)


def test_every_reason_is_given_once():
    found = Envelope().objections("PET", (20, 20, 20), (0.1, 0.1, 0.1))
    assert len(found) == len(set(found)) == 3


@given(st.floats(1.01, 6), st.floats(0.35, 1.2))
def test_the_inside_of_the_envelope_has_no_objections(factor, spacing):
    assert Envelope().objections("MR", (factor,) * 3, (spacing,) * 3) == []


CALIBRATION = Calibration(
    levels=(0.5, 0.9),
    factors={kind: {"all": (1.0, 1.2), "MR, one axis": (0.9, 1.1)} for kind in ("samples", "variance")},
    subjects={"all": 8, "MR, one axis": 5},
    held_out={kind: {"all": (0.5, 0.9)} for kind in ("samples", "variance")},
    samples=8,
    steps=6,
    tasks=("iso2", "thick5"),
)


def test_a_calibration_is_kept_with_the_weights():
    found = specification_in(
        content_of(dataclasses.replace(SPEC, calibration=CALIBRATION)), "c.safetensors"
    ).calibration
    assert found == CALIBRATION
    assert found.factors_for("samples", calibration_group("MR", (1.0, 1.15, 5.0))) == {0.5: 0.9, 0.9: 1.1}
    assert found.factors_for("variance", calibration_group("CT", (2.0, 2.0, 1.0))) == {0.5: 1.0, 0.9: 1.2}


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts["calibration"]["factors"].pop("draws"),
        lambda facts: facts["calibration"]["factors"]["draws"].pop("all"),
        lambda facts: facts["calibration"]["factors"]["draws"].update(all=[1.0]),
        lambda facts: facts["calibration"]["factors"]["variance"].update(all=[1.0, -1.0]),
        lambda facts: facts["calibration"]["factors"]["variance"].update(all=[1.0, float("nan")]),
        lambda facts: facts["calibration"].update(factors=[]),
        lambda facts: facts.update(calibration=[1]),
    ],
)
def test_a_damaged_calibration_is_refused(change):
    content = content_of(dataclasses.replace(SPEC, calibration=CALIBRATION))

    def damage(facts):
        change(facts)

    refused(rewritten(damage, content), "its specification does not fit this version")
