"""The table of metrics: what it says of each metric holds, and nothing that is measured is missing from it."""

from __future__ import annotations

import dataclasses
import inspect
import string
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from medsr.errors import UsageError
from medsr.metrics import table
from medsr.metrics.arrays import Mask
from medsr.metrics.gates import parse_gates
from medsr.metrics.judged import Restoration, StatedUncertainty
from medsr.metrics.metric import Metric
from medsr.metrics.parts import PARTS, Part
from medsr.metrics.table import METRICS, NAMES, UNCERTAINTY_METRICS, metric_named
from medsr.validation.coverage import white_noise

REFERENCE_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
NOT_SCORES = {"foreground_mask", "body_mask", "data_range", "ssim_map", "high_frequency_power", "slice_comb"}
RNG = np.random.default_rng(0)
REFERENCE = torch.from_numpy(RNG.normal(100, 20, (24, 24, 24)).astype(np.float32))
INSIDE = np.zeros((24, 24, 24), dtype=bool)
INSIDE[3:-3, 3:-3, 3:-3] = True
EDGES = RNG.random((24, 24, 24)) < 0.1
BRAIN = np.zeros((24, 24, 24), dtype=bool)
BRAIN[8:18, 6:20, 7:16] = True
NOISE = torch.from_numpy(RNG.normal(0, 20, (24, 24, 24)).astype(np.float32))


def restoration(x: torch.Tensor, seconds: float = 1.0, parts: dict[Part, Mask] | None = None) -> Restoration:
    def every_second(scan: torch.Tensor) -> torch.Tensor:
        return scan[..., ::2]

    mask = np.ones(x.shape, dtype=bool)
    parts = {"interior": INSIDE, "surface": ~INSIDE, "edges": EDGES, "brain": BRAIN} if parts is None else parts
    coarse = every_second(REFERENCE) + 1.0
    return Restoration(
        x, REFERENCE, mask, parts, 100.0, (1, 1, 1), (2,), (24, 24, 12), every_second, coarse, 1.0, seconds
    )


OF_SAMPLES = ("energy_score", "coverage90_blocks", "power_ratio_of_samples", "histogram_distance")


def stated(error: np.ndarray, deviation: np.ndarray) -> StatedUncertainty:
    """A deviation without samples, of errors in a row."""
    error, deviation = (values.reshape(-1, 1, 1) for values in (error, deviation))
    everywhere = np.ones(error.shape, dtype=bool)
    parts = dict.fromkeys(PARTS, everywhere)
    return StatedUncertainty(error, deviation, np.zeros(error.shape), everywhere, parts, (2,))


PERFECT, WRONG = restoration(REFERENCE), restoration(REFERENCE + NOISE, 2.0)


@pytest.mark.parametrize("metric", METRICS, ids=NAMES)
def test_the_reference_itself_is_better_than_a_wrong_result(metric: Metric[Restoration]) -> None:
    if metric.name.startswith(("shift_mm", "fsc50_mm", "fsc14_mm", "drift")):  # noise alone hardly moves these
        assert not metric.improves(metric.measure(WRONG), metric.measure(PERFECT))
    else:
        assert metric.improves(metric.measure(PERFECT), metric.measure(WRONG))
        assert not metric.improves(metric.measure(WRONG), metric.measure(PERFECT))


def test_axes_too_thin_for_a_comb_leave_it_to_the_others() -> None:
    mask = np.zeros(WRONG.mask.shape, dtype=bool)
    mask[:4] = True
    found = [dataclasses.replace(WRONG, mask=mask, degraded=axes).comb() for axes in ((0, 2), (2, 0), (2,), (0,))]
    assert found[0] == found[1] == found[2]
    assert np.isnan(found[3])


def test_squared_errors_of_interior_and_surface_weighted_by_size_add_up_to_those_of_the_whole() -> None:
    sizes = [int(WRONG.parts[part].sum()) for part in ("interior", "surface")]
    assert sum(sizes) == WRONG.mask.sum()
    for name, power in (("nrmse", 2), ("mae", 1), ("drift", 1), ("ssim", 1)):
        inside, outside, whole = (
            metric_named(end).measure(WRONG) ** power for end in (f"{name}_interior", f"{name}_surface", name)
        )
        assert (sizes[0] * inside + sizes[1] * outside) / sum(sizes) == pytest.approx(whole, rel=1e-6), name
    for part in PARTS:
        level = metric_named(f"psnr_{part}_db").measure(WRONG)
        assert level == pytest.approx(-20 * np.log10(metric_named(f"nrmse_{part}").measure(WRONG)))


def test_an_error_in_one_part_is_seen_in_that_part_alone() -> None:
    found = restoration(torch.where(torch.from_numpy(INSIDE), REFERENCE, REFERENCE + 5))
    assert metric_named("mae_interior").measure(found) == 0
    assert metric_named("mae_surface").measure(found) == pytest.approx(5, rel=1e-5)
    assert metric_named("psnr_interior_db").measure(found) == np.inf


@pytest.mark.parametrize(
    "name", ["psnr_interior_db", "ssim_interior", "nrmse_interior", "mae_interior", "drift_interior"]
)
def test_a_part_without_voxels_has_no_number(name: str) -> None:
    nothing = np.zeros((24, 24, 24), dtype=bool)
    found = restoration(REFERENCE, parts={"interior": nothing, "surface": ~nothing, "edges": nothing})
    assert np.isnan(metric_named(name).measure(found))
    assert np.isfinite(
        metric_named(name.replace("interior", "surface").replace("psnr", "nrmse").removesuffix("_db")).measure(found)
    )


