"""Answers of readers: hand-made preferences and agreements, and damaged files that are refused in one line."""

from __future__ import annotations

import pytest

from medsr.errors import InputError
from medsr.validation.readers import COLUMNS, Answer, Reader, agreements_of, lines_of, read_reader
from medsr.validation.reading import ReadingCase, ReadingKey, ReadingPair

CASES = [ReadingCase(f"sub-{n}_T1w", "iso2", str(n), "axial") for n in range(4)]
KEY = ReadingKey(
    "0123456789ab",
    0,
    ("mean", "cubic"),
    (
        ReadingPair(1, CASES[0], "mean", "cubic"),
        ReadingPair(2, CASES[1], "cubic", "mean"),
        ReadingPair(3, CASES[0], "cubic", "mean", repeats=1),
        ReadingPair(4, CASES[2], "mean", "cubic"),
        ReadingPair(5, CASES[3], "cubic", "mean"),
    ),
)


def reader(*preferences, name="r1", artefacts=("no", "no")):
    left, right = (word == "yes" for word in artefacts)
    return Reader(name, {n: Answer(one, left, right) for n, one in enumerate(preferences, start=1)})


def test_preferences_are_told_of_the_method_whichever_side_it_was_on():
    """Pair 1: mean clearly; 2: mean slightly; 4: cubic slightly; 5: no difference; 3 repeats 1 and is as clear."""
    (found,) = agreements_of(KEY, [reader(-2, 1, 2, 1, 0)]).preferences
    assert (found.preferred["mean"].value, found.preferred["cubic"].value) == (0.5, 0.25)
    assert (found.undecided.value, found.pairs, found.subjects) == (0.25, 4, 4)
    assert (found.repeated, found.alike) == (1, 1)


def test_a_reader_who_always_takes_the_left_does_not_agree_with_themselves():
    (found,) = agreements_of(KEY, [reader(-2, -2, -2, -2, -2)]).preferences
    assert found.alike == 0
    assert found.kappa == 0  # one category each time, and never the same


def test_artefacts_count_for_the_method_and_not_for_the_side():
    (found,) = agreements_of(KEY, [reader(0, 0, 0, 0, 0, artefacts=("yes", "no"))]).preferences
    assert found.artefacts == {"mean": 2, "cubic": 2}
    one = Reader("r1", {pair.number: Answer(0, pair.left == "mean", pair.right == "mean") for pair in KEY.pairs})
    assert agreements_of(KEY, [one]).preferences[0].artefacts == {"mean": 4, "cubic": 0}


def test_subjects_and_not_pairs_are_the_unit():
    pairs = (*KEY.pairs, *(ReadingPair(n, CASES[0], "mean", "cubic") for n in (6, 7, 8)))
    key = ReadingKey(KEY.study, 0, KEY.methods, pairs)
    (found,) = agreements_of(key, [reader(-2, -1, 2, 2, -2, -2, -2, -2)]).preferences
    assert (found.pairs, found.subjects) == (7, 4)
    assert found.preferred["mean"].value == 0.25  # four pairs of one subject, none of the other three
    assert found.preferred["mean"].low == 0 <= found.preferred["mean"].high


def test_two_readers_agree_as_their_table_says():
    """Preferences for the mean 4, 3, 1, 2 and 4, 3, 1, 1: one of four off by one."""
    one, other = reader(-2, 1, 2, 1, 0), reader(-2, 1, 2, 1, -1, name="r2")
    (found,) = agreements_of(KEY, [one, other]).pairings
    a, b = [4, 3, 1, 2], [4, 3, 1, 1]
    by_chance = sum((x - y) ** 2 for x in a for y in b) / 16
    assert found.kappa == pytest.approx(1 - (1 / 4) / by_chance)
    assert found.artefact_kappa != found.artefact_kappa
    assert len(agreements_of(KEY, [one, other, reader(0, 0, 0, 0, 0, name="r3")]).pairings) == 3
    lines = list(lines_of(agreements_of(KEY, [one, other])))
    assert len(lines) == 7
    assert lines[0].startswith("r1: prefers mean in 50%")
    assert lines[-1].startswith("r1 and r2: weighted kappa 0.92 on preference")
    assert "kappa not defined on artefacts" in lines[-1]
    assert not any("\n" in line for line in lines)


def test_a_reader_counts_once():
    with pytest.raises(InputError, match="two files are of reader r1"):
        agreements_of(KEY, [reader(0, 0, 0, 0, 0)] * 2)


ROWS = [f"{KEY.study},r1,{n},-2,no,yes" for n in range(1, 6)]


def text(rows=ROWS):
    return "\n".join([",".join(COLUMNS), *rows, ""])


def test_a_file_is_read(tmp_path):
    path = tmp_path / "a.csv"
    for content in (text(), "\ufeff" + text().replace("\n", "\r\n")):  # as a spreadsheet saves it
        path.write_text(content, newline="")
        assert read_reader(path, KEY) == Reader("r1", {n: Answer(-2, False, True) for n in range(1, 6)})


@pytest.mark.parametrize(
    "content, said",
    [
        ("", "expected columns"),
        ("a,b\n1,2\n", "expected columns study"),
        (text([]), "expected columns"),
        (text(ROWS[:4]), "1 of 5 pairs are not answered"),
        (text([*ROWS, ROWS[0]]), r"line 7: pair '1' is unknown or a second time"),
        (text([*ROWS[:4], ROWS[4].replace(",5,", ",6,")]), "pair '6' is unknown"),
        (text([row.replace(KEY.study, "another") for row in ROWS]), "answers another reading than 0123456789ab"),
        (text([*ROWS[:4], ROWS[4].replace("r1", "r2")]), "expected one reader"),
        (text([row.replace("r1", "Jane Doe") for row in ROWS]), "expected one reader, by a code"),
        (text([*ROWS[:4], ROWS[4].replace("-2", "3")]), "line 6: not an answer"),
        (text([*ROWS[:4], ROWS[4].replace("-2", "")]), "line 6: not an answer"),
        (text([*ROWS[:4], ROWS[4].replace("yes", "maybe")]), "line 6: not an answer"),
        (text([*ROWS[:4], ROWS[4].rpartition(",")[0]]), "line 6: not an answer"),
    ],
)
def test_damaged_answers_are_refused_in_one_line(tmp_path, content, said):
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=said) as caught:
        read_reader(path, KEY)
    assert "\n" not in str(caught.value)


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not the answers of a reader"):
        read_reader(tmp_path / "a.csv", KEY)
    with pytest.raises(InputError):
        read_reader(tmp_path / "gone.csv", KEY)
