"""Every number of a validation in one table: how it is measured, which way is better, how it is called and shown.

`METRICS` judge a result against its reference, `UNCERTAINTY_METRICS` a stated uncertainty against the actual error. The
keys of validation.json, the columns of scores.csv, the names that gates use, the labels of tables and plots and the
glossary are read from here: a new metric is a function, its entry here and its row in docs/reference/metrics.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from medsr.errors import UsageError
from medsr.metrics.edges import gradient_similarity, hfen
from medsr.metrics.error import mae, mean_drift, nrmse, psnr
from medsr.metrics.fidelity import residual_in_noise_units
from medsr.metrics.flat import flat_snr_db
from medsr.metrics.judged import PARTS_LEVEL, Restoration, StatedUncertainty
from medsr.metrics.metric import Metric, Term, in_parts
from medsr.metrics.resolution import ONE_SEVENTH
from medsr.metrics.sharpness import high_frequency_power_ratio
from medsr.metrics.structure import mean_of_map, ms_ssim
from medsr.metrics.uncertainty import LEVELS, auroc, crps_of_constant


def metric_named(name: str) -> Metric[Restoration]:
    """The metric of `METRICS` of that name.

    Raises:
        UsageError: no metric has that name.
    """
    if name not in NAMES:
        raise UsageError(f"no metric is called {name!r}; choose from {', '.join(NAMES)}")
    return METRICS[NAMES.index(name)]


def _names(metrics: Iterable[Metric[Any]]) -> tuple[str, ...]:
    names = tuple(metric.name for metric in metrics)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two metrics are called {twice[0]!r}; expected one")
    return names


METRICS: tuple[Metric[Restoration], ...] = (
    *in_parts(
        "psnr",
        lambda r, where: psnr(r.x, r.reference, where, r.data_range),
        label="PSNR",
        unit="dB",
        digits=".2f",
        better="higher",
        what="range over root mean square error in the mask, in dB",
        beware="does not tell blur, noise and invention apart; favours smooth results",
    ),
    *in_parts(
        "ssim",
        lambda r, where: mean_of_map(r.ssim_map, where),
        label="SSIM",
        better="higher",
        what="local agreement of means, contrasts and structure, 1 is perfect",
        beware="does not see blur in flat regions",
    ),
    *in_parts(
        "nrmse",
        lambda r, where: nrmse(r.x, r.reference, where, r.data_range),
        label="NRMSE",
        better="lower",
        what="root mean square error over the range",
        beware="as PSNR",
    ),
    *in_parts(
        "mae",
        lambda r, where: mae(r.x, r.reference, where),
        label="MAE",
        digits=".4g",
        better="lower",
        what="mean absolute error in the scan's unit (HU for CT)",
        beware="does not say where the error is",
    ),
    *in_parts(
        "drift",
        lambda r, where: mean_drift(r.x, r.reference, where),
        label="drift",
        digits=".4g",
        better=0.0,
        what="difference of the means in the mask, in the scan's unit (HU for CT)",
        beware="errors may cancel",
    ),
    Metric(
        name="residual",
        label="residual",
        digits=".2f",
        better=1.0,
        measure=lambda r: residual_in_noise_units(r.op, r.x, r.input, r.noise),
        what="scan minus degraded result, in units of the noise: near 1 agrees",
        beware="says nothing of what the scan does not measure",
    ),
    Metric(
        name="high_frequency_power_ratio",
        label="high-frequency power ratio",
        digits=".2f",
        better=1.0,
        measure=lambda r: high_frequency_power_ratio(r.x, r.reference, r.degraded, r.mask),
        what="power of the finest detail over the reference's, 1 is as sharp",
        beware="does not say whether that detail is true: noise counts too",
    ),
    Metric(
        name="seconds",
        label="seconds",
        digits=".1f",
        better="lower",
        measure=lambda r: r.seconds,
        what="time of the method alone, without reading and writing",
        beware="depends on the machine and on what else it does",
    ),
    Metric(
        name="ms_ssim",
        label="MS-SSIM",
        better="higher",
        measure=lambda r: ms_ssim(r.x, r.reference, r.mask, r.data_range),
        what="SSIM over several scales",
        beware="scans of other sizes have other scales and do not compare",
    ),
    Metric(
        name="hfen",
        label="HFEN",
        better="lower",
        measure=lambda r: hfen(r.x, r.reference, r.mask),
        what="error of edges over the reference's own edges, 0 is perfect",
        beware="grows with the reference's noise",
    ),
    Metric(
        name="gradient_similarity",
        label="gradient similarity",
        better="higher",
        measure=lambda r: gradient_similarity(r.x, r.reference, r.mask, r.data_range),
        what="agreement of gradient magnitudes, 1 is perfect",
        beware="does not see the direction of edges",
    ),
    Metric(
        name="flat_snr_db",
        label="SNR in flat tissue",
        unit="dB",
        digits=".2f",
        better="higher",
        measure=lambda r: flat_snr_db(r.x, r.reference, r.parts["interior"], r.data_range),
        what="range over the deviation within small boxes of the flattest tissue of the interior",
        beware="a blur raises it; what little anatomy there is in flat tissue counts as noise",
    ),
    Metric(
        name="fsc50_mm",
        label="agrees to",
        unit="mm",
        digits=".2f",
        better="lower",
        measure=lambda r: max(shell.cut_off_mm() for shell in r.shells),
        what="smallest detail whose shell correlation with the reference is above 0.5, along the worst degraded axis",
        beware="hardly sees low frequencies, nor where in the scan",
    ),
    Metric(
        name="fsc14_mm",
        label="agrees at 0.143 to",
        unit="mm",
        digits=".2f",
        better="lower",
        measure=lambda r: max(shell.cut_off_mm(ONE_SEVENTH) for shell in r.shells),
        what="the same at a correlation of 0.143, the usual threshold between two halves of a data set",
        beware="is lenient: error is stronger than signal there",
    ),
    Metric(
        name="error_inside",
        label="error inside",
        better="lower",
        measure=lambda r: r.bands[0],
        what="NRMSE within the measured band",
        beware="a gain here alone is mere deblurring",
    ),
    Metric(
        name="error_outside",
        label="error outside",
        better="lower",
        measure=lambda r: r.bands[1],
        what="NRMSE beyond the measured band; the squares of both add up to that of NRMSE",
        beware="noise of the reference lies here too, and no method can predict it",
    ),
    Metric(
        name="shift_mm",
        label="shift",
        unit="mm",
        digits=".3f",
        better="lower",
        measure=Restoration.shift_mm,
        what="distance of the result from the reference, found by cross-correlation",
        beware="sees a shift of the whole scan alone",
    ),
    Metric(
        name="comb",
        label="comb",
        digits=".2f",
        better=1.0,
        measure=Restoration.comb,
        what="power at the distance of the slices over its neighbours', over the reference's, 1 is none",
        beware="does not see a comb in amplitude alone",
    ),
)

UNCERTAINTY_METRICS: tuple[Metric[StatedUncertainty], ...] = (
    Metric(
        name="crps",
        label="CRPS",
        better="lower",
        measure=StatedUncertainty.crps,
        what="distance of the stated distribution from the truth, over the range; less is better",
        beware="does not see how neighbours go together",
    ),
    Metric(
        name="crps_constant",
        label="constant",
        better="lower",
        measure=lambda s: crps_of_constant(s.error),
        what="CRPS of one deviation everywhere, the root mean square error; a map should do better",
        beware="knows the size of the error, which no method does",
    ),
    Metric(
        name="auroc",
        label="AUROC",
        digits=".3f",
        better="higher",
        measure=lambda s: auroc(s.error, s.stated),
        what="how well the stated deviation points at the largest errors; 0.5 is blind",
        beware="does not see its scale",
    ),
    Metric(
        name="energy_score",
        label="energy score",
        better="lower",
        measure=StatedUncertainty.energy_score,
        what="distance of the samples from the truth in blocks of 4 x 4 x 4 voxels, over the range; less is better",
        beware="hardly sees how distant voxels go together; compare on one scan alone",
    ),
    Metric(
        name="coverage90_blocks",
        label="blocks in 90 %",
        digits=".3f",
        better=PARTS_LEVEL,
        measure=StatedUncertainty.block_coverage,
        what="share of blocks of 4 x 4 x 4 voxels whose mean lies in the samples' interval of 90 %",
        beware="all misses may lie in one structure; larger regions may differ",
    ),
    Metric(
        name="coverage90_interior",
        label="interior in 90 %",
        digits=".3f",
        better=PARTS_LEVEL,
        measure=lambda s: s.coverage_in("interior"),
        what="share of voxels of the interior in their interval of 90 %, calibrated where the weights say how",
        beware="is an average, of no guarantee for one voxel",
    ),
    Metric(
        name="coverage90_edges",
        label="edges in 90 %",
        digits=".3f",
        better=PARTS_LEVEL,
        measure=lambda s: s.coverage_in("edges"),
        what="the same at the strongest tenth of the reference's edges",
        beware="as in the interior",
    ),
    Metric(
        name="power_ratio_of_samples",
        label="power ratio of samples",
        digits=".2f",
        better=1.0,
        measure=StatedUncertainty.power_ratio,
        what="power of the samples' finest detail over the reference's, 1 is as sharp",
        beware="does not say whether that detail is true: white noise counts too",
    ),
    Metric(
        name="histogram_distance",
        label="histogram distance",
        better="lower",
        measure=StatedUncertainty.histogram_distance,
        what="mean shift that takes the samples' intensities to the reference's (Wasserstein-1), over the range",
        beware="does not see where an intensity lies",
    ),
)

COVERAGE = Term(
    label="coverage",
    what="share of voxels within the stated interval",
    beware="is an average, of no guarantee for one voxel; all misses may lie in one structure",
)

NAMES = _names(METRICS)
UNCERTAINTY_NAMES = (*(f"coverage{100 * level:g}" for level in LEVELS), *_names(UNCERTAINTY_METRICS))
INTERIOR, WHOLE = metric_named("psnr_interior_db"), metric_named("psnr_db")
"""PSNR of the body's interior, which gains are told of first, and that of the whole mask beside it."""

BRAIN = metric_named("psnr_brain_db")
"""PSNR of the brain, where there is a mask of it."""

HEADLINE = (INTERIOR, WHOLE, metric_named("ssim"))
"""Metrics that every summary shows, and that a batch measures where a case has a reference."""