@pytest.mark.parametrize("name", ["psnr_brain_db", "ssim_brain", "nrmse_brain", "mae_brain", "drift_brain"])
def test_a_scan_whose_brain_is_not_known_has_no_number_of_it(name: str) -> None:
    without = restoration(REFERENCE + NOISE, parts={"interior": INSIDE, "surface": ~INSIDE, "edges": EDGES})
    assert np.isnan(metric_named(name).measure(without))
    assert np.isfinite(metric_named(name).measure(WRONG))


def test_an_error_outside_the_brain_is_not_seen_in_it() -> None:
    found = restoration(torch.where(torch.from_numpy(BRAIN), REFERENCE, REFERENCE + 5))
    assert metric_named("mae_brain").measure(found) == 0
    assert metric_named("mae_interior").measure(found) > 0


def test_every_error_is_measured_in_every_part_and_named_alike() -> None:
    of_parts = {metric.name: metric for metric in METRICS if metric.part is not None}
    errors = [("psnr", "_db"), ("ssim", ""), ("nrmse", ""), ("mae", ""), ("drift", "")]
    assert set(of_parts) == {f"{name}_{part}{unit}" for name, unit in errors for part in PARTS}
    assert all(of_parts[f"{name}_{part}{unit}"].part == part for name, unit in errors for part in PARTS)


@pytest.mark.parametrize("metric", UNCERTAINTY_METRICS, ids=[metric.name for metric in UNCERTAINTY_METRICS])
def test_a_deviation_that_knows_the_errors_is_better_than_a_blind_one(metric: Metric[StatedUncertainty]) -> None:
    deviation = RNG.uniform(0.1, 3, 4000)
    error = deviation * RNG.standard_normal(4000)
    told, blind = (stated(error, d) for d in (deviation, RNG.permutation(deviation)))
    if metric.name == "crps_constant":  # the yardstick looks at the error alone
        assert metric.measure(told) == metric.measure(blind)
    elif metric.name in OF_SAMPLES:
        assert np.isnan(metric.measure(told))
    elif metric.name.startswith("coverage"):  # right on average, where it is blind too: too small is worse
        assert metric.improves(metric.measure(told), metric.measure(stated(error, deviation / 2)))
    else:
        assert metric.improves(metric.measure(told), metric.measure(blind))


@pytest.mark.parametrize("name", OF_SAMPLES)
def test_samples_of_the_truth_are_better_than_a_mean_with_white_noise(name: str) -> None:
    """The control has the right mean and the right deviation in every voxel, and neighbours that don't go together."""
    shape = (48, 48, 48)
    smooth = ndimage.gaussian_filter(RNG.standard_normal((9, *shape)), (0, 1.5, 1.5, 1.5), mode="wrap")
    smooth /= smooth.std()
    everywhere = np.ones(shape, dtype=bool)
    truth, samples = smooth[0], smooth[1:].astype(np.float32)
    parts = dict.fromkeys(PARTS, everywhere)
    found = StatedUncertainty(np.zeros(shape), np.ones(shape), truth, everywhere, parts, (2,), samples)
    control = white_noise(found, 8, 0)  # balanced, where these samples are independent
    metric = next(one for one in UNCERTAINTY_METRICS if one.name == name)
    if name == "histogram_distance":  # each voxel by itself: the control passes
        assert metric.measure(control) == pytest.approx(metric.measure(found), abs=0.1)
    else:
        assert metric.improves(metric.measure(found), metric.measure(control))
    assert control.crps() == pytest.approx(found.crps(), rel=0.1)  # passes what looks at voxels one by one
    if name == "coverage90_blocks":
        assert metric.measure(found) == pytest.approx(0.9, abs=0.06)
        assert metric.measure(control) < 0.5


@pytest.mark.parametrize("metric", [*METRICS, *UNCERTAINTY_METRICS], ids=lambda metric: metric.name)
def test_every_entry_can_be_shown_and_asked_for(metric: Metric) -> None:
    assert parse_gates(f"{metric.name}>=0")[0].metric == metric.name
    assert set(metric.pattern.format(1.5)) <= set(string.digits + ".")
    assert metric.label
    for line in (metric.what, metric.beware):
        assert line
        assert not line.endswith(".")


@pytest.mark.parametrize("module", ["artefacts", "bands", "edges", "error", "fidelity", "sharpness", "structure"])
def test_every_function_that_compares_with_a_reference_is_in_the_table(module: str) -> None:
    found = import_module(f"medsr.metrics.{module}")
    own = {name for name, one in inspect.getmembers(found, inspect.isfunction) if one.__module__ == found.__name__}
    source = inspect.getsource(table) + inspect.getsource(import_module("medsr.metrics.judged"))
    for name in own - NOT_SCORES:
        assert name.startswith("_") or f"{name}(" in source, name


@pytest.mark.parametrize("name", [*NAMES, *(metric.name for metric in UNCERTAINTY_METRICS)])
def test_the_reference_of_metrics_has_a_row_for_it(name: str) -> None:
    rows = [line for line in REFERENCE_PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert any(f"`{name}`" in row for row in rows)


def test_a_name_without_its_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="_mm"):
        Metric(name="wide", label="", what="", beware="", measure=lambda r: 0.0, better="lower", unit="mm")


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"'fid'.*psnr_db, ssim"):
        metric_named("fid")


def test_a_target_is_approached_from_both_sides() -> None:
    residual = metric_named("residual")
    assert residual.improves(1.1, 0.8)
    assert residual.improves(0.9, 1.2)
    assert not residual.improves(0.5, 1.4)
