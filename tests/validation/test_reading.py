"""The plan of a blinded reading and its key: balanced, random by the seed, and read back as written."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsr.errors import InputError
from medsr.validation.reading import ReadingCase, plan_reading, read_key, write_key

METHODS = ("mean", "cubic")


def cases(n):
    return [ReadingCase(f"sub-{i:02}_T1w", "iso2", f"{i:02}", "axial") for i in range(n)]


@given(st.integers(1, 40), st.integers(0, 99))
def test_every_case_comes_once_a_quarter_again_and_sides_are_balanced(n, seed):
    key = plan_reading(cases(n), METHODS, seed)
    once = [pair for pair in key.pairs if pair.repeats is None]
    assert [pair.number for pair in key.pairs] == list(range(1, len(key.pairs) + 1))
    assert sorted(pair.case.scan for pair in once) == [case.scan for case in cases(n)]
    assert len(key.pairs) - n == -(-n // 4)
    left = Counter(pair.left for pair in once)
    assert left["mean"] - left["cubic"] in (0, 1)
    for pair in key.pairs:
        assert {pair.left, pair.right} == set(METHODS)
        if pair.repeats is not None:
            first = key.pairs[pair.repeats - 1]
            assert (first.case, first.left, first.repeats) == (pair.case, pair.right, None)


def test_the_seed_decides_about_order_and_sides_and_the_name_about_the_whole():
    found = [plan_reading(cases(20), METHODS, seed) for seed in (0, 0, 1)]
    assert found[0] == found[1]
    assert [p.case for p in found[0].pairs] != [p.case for p in found[2].pairs]
    assert [p.left for p in found[0].pairs] != [p.left for p in found[2].pairs]
    assert found[0].study != found[2].study
    assert [p.case.scan for p in found[0].pairs if p.repeats is None] != [case.scan for case in cases(20)]
    assert plan_reading(cases(19), METHODS, 0).study != found[0].study


def test_a_key_comes_back_as_it_was_written(tmp_path):
    key = plan_reading(cases(9), METHODS, 3)
    write_key(key, tmp_path / "k.json")
    assert read_key(tmp_path / "k.json") == key


@pytest.mark.parametrize(
    "change",
    [
        lambda content: [],
        lambda content: content | {"schema": 2},
        lambda content: content | {"methods": ["mean", "tv"]},
        lambda content: content | {"pairs": content["pairs"][1:]},
        lambda content: content | {"pairs": [pair | {"repeats": 99} for pair in content["pairs"]]},
        lambda content: {key: value for key, value in content.items() if key != "study"},
    ],
)
def test_a_damaged_key_is_refused_in_one_line(tmp_path, change):
    path = tmp_path / "k.json"
    write_key(plan_reading(cases(5), METHODS, 0), path)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(InputError, match=r"k\.json: not the key of a reading") as caught:
        read_key(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{", b"1"])
def test_what_is_no_json_is_no_key(tmp_path, content):
    (tmp_path / "k.json").write_bytes(content)
    with pytest.raises(InputError):
        read_key(tmp_path / "k.json")
