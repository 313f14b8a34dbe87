"""Gates as they are written, and their verdicts on hand-made tables."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsr.errors import InputError, UsageError
from medsr.metrics.gates import Gate, case_gates, judge, parse_gates, read_gates, row_of
from medsr.record import Record

ROWS = [
    {"scan": "sub-a_T1w", "subject": "a", "task": "iso2", "method": "mean", "psnr_db": 32.0, "ssim": 0.95},
    {"scan": "sub-a_T2w", "subject": "a", "task": "iso2", "method": "mean", "psnr_db": 20.0, "ssim": 0.90},
    {"scan": "sub-b_T1w", "subject": "b", "task": "iso2", "method": "mean", "psnr_db": 30.0, "ssim": math.nan},
    {"scan": "sub-b_T1w", "subject": "b", "task": "thick5", "method": "mean", "psnr_db": 25.0, "coverage90": 0.9},
    {"scan": "sub-a_T1w", "subject": "a", "task": "iso2", "method": "sample", "psnr_db": 28.0, "ssim": 0.9},
]


def passes(text: str, rows=ROWS) -> bool:
    (verdict,) = judge(parse_gates(text), rows)
    return verdict.passed


def test_every_form_is_read():
    gates = parse_gates("psnr>=30, ssim < 0.9,coverage90 in [0.87, 0.93], envelope==inside, sample.psnr@iso2 > -1e-3")
    assert [gate.text for gate in gates][2] == "coverage90 in [0.87, 0.93]"
    assert gates[0] == Gate("psnr>=30", "psnr", low=30.0)
    assert gates[1] == Gate("ssim < 0.9", "ssim", high=0.9, strict=True)
    assert (gates[2].low, gates[2].high, gates[2].strict) == (0.87, 0.93, False)
    assert gates[3].word == "inside"
    assert (gates[4].method, gates[4].task, gates[4].low, gates[4].strict) == ("sample", "iso2", -1e-3, True)
    assert parse_gates("median psnr@thick5>=3")[0].scope == "median"


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(-2e6, 2e6))
def test_a_range_allows_what_lies_in_it(low, width, value):
    (gate,) = parse_gates(f"x in [{low!r}, {low + width!r}]")
    assert gate.allows(value) == (low <= value <= low + width)


@given(st.sampled_from([">=", "<=", ">", "<"]), st.integers(-9, 9), st.integers(-9, 9))
def test_a_sign_means_what_it_does_in_python(sign, limit, value):
    (gate,) = parse_gates(f"x{sign}{limit}")
    expected = {">=": value >= limit, "<=": value <= limit, ">": value > limit, "<": value < limit}[sign]
    assert gate.allows(value) == expected


@pytest.mark.parametrize("text", ["psnr", "psnr=30", "psnr>=", ">=3", "psnr>=30dB", "a in [1]", "a in [1,2", "PSNR>=3"])
def test_what_is_not_a_gate_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match=r"psnr>=30, median"):
        parse_gates(text)


@pytest.mark.parametrize("text", ["a in [2,1]", "median envelope==inside"])
def test_what_makes_no_sense_is_refused(text):
    with pytest.raises(UsageError, match="gate"):
        parse_gates(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("psnr>=20", True),
        ("psnr>=21", False),
        ("psnr_db@thick5>=25", True),
        ("sample.psnr>=28", True),
        ("median psnr@iso2>=28", True),  # a has 26, b has 30
        ("median psnr@iso2>=28.1", False),
        ("coverage90 in [0.87,0.93]", True),
        ("psnr@gap>=0", False),  # nothing was measured
        ("sample.coverage90>0", False),
    ],
)
def test_verdicts(text, expected):
    assert passes(text) == expected


def test_the_failing_rows_are_named():
    (verdict,) = judge(parse_gates("psnr@iso2>=31"), ROWS)
    assert [(f.scan, f.value) for f in verdict.failures] == [("sub-a_T2w", 20.0), ("sub-b_T1w", 30.0)]
    assert verdict.checked == 3
    assert str(verdict) == "FAILED: psnr@iso2>=31 (sub-a_T2w iso2 mean: 20; sub-b_T1w iso2 mean: 30)"


def test_what_was_not_measured_passes_no_gate():
    assert not passes("ssim>=-1")
    assert not passes("median ssim>=-1")
    (verdict,) = judge(parse_gates("median ssim>=-1"), ROWS)
    assert str(verdict) == "FAILED: median ssim>=-1 (median mean: not measured)"


def test_an_unknown_name_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match=r"'fid'.*psnr_db"):
        judge(parse_gates("fid<=3"), ROWS)


def test_records_without_references_can_be_judged():
    rows = [
        {"scan": "case 1", "residual": 0.9, "envelope": "inside"},
        {"scan": "case 2", "residual": 1.0, "envelope": "outside"},
    ]
    assert passes("residual<=1", rows)
    (verdict,) = judge(parse_gates("envelope==inside"), rows)
    assert [f.scan for f in verdict.failures] == ["case 2"]


def test_a_record_is_a_row():
    record = Record(
        {},
        {},
        {},
        {},
        residual=0.8,
        drift=-0.001,
        uncertainty_rms=0.03,
        envelope="inside",
        uncertainty={"calibrated": True},
    )
    rows = [row_of(record)]
    assert passes("residual<=1.3, ", rows)
    verdicts = judge(
        parse_gates("drift in [0.001,0.01], uncertainty_rms<=0.05, envelope==inside, calibrated==yes"), rows
    )
    assert all(verdict.passed for verdict in verdicts)
    without = [row_of(Record({}, {}, {}, {}))]
    assert not any(
        verdict.passed for verdict in judge(parse_gates("uncertainty_rms<=1, residual<=1, calibrated==yes"), without)
    )


def test_a_case_is_judged_by_itself():
    gates = case_gates(["psnr>=24", "residual<=1.5", "drift in [0,0.1]", "envelope==inside", "uncertainty_rms<1"])
    assert [gate.metric for gate in gates] == ["psnr", "residual", "drift", "envelope", "uncertainty_rms"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("median psnr>=24", "every case by itself"),
        ("psnr@iso2>=24", "neither tasks"),
        ("sample.psnr>=24", "nor methods"),
        ("coverage90>=0.8", "nothing is called 'coverage90'"),
        ("psnr", "not understood"),
    ],
)
def test_what_no_single_case_can_keep_is_refused(text, why):
    with pytest.raises(UsageError, match=why):
        case_gates([text])


def test_a_file_of_gates_is_read_with_its_comments(tmp_path):
    path = tmp_path / "gates.txt"
    path.write_text(
        "# what a release must keep\npsnr>=20\nmedian ssim@iso2>0.9, coverage90 in [0.87,0.93]  # held out\n"
    )
    assert [gate.metric for gate in read_gates([str(path), "residual<=1.3"])] == [
        "psnr",
        "ssim",
        "coverage90",
        "residual",
    ]


def test_a_gate_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "gates.bin"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="one gate a line"):
        read_gates([str(path)])
