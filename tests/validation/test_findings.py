"""What scores say over subjects: hand-made tables."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from made_scores import made_score

from medsr.errors import InputError, UsageError
from medsr.metrics.table import WHOLE
from medsr.validation.findings import (
    BlendPoint,
    Case,
    Findings,
    PairFit,
    Shells,
    StructureScore,
    Uncertainty,
    Unmeasured,
    Unsegmented,
    gate_columns,
)
from medsr.validation.report.export import finite
from medsr.validation.subjects import subject_of

MORE = (0.03, 0.85, 0.9, 0.7, 1.1, 0.01)  # energy score, blocks, interior, edges, power, histogram
SCANS = ("sub-a_T1w", "sub-a_T2w", "sub-b_T1w", "sub-c_CT")


def case(scan: str) -> Case:
    modality = "CT" if scan.endswith("CT") else "MR"
    contrast = scan.rsplit("_", 1)[1]
    facts = {"scanner": "one" if "-a" in scan else "two"}
    return Case(
        scan, "iso2", subject_of(scan), modality, contrast, "R A S", 2.0, (1.0, 1.0, 1.0), 700.0, 5.0, 40.0, facts
    )


@pytest.fixture
def findings() -> Findings:
    gains = dict(zip(SCANS, (1.0, 2.0, 0.5, -0.25), strict=True))
    scores = [made_score(scan, "ibp", 20.0) for scan in SCANS] + [
        made_score(s, "mean", 20 + gain) for s, gain in gains.items()
    ]
    trust = Uncertainty(
        "sub-a_T1w", "iso2", "samples", {"90": 0.8}, {}, 0.02, 0.03, 0.7, *MORE, 0.05, 0.06, (0.1,), (0.1,), 8
    )
    return Findings(tuple(scores), {}, cases=tuple(map(case, SCANS)), uncertainties=(trust,))


def test_comparisons_count_subjects(findings):
    (found,) = findings.comparisons(baselines=("ibp",))
    assert (found.method, found.baseline, found.test.interval.n) == ("mean", "ibp", 3)
    assert found.test.interval.median == pytest.approx(0.5)  # a 1.5, b 0.5, c -0.25
    assert found.test.improved == pytest.approx(2 / 3)
    assert found.test.p_holm is None
    assert "at least 6" in found.test.note


def test_holm_goes_over_all_comparisons():
    scans = [f"sub-{n}_T1w" for n in range(7)]
    rows = [made_score(s, m, 20 + n + k) for k, s in enumerate(scans) for n, m in enumerate(("cubic", "ibp", "mean"))]
    found = Findings(tuple(rows), {}).comparisons()
    assert [one.test.p for one in found] == [pytest.approx(2 / 128)] * 2
    assert [one.test.p_holm for one in found] == [pytest.approx(4 / 128)] * 2


def test_less_is_better_for_errors(findings):
    smaller = [made_score(s.scan, s.method, hfen=0.4 if s.method == "mean" else 0.5) for s in findings.scores]
    (found,) = Findings(tuple(smaller), {}, cases=findings.cases).comparisons("hfen", ("ibp",))
    assert found.test.improved == 1


def test_nearer_the_target_is_better_for_ratios(findings):
    nearer = [made_score(s.scan, s.method, comb=1.1 if s.method == "mean" else 0.5) for s in findings.scores]
    (found,) = Findings(tuple(nearer), {}, cases=findings.cases).comparisons("comb", ("ibp",))
    assert found.test.improved == 1
    with pytest.raises(UsageError, match=r"'blur'.*psnr_db"):
        findings.comparisons("blur")


def test_strata_by_what_the_scan_says_and_by_a_manifest(findings):
    found = {(one.by, one.value): one.gain_db for one in findings.strata()}
    assert found["modality", "CT"].median == -0.25
    assert found["contrast", "T1w"].median == pytest.approx(0.75)
    assert found["scanner", "one"].median == pytest.approx(1.5)
    assert found["factor", "2"].n == 3
    assert {one.by for one in findings.strata(["contrast"])} == {"contrast"}


def test_scores_of_which_nothing_is_known_are_in_no_stratum(findings):
    known = dataclasses.replace(findings, cases=findings.cases[:1])
    assert {(one.by, one.value, one.gain_db.n) for one in known.strata(["contrast"])} == {("contrast", "T1w", 1)}


def test_the_worst_comes_first(findings):
    assert [one.scan for one in findings.worst_first()] == ["sub-c_CT", "sub-b_T1w", "sub-a_T1w", "sub-a_T2w"]


def test_gains_are_those_of_the_interior_and_the_whole_mask_stands_beside_them():
    rows = [
        made_score(s, m, 20.0 + (m == "mean"), psnr_interior_db=30.0 + 3 * (m == "mean"))
        for s in SCANS
        for m in ("ibp", "mean")
    ]
    found = Findings(tuple(rows), {})
    mean = next(s for s in found.scores if s.method == "mean")
    assert (found.gain_db(mean, "ibp"), found.gain_db(mean, "ibp", WHOLE)) == (3, 1)
    row = next(r for r in found.rows() if r["method"] == "mean")
    assert (row["gain_interior_over_ibp_db"], row["gain_over_ibp_db"]) == (3, 1)
    (medians,) = (r for r in found.medians() if r["method"] == "mean")
    assert (medians["psnr_interior_db"], medians["psnr_db"]) == (33, 21)
    assert (medians["gain_interior_over_ibp_db"], medians["gain_over_ibp_db"]) == (3, 1)
    assert found.comparisons(baselines=("ibp",))[0].test.interval.median == 3


def test_a_scan_without_an_interior_counts_in_the_whole_mask_alone_and_is_named_and_comes_last(findings):
    thin = [
        dataclasses.replace(s, values={**s.values, "psnr_interior_db": math.nan}) if s.scan == "sub-c_CT" else s
        for s in findings.scores
    ]
    found = dataclasses.replace(findings, scores=tuple(thin))
    assert found.without_interior() == ("sub-c_CT",)
    assert findings.without_interior() == ()
    assert [one.scan for one in found.worst_first()][-1] == "sub-c_CT"
    (medians,) = (row for row in found.medians() if row["method"] == "mean")
    assert medians["gain_interior_over_ibp_db"] == 1.0  # of 1, 2, 0.5
    assert medians["gain_over_ibp_db"] == 0.75  # of 1, 2, 0.5, -0.25
    assert medians["least_gain_interior_db"] == 0.5
    (compared,) = found.comparisons(baselines=("ibp",))
    assert compared.test.interval.n == 2


def test_one_line_says_what_was_found(findings):
    assert repr(findings) == "Findings(cases: 4; scores: 8; not measured: 0; methods: ibp, mean)"
    assert repr(Findings((), {})) == "Findings(cases: 0; scores: 0; not measured: 0; methods: none)"


def test_gates_may_be_on_any_column_of_the_rows(findings):
    assert {name for row in findings.rows() for name in row} <= set(gate_columns(("ibp", "mean")))


def test_rows_for_gates_have_gains_subjects_and_coverage_of_the_mean(findings):
    rows = {(row["scan"], row["method"]): row for row in findings.rows()}
    row = rows["sub-a_T1w", "mean"]
    assert (row["gain_over_ibp_db"], row["subject"], row["coverage90"]) == (1.0, "a", 0.8)
    assert "coverage90" not in rows["sub-a_T1w", "ibp"]
    calibrated = dataclasses.replace(findings.uncertainties[0], calibrated={"90": 0.91})
    again = dataclasses.replace(findings, uncertainties=(calibrated,)).rows()
    assert next(r for r in again if "coverage90" in r)["coverage90"] == 0.91


def test_everything_is_plain(findings):
    content = findings.as_dict()
    text = json.dumps(content)
    assert {"cases", "uncertainties", "comparisons", "strata", "worst_first"} <= set(content)
    assert content["worst_first"][0] == {"scan": "sub-c_CT", "task": "iso2"}
    assert math.isnan(json.loads(text)["scores"][0]["hfen"])


@pytest.fixture
def everything(findings):
    return dataclasses.replace(
        findings,
        model={"name": "tiny", "version": "0", "sha256": "0"},
        seed=3,
        blend=(BlendPoint("sub-a_T1w", "iso2", 0.5, 20.0, 0.4),),
        shells=(Shells("sub-a_T1w", "iso2", "mean", "S", (0.1, 0.2), (1.0, 0.3)),),
        fits=(
            PairFit("sub-a_T1w", "pair", 2.0, 1.0, 0.9, 0.2, 1.0, 0.0, ""),
            PairFit("sub-b_T1w", "pair", 2.0, 1.0, 0.9, 0.2, 1.0, 0.0, "", 2.7, 4.1, 0.1),
        ),
        unmeasured=(Unmeasured("sub-d_T1w", "iso2", "is truncated"),),
        structures=(StructureScore("sub-a_T1w", "iso2", "mean", "head", "Caudate", 8.0, 7.9, -1.25, 0.9, 0.3, 1.0),),
        unsegmented=(Unsegmented("sub-a_T2w", "iso2", "its contrast is T2w"),),
    )


def test_findings_come_back_from_their_json(everything):
    content = json.loads(json.dumps(finite(everything.as_dict())))
    again = Findings.from_dict(content)
    assert str(again.as_dict()) == str(everything.as_dict())
    assert math.isnan(again.scores[0]["hfen"])
    assert [fit.was_registered for fit in again.fits] == [False, True]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scores": [{"scan": "x"}]}, "scores|task"),
        ({"scores": [{k: v for k, v in made_score().row().items() if k != "comb"}]}, "scores.0.comb"),
        (
            {"scores": [{k: v for k, v in made_score().row().items() if k != "psnr_interior_db"}]},
            "scores.0.psnr_interior_db: is missing; .* measure again",
        ),
        ({"scores": "none"}, "not the findings"),
        ({"model": None}, "not the findings"),
        (
            {"blend": [{"scan": "a", "task": "b", "blend": "half", "psnr_db": 1, "high_frequency_power_ratio": 1}]},
            "blend",
        ),
    ],
)
def test_what_are_not_findings_is_refused(everything, change, said):
    with pytest.raises(InputError, match=said):
        Findings.from_dict({**everything.as_dict(), **change})


def test_parts_put_together_are_the_whole(everything):
    names = ("scores", "cases", "uncertainties", "blend", "shells", "fits", "unmeasured", "structures", "unsegmented")
    parts = [
        dataclasses.replace(everything, **{n: tuple(r for r in getattr(everything, n) if r.scan == s) for n in names})
        for s in (*SCANS, "sub-d_T1w")
    ]
    whole = Findings.merged(parts)
    assert all({repr(r) for r in getattr(whole, n)} == {repr(r) for r in getattr(everything, n)} for n in names)
    assert Findings.merged([]) == Findings((), {})
    with pytest.raises(InputError, match="different models"):
        Findings.merged([everything, dataclasses.replace(everything, model={})])


def test_the_seed_of_the_bootstrap_decides_about_intervals_alone():
    rows = [made_score(f"sub-{n}_T1w", m, 20 + (m == "mean") * n**1.5) for n in range(9) for m in ("ibp", "mean")]
    first, other = (Findings(tuple(rows), {}, seed=seed).comparisons(baselines=("ibp",))[0].test for seed in (0, 1))
    assert first.interval.median == other.interval.median
    assert first.p == other.p
    assert Findings(tuple(rows), {}, seed=1).comparisons(baselines=("ibp",))[0].test == other
