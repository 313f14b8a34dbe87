"""Validation on a phantom: every method, one convention, scores that agree with their definition."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from fusion_stacks import truth
from phantoms import grainy, head
from tiny_models import tiny_model

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import InputError
from medsr.metrics.error import psnr
from medsr.metrics.resolution import ShellCorrelation
from medsr.metrics.table import INTERIOR, WHOLE
from medsr.model.weights import Model, load_model
from medsr.physics.assumption import fine_axes
from medsr.physics.noise_level import estimate_sigma_of_slices
from medsr.physics.tasks import TASKS, Task
from medsr.validation.findings import Findings
from medsr.validation.methods import ALL_METHODS, FUSED
from medsr.validation.trial import case_of, make_trial, measured, named, restorations, score
from medsr.volume import Volume


@pytest.fixture(scope="module")
def reference() -> Volume:
    return head((40, 44, 36), (1.0, 1.0, 1.0))


def findings_of(
    scan: str, reference: Volume, tasks: Sequence[Task], methods: Sequence[str], model: Model | None = None
) -> Findings:
    settings = EnhanceSettings(steps=2, flips=0)
    trials = {task.name: make_trial(reference, task, settings) for task in tasks}
    rows = [
        measured(trial, scan, task, *found)
        for task, trial in trials.items()
        for found in restorations(trial, model, methods, settings)
    ]
    return Findings(
        tuple(score for score, _ in rows),
        named(model),
        cases=tuple(case_of(trial, scan, task, {}) for task, trial in trials.items()),
        shells=tuple(shell for _, shells in rows for shell in shells),
    )


@pytest.fixture(scope="module")
def findings(reference: Volume) -> Findings:
    tasks = [TASKS["iso2"], TASKS["thick5"]]
    return findings_of("phantom", reference, tasks, ALL_METHODS, load_model(device="cpu"))


def test_every_method_is_scored_under_every_task(findings: Findings) -> None:
    """But the one for several stacks, which none of these has."""
    methods = [name for name in ALL_METHODS if name != FUSED]
    assert [(s.task, s.method) for s in findings.scores] == [(t, m) for t in ("iso2", "thick5") for m in methods]


def test_the_table_says_which_axes_were_degraded(findings: Findings) -> None:
    assert {s.axes for s in findings.scores if s.task == "iso2"} == {"R A S"}
    assert {s.axes for s in findings.scores if s.task == "thick5"} == {"S"}


def test_scores_follow_their_definition(reference: Volume) -> None:
    trial = make_trial(reference, TASKS["iso2"], EnhanceSettings())
    for method, x, seconds in restorations(trial, None, ("cubic", "ibp"), EnhanceSettings()):
        found = score(trial, "phantom", "iso2", method, x, seconds)
        assert found["psnr_db"] == pytest.approx(psnr(x, trial.reference.data, trial.mask, trial.data_range))
        assert found["nrmse"] == pytest.approx(10 ** (-found["psnr_db"] / 20), rel=1e-6)
        assert found["seconds"] == seconds


def test_the_reference_itself_is_perfect(reference: Volume) -> None:
    trial = make_trial(reference, TASKS["iso2"], EnhanceSettings())
    found = score(trial, "phantom", "iso2", "truth", np.array(trial.reference.data), 0.0)
    assert found["psnr_db"] > 150
    assert found["ssim"] == pytest.approx(1.0, abs=1e-6)
    assert found["high_frequency_power_ratio"] == pytest.approx(1.0, abs=1e-6)


def test_back_projection_reproduces_the_scan_and_gains_are_paired(findings: Findings) -> None:
    ibp = next(s for s in findings.scores if s.method == "ibp")
    cubic = next(s for s in findings.scores if s.method == "cubic")
    assert ibp["residual"] < 0.1 < cubic["residual"]
    assert findings.gain_db(ibp, "cubic") == pytest.approx(ibp["psnr_interior_db"] - cubic["psnr_interior_db"])
    assert findings.gain_db(ibp, "cubic", WHOLE) == pytest.approx(ibp["psnr_db"] - cubic["psnr_db"])
    assert findings.gain_db(ibp, "ibp") == 0


def test_the_model_leaves_no_more_residual_than_noise(findings: Findings) -> None:
    assert all(s["residual"] < 1.5 for s in findings.scores if s.method in ("mean", "sample"))


def test_without_a_model_only_the_methods_that_learn_nothing_are_scored(reference: Volume) -> None:
    found = findings_of("phantom", reference, [TASKS["iso2"]], ("cubic", "mean"))
    assert [s.method for s in found.scores] == ["cubic"]
    assert found.model == {}


def test_medians_are_over_scans(reference: Volume) -> None:
    brighter = reference.with_data(reference.data * np.float32(3))
    parts = [findings_of(n, x, [TASKS["iso2"]], ("cubic", "ibp")) for n, x in (("a", reference), ("b", brighter))]
    found = Findings.merged(parts)
    rows = {row["method"]: row for row in found.medians()}
    assert rows["ibp"]["scans"] == 2
    cubic = [s for s in found.scores if s.method == "cubic"]
    for column, metric in (("gain_interior_over_ibp_db", INTERIOR), ("gain_over_ibp_db", WHOLE)):
        expected = np.median([found.gain_db(s, "ibp", metric) for s in cubic])
        assert rows["cubic"][column] == pytest.approx(expected)
    assert rows["cubic"]["psnr_interior_db"] == pytest.approx(np.median([s["psnr_interior_db"] for s in cubic]))


def test_the_interior_is_that_of_the_reference_and_counts_alone(reference: Volume) -> None:
    trial = make_trial(reference, TASKS["thick5"], EnhanceSettings())
    wrong = np.where(trial.parts["interior"], trial.reference.data, 0).astype(np.float32)
    found = score(trial, "phantom", "thick5", "wrong", wrong, 0.0)
    assert found["mae_interior"] == 0
    assert found["mae_surface"] > found["mae"] > 0
    some = replace(trial, mask=trial.mask & (np.arange(40) < 20)[:, None, None])
    assert not some.parts["surface"][20:].any()  # parts follow the mask that is counted


def test_bands_add_up_and_the_reference_is_perfect_in_every_number(reference: Volume, findings: Findings) -> None:
    for found in findings.scores:
        assert found["error_inside"] ** 2 + found["error_outside"] ** 2 == pytest.approx(found["nrmse"] ** 2)
    trial = make_trial(reference, TASKS["thick5"], EnhanceSettings())
    perfect = score(trial, "phantom", "thick5", "truth", np.array(trial.reference.data), 0.0)
    for name, expected, off in (
        ("ms_ssim", 1, 1e-5),
        ("gradient_similarity", 1, 1e-5),
        ("comb", 1, 1e-5),
        ("hfen", 0, 1e-6),
        ("error_inside", 0, 1e-6),
        ("error_outside", 0, 1e-6),
        ("shift_mm", 0, 0.01),
        ("fsc50_mm", 1, 0.05),
    ):
        assert perfect[name] == pytest.approx(expected, abs=off), name


def test_nothing_passes_the_ceiling_that_noise_in_the_reference_sets(reference: Volume) -> None:
    """White noise of 10 in the reference: its unmeasured part is lost to every method."""
    noise = np.random.default_rng(0).normal(0, 10, reference.shape).astype(np.float32)
    found = findings_of("sub-a_T1w", reference.with_data(reference.data + noise), [TASKS["iso2"]], ("cubic", "tv"))
    (case,) = found.cases
    assert case.reference_noise == pytest.approx(10, rel=0.35)
    assert case.ceiling_db == pytest.approx(10 * np.log10(case.range**2 / (7 / 8 * case.reference_noise**2)))
    assert all(s["psnr_db"] < case.ceiling_db for s in found.scores)
    assert (case.subject, case.modality, case.axes, case.factor) == ("a", "MR", "R A S", 2.0)


def test_shells_are_those_behind_the_cut_off(findings: Findings) -> None:
    """One curve per method and degraded axis; the worst axis gives the number of the score."""
    for score_ in findings.scores:
        curves = [s for s in findings.shells if (s.task, s.method) == (score_.task, score_.method)]
        assert " ".join(s.axis for s in curves) == score_.axes
        cut_offs = [ShellCorrelation(s.per_mm, s.correlation).cut_off_mm() for s in curves]
        assert max(cut_offs) == pytest.approx(score_["fsc50_mm"])


def test_a_wrong_assumption_is_stated_and_costs(reference: Volume) -> None:
    true = replace(TASKS["thick5"], profile="box")
    wrong = replace(true, name="assumed too thick", assumed_profile="gaussian", assumed_fwhm_mm=9)
    found = findings_of("a", reference, [true, wrong], ("ibp",))
    assert [case.degraded_by for case in found.cases] == ["", found.cases[0].profile]
    assert found.cases[1].profile.startswith("gaussian, S 9")
    assert found.scores[1]["psnr_db"] < found.scores[0]["psnr_db"]


def test_the_noise_of_a_trial_is_what_enhance_starts_from() -> None:
    """Noise that is correlated in the plane of slices does not count where that is refined."""
    trial = make_trial(grainy((144, 144, 16), (1.0, 1.0, 4.0), 4), TASKS["iso2"], EnhanceSettings())
    settings = EnhanceSettings(flips=0, force=True, region=((10, 10, 1), (20, 20, 5)))
    found = enhance(trial.input, tiny_model(silent=True), settings, trial.acquisition).record.noise_sigma
    assert found is not None
    assert trial.noise * trial.scale.width == pytest.approx(found)
    fine = fine_axes(trial.input.spacing_mm)
    assert found < 0.7 * estimate_sigma_of_slices(trial.input.data, fine, acquired_apart=True)


STACKED = Task("stacks", thick_mm=4, stacks=3)


@pytest.mark.parametrize("moved", [False, True])
def test_stacks_of_a_task_are_fused_beside_the_methods_of_the_first(moved: bool) -> None:
    scan, model, methods = truth(), tiny_model(silent=True), ("cubic", "mean", FUSED)
    task = replace(STACKED, moved=moved, noise_share=0.01)
    found = {s.method: s for s in findings_of("a", scan, [task], methods, model).scores}
    one = replace(task, stacks=1, moved=False)
    plain = {s.method: s for s in findings_of("a", scan, [one], methods, model).scores}
    assert list(found) == ["cubic", "mean", FUSED]
    assert list(plain) == ["cubic", "mean"]
    for method, of_one in plain.items():
        assert found[method]["psnr_db"] == of_one["psnr_db"]
    assert found[FUSED]["psnr_db"] > found["mean"]["psnr_db"] + (1 if moved else 3)


def test_stacks_are_fused_on_the_grid_of_the_reference_as_they_are_told() -> None:
    """Whatever that grid is; widths that are told, wrong ones too, are not looked for in the other stacks."""
    scan = truth()
    uneven = replace(scan, affine=np.diag([1.0, 1.2, 1.1, 1.0]))
    for task in (STACKED, replace(STACKED, assumed_profile="auto"), replace(STACKED, assumed_fwhm_mm=2.5)):
        trial = make_trial(uneven, task, EnhanceSettings())
        ((_, x, _),) = restorations(trial, tiny_model(silent=True), (FUSED,), EnhanceSettings(samples=2))
        assert x.shape == scan.shape
    assert task.assumed_fwhm_mm == 2.5
    told = make_trial(uneven, STACKED, EnhanceSettings())
    ((_, right, _),) = restorations(told, tiny_model(silent=True), (FUSED,), EnhanceSettings())
    assert psnr(right, scan.data, told.mask, told.data_range) > 1 + psnr(x, scan.data, told.mask, told.data_range)


def test_stacks_need_a_model_and_enough_slices_before_any_method_runs() -> None:
    trial = make_trial(truth(), STACKED, EnhanceSettings())
    assert [name for name, _, _ in restorations(trial, None, ("ibp", FUSED), EnhanceSettings())] == ["ibp"]
    with pytest.raises(InputError, match="expected at least 6 along every axis"):
        make_trial(truth(20), STACKED, EnhanceSettings())
