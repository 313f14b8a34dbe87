"""The acceptance sheet on hand-made studies: passed, failed, too few subjects, not measured; and controls that fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_reports import made_hallucination
from made_scores import made_score
from phantoms import head
from scipy import ndimage, stats

from medsr.enhancement.settings import EnhanceSettings
from medsr.physics.tasks import task_named
from medsr.validation.acceptance import acceptance_of, sheet_rows, sheet_verdicts
from medsr.validation.criteria import Criterion, read_sheet
from medsr.validation.findings import Findings
from medsr.validation.scores import NAN, Case, StructureScore, Unmeasured
from medsr.validation.trial import make_trial, restorations, score

GAIN = Criterion("gain", "psnr_interior_db", "mean", ">=", 1.0, "s", against="ibp", p_below=0.05)
SHARE = Criterion("edges", "gradient_similarity", "share", ">=", 0.9, "s", against="cubic")
RATIO = Criterion("volumes", "volume_error_percent", "ratio", "<", 1.0, "s", against="cubic")
GAINS = [1.0, 1.2, 0.9, 1.5, 1.1, 1.4, 1.3]


def study(gains, method="mean", over="ibp", metric="psnr_interior_db", task="iso2"):
    """Two scores of each subject that differ by so much."""
    rows = [
        made_score(f"sub-{n:02}_T1w", name, 20.0 + n, task, **{metric: 20.0 + n + (gain if name == method else 0)})
        for n, gain in enumerate(gains)
        for name in (over, method)
    ]
    return Findings(tuple(rows), {})


def row(criterion, findings, hallucination=()):
    (found,) = sheet_rows([criterion], findings, hallucination)
    return found


def test_a_gain_that_is_large_and_sure_passes():
    found = row(GAIN, study(GAINS))
    assert (found.outcome, found.n, found.note) == ("pass", 7, "")
    assert found.value == pytest.approx(sum(GAINS) / 7)
    assert found.low < found.value < found.high
    assert found.p == pytest.approx(stats.wilcoxon(GAINS).pvalue)
    assert found.limit == ">= 1, p < 0.05"


def test_a_gain_that_is_too_small_or_unsure_fails():
    assert row(GAIN, study([0.9] * 7)).note == "the limit is not kept"
    unsure = row(GAIN, study([-6.0, 5.0, 9.0, -3.0, 5.5, -1.0, 4.0]))
    assert unsure.value >= 1
    assert (unsure.outcome, unsure.note) == ("fail", "p is not below 0.05")


def test_few_subjects_show_nothing_whatever_they_gain():
    found = row(GAIN, study([9.0] * 3))
    assert (found.outcome, found.value, found.p) == ("fail", pytest.approx(9.0), None)
    assert found.note.startswith("not shown with n = 3")
    assert row(SHARE, study([0.5] * 5, over="cubic", metric="gradient_similarity")).outcome == "fail"
    assert row(replace(GAIN, fewest=1), study([9.0] * 3)).note.startswith("not shown with n = 3: no test")


def test_scans_of_one_subject_count_once():
    once = study(GAINS)
    more = [replace(s, scan=s.scan.replace("_T1w", f"_run-{n}_T1w")) for s in once.scores for n in (1, 2, 3)]
    found = row(GAIN, replace(once, scores=tuple(more)))
    assert (found.n, found.p, found.value) == (7, row(GAIN, once).p, pytest.approx(row(GAIN, once).value))
    five = [s for s in more if s.scan < "sub-05"]
    assert row(GAIN, replace(once, scores=tuple(five))).note.startswith("not shown with n = 5")


def test_a_share_counts_subjects_that_improve_and_has_the_exact_interval():
    found = row(SHARE, study([0.01] * 9 + [-0.01], over="cubic", metric="gradient_similarity"))
    assert (found.outcome, found.value, found.n) == ("pass", 0.9, 10)
    assert (found.low, found.high) == pytest.approx((0.5550, 0.9975), abs=1e-4)
    alike = row(SHARE, study([0.01] * 8 + [-0.01, 0.0], over="cubic", metric="gradient_similarity"))
    assert (alike.outcome, alike.value) == ("fail", 0.8)  # no change is no improvement


def structures(after, before):
    rows = [
        StructureScore(f"sub-{n:02}_T1w", "iso2", method, "head", name, 8.0, 8.0, sign * error, 0.9, 0.1, 0.2)
        for n, errors in enumerate(zip(after, before, strict=True))
        for method, error in zip(("mean", "cubic"), errors, strict=True)
        for name, sign in (("Caudate", 1), ("Putamen", -1), ("Thalamus", 0.5))
    ]
    return replace(study([1.0] * len(after)), structures=tuple(rows))


def test_a_ratio_is_the_error_after_over_that_before():
    found = row(RATIO, structures([2.0] * 6, [4.0] * 6))
    assert (found.outcome, found.value, found.n) == ("pass", 0.5, 6)
    assert row(RATIO, structures([4.0] * 6, [4.0] * 6)).outcome == "fail"
    without = row(RATIO, structures([2.0] * 7, [4.0] * 6 + [0.0]))
    assert (without.n, without.note) == (6, "1 of 7 subjects have no such number")


def test_what_was_not_measured_is_said_and_never_passes():
    for one, said in ((RATIO, "--anatomy"), (replace(RATIO, metric="lesion_contrast"), "--hallucination")):
        found = row(one, study(GAINS))
        assert (found.outcome, found.n) == ("not measured", 0)
        assert found.value != found.value
        assert said in found.note
    assert row(replace(GAIN, method="sample"), study(GAINS)).outcome == "not measured"
    assert row(replace(GAIN, task="thick5"), study(GAINS)).outcome == "not measured"
    assert row(GAIN, Findings((), {})).outcome == "not measured"
    assert row(GAIN, study([NAN] * 7)).outcome == "not measured"
    assert row(replace(GAIN, kept=("lesion_contrast",)), study(GAINS)).outcome == "not measured"


def test_each_task_is_judged_by_itself():
    both = replace(study(GAINS), scores=(*study(GAINS).scores, *study([0.1] * 7, task="thick5").scores))
    assert [(one.task, one.outcome) for one in sheet_rows([GAIN], both)] == [("iso2", "pass"), ("thick5", "fail")]
    assert [one.task for one in sheet_rows([replace(GAIN, task="thick5")], both)] == ["thick5"]


def test_subjects_without_the_number_are_counted():
    found = row(GAIN, study([*GAINS, NAN]))
    assert (found.outcome, found.n, found.note) == ("pass", 7, "1 of 8 subjects have no such number")
    failed = replace(study(GAINS), unmeasured=(Unmeasured("sub-99_T1w", "iso2", "damaged"),))
    assert row(GAIN, failed).note == "1 of 8 subjects have no such number"


def test_lesions_are_those_of_the_hallucination_tests():
    tests = [
        replace(one, scan=f"sub-{n:02}_T1w", lesions=tuple(replace(x, recovered=level) for x in one.lesions))
        for n in range(6)
        for one in made_hallucination(["sub-00_T1w"], ["iso2"])
        for level in [{"cubic": 0.4, "ibp": 0.6, "mean": 0.7}[one.method]]
    ]
    one = Criterion("lesions", "lesion_contrast", "mean", ">=", 0.0, "s", against="cubic")
    assert row(one, study(GAINS[:6]), tests).value == pytest.approx(0.3)
    assert row(replace(one, method="cubic", against="mean"), study(GAINS[:6]), tests).outcome == "fail"


def beads():
    """Flat tissue with small beads in its lower half, and noise."""
    rng = np.random.default_rng(0)
    data = np.zeros((40, 44, 48), dtype=np.float32)
    data[3:-3, 3:-3, 3:-3] = 400.0
    for place in rng.integers((6, 6, 6), (34, 38, 20), (40, 3)):
        data[tuple(slice(p, p + 2) for p in place)] = 700.0
    return head(data.shape).with_data(data + 12 * rng.standard_normal(data.shape).astype(np.float32))


def control(change):
    """Six subjects whose enhanced scan is a change of cubic interpolation: unsharp masking, a blur, or none."""
    trial = make_trial(beads(), task_named("thick5"), EnhanceSettings())
    ((_, cubic, _),) = restorations(trial, None, ("cubic",), EnhanceSettings())
    both = [score(trial, "s", "thick5", name, x, 0.0) for name, x in (("cubic", cubic), ("mean", change(cubic)))]
    scores = [replace(one, scan=f"sub-{n:02}_T1w") for n in range(6) for one in both]
    snr = next(one for one in read_sheet(()).criteria if one.metric == "flat_snr_db")
    return row(snr, Findings(tuple(scores), {}))


def test_sharpening_loses_signal_over_noise_and_a_blur_loses_structure_so_neither_passes():
    sharpened = control(lambda x: x + 1.0 * (x - ndimage.gaussian_filter(x, 1.0)))
    assert (sharpened.outcome, sharpened.n) == ("fail", 6)
    assert sharpened.value < 0
    blurred = control(lambda x: ndimage.gaussian_filter(x, 1.5))
    assert blurred.value > 0.42
    assert (blurred.outcome, blurred.note.partition(" is worse")[0]) == ("fail", "HFEN")
    assert control(lambda x: x).outcome == "fail"


def test_a_sheet_says_how_many_lines_passed_and_its_lines_are_gates_where_asked():
    acceptance = acceptance_of(read_sheet(()), study(GAINS), ())
    assert acceptance.summary == "1 passed, 4 not measured"
    verdicts = sheet_verdicts(acceptance.rows)
    assert [one.passed for one in verdicts] == [False] * 4 + [True]
    assert [one.checked for one in verdicts] == [0, 0, 0, 0, 7]
    assert str(verdicts[2]).endswith(
        "(mean over subjects iso2 mean: not measured (no subject has the contrast of planted lesions of mean and "
        "cubic; --hallucination measures it, on references and not on pairs))"
    )
    (failed,) = sheet_verdicts([row(GAIN, study([0.5] * 7))])
    assert str(failed) == "FAILED: gain (iso2) (mean over subjects iso2 mean: 0.5 (the limit is not kept))"


def test_whose_a_scan_is_comes_from_the_cases():
    cases = tuple(
        Case(f"sub-{n:02}_T1w", "iso2", "one", "MR", "T1w", "S", 2.0, (1.0, 1.0, 1.0), 1.0, 1.0, 40.0) for n in range(7)
    )
    assert row(GAIN, replace(study(GAINS), cases=cases)).n == 1
