"""The run record: readable by machines, the same after a round trip, and without a patient."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsr.errors import InputError
from medsr.record import NOTICE, SCHEMA, Record, stack_text

VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
FACTS = st.dictionaries(st.text(max_size=6), VALUES | st.lists(VALUES, max_size=3), max_size=4)


def records():
    words = st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=3)
    return st.builds(
        Record,
        versions=words,
        input=FACTS,
        model=words,
        task=FACTS,
        settings=FACTS,
        device=st.text(max_size=8),
        seconds=st.dictionaries(st.text(max_size=6), st.floats(0, 1e6), max_size=3),
        peak_memory_bytes=st.integers(0, 2**50),
        noise_sigma=st.none() | st.floats(0, 1e6),
        residual=st.none() | st.floats(0, 1e6),
        envelope=st.sampled_from(("inside", "outside", "")),
        warnings=st.lists(st.text(max_size=9), max_size=3).map(tuple),
    )


@given(records())
def test_there_and_back_is_the_identity(record):
    assert Record.from_json(record.to_json()) == record


@given(records())
def test_it_is_strict_json_that_ends_in_a_newline(record):
    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    text = record.to_json()
    content = json.loads(text, parse_constant=refuse)
    assert text.endswith("}\n")
    assert content["schema"] == SCHEMA
    assert content["notice"] == NOTICE
    assert list(content)[:3] == ["versions", "input", "task"]


def test_the_notice_says_what_the_result_must_not_be_used_for():
    assert "not a medical device" in NOTICE
    assert "\n" not in NOTICE


@given(records(), st.text(min_size=1, max_size=6).map(lambda name: f"later_{name}"))
def test_what_a_later_version_adds_is_passed_over(record, name):
    content = {**json.loads(record.to_json()), name: 1}
    assert Record.from_json(json.dumps(content)) == record


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        "{}",
        f'{{"schema": {SCHEMA}}}',
        f'{{"schema": {SCHEMA}, "warnings": null}}',
        "[" * 100_000,
        '{"schema": null}',
    ],
    ids=lambda text: text[:30],
)
def test_what_is_not_a_record_is_refused(text):
    with pytest.raises(InputError) as caught:
        Record.from_json(text)
    assert "\n" not in str(caught.value)


def test_another_schema_is_refused_by_number():
    with pytest.raises(InputError, match=f"has schema 1; this version reads schema {SCHEMA}"):
        Record.from_json('{"schema": 1}')


def test_a_stack_says_how_it_fits_though_nothing_is_resolved_across_its_slices():
    stack = {"shift_mm": 1.0, "turn_deg": 2.0, "registration_error_mm": 0.1, "correlation": 0.9, "residual": 1.1}
    assert stack_text({**stack, "slices": None}).endswith("residual 1.10")
