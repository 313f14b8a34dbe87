"""Criteria as they are written in TOML: read, and refused in one line where they make no sense."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medsr.errors import UsageError
from medsr.validation.criteria import MEASURES, Criterion, is_sheet, read_sheet

GAIN = Criterion("gain", "psnr_interior_db", "mean", ">=", 1.0, "a source", against="ibp", p_below=0.05)
TABLE = """
[[criteria]]
text = "gain"
metric = "psnr_interior_db"
statistic = "mean"
against = "ibp"
comparison = ">="
threshold = 1
p_below = 0.05
source = "a source"
"""


def test_what_ships_is_read_and_says_where_each_limit_is_from():
    sheet = read_sheet(())
    assert not sheet.asked
    assert len(sheet.criteria) == sheet.text.count("\n[[criteria]]") >= 4
    for one in sheet.criteria:
        assert one.method == "mean"
        assert one.source.startswith("medsr's own convention") or "510(k) summary K203182" in one.source


def test_a_copy_of_it_is_a_gate(tmp_path):
    path = tmp_path / "mine.TOML"
    path.write_text(read_sheet(()).text.replace("threshold = 0.9", "threshold = 0.8"))
    sheet = read_sheet(("psnr>=3", str(path)))
    assert sheet.asked
    assert sheet.criteria[0] == replace(read_sheet(()).criteria[0], threshold=0.8)


def test_a_table_is_a_criterion(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text(TABLE)
    assert read_sheet((str(path),)).criteria == (GAIN,)
    assert is_sheet(str(path))
    assert not is_sheet("psnr>=3")
    assert not is_sheet("gates.txt")


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "criteria"),
        ("x = [", "not TOML"),
        ("criteria = []", "0 criteria"),
        (TABLE + "treshold = 1", r"unknown key criteria\.0\.treshold; known are against"),
        (TABLE.replace('"mean"', '"mode"'), r"criteria\.0\.statistic"),
        (TABLE.replace('">="', '"=="'), r"criteria\.0\.comparison"),
        (TABLE.replace("psnr_interior_db", "psnr_of_the_moon"), "no metric is called 'psnr_of_the_moon'"),
        (TABLE.replace('"ibp"', '"magic"'), "no method is called 'magic'"),
        (TABLE.replace('against = "ibp"\n', ""), "against"),
        (TABLE.replace('against = "ibp"\n', "").replace("p_below = 0.05", "").replace('"mean"', '"share"'), "against"),
        (TABLE.replace("0.05", "1.5"), "between 0 and 1"),
        (TABLE.replace("= 1\n", "= nan\n"), "threshold"),
        (TABLE.replace('"a source"', '" "'), "source"),
        ("#" * 70_000, "too large"),
    ],
)
def test_damaged_files_are_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        read_sheet((str(path),))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_and_a_second_one_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"gone\.toml: can't be read"):
        read_sheet((str(tmp_path / "gone.toml"),))
    with pytest.raises(UsageError, match="two files of criteria"):
        read_sheet(("a.toml", "b.toml"))


def test_a_gain_is_positive_where_a_number_has_become_better():
    assert MEASURES["psnr_db"].gain(31, 30) == 1
    assert MEASURES["hfen"].gain(0.3, 0.4) == pytest.approx(0.1)
    assert MEASURES["lesion_contrast"].gain(1.2, 0.5) == pytest.approx(0.3)


@pytest.mark.parametrize("comparison, kept", [(">=", [0, 1]), (">", [1]), ("<=", [-1, 0]), ("<", [-1])])
def test_a_comparison_means_what_it_does_in_python(comparison, kept):
    one = replace(GAIN, comparison=comparison, threshold=0.0)
    assert [value for value in (-1, 0, 1) if one.keeps(value)] == kept
    assert not one.keeps(float("nan"))
