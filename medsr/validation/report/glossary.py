"""What each number of a validation is, and what to beware of, in a line each; docs/metrics.md has the formulas."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """One number: its name, what it is, what to beware of."""

    name: str
    what: str
    beware: str


GLOSSARY = (
    Term(
        "PSNR",
        "range over root mean square error in the mask, in dB",
        "does not tell blur, noise and invention apart; favours smooth results",
    ),
    Term(
        "SSIM", "local agreement of means, contrasts and structure, 1 is perfect", "does not see blur in flat regions"
    ),
    Term("MS-SSIM", "SSIM over several scales", "scans of other sizes have other scales and do not compare"),
    Term("NRMSE", "root mean square error over the range", "as PSNR"),
    Term("MAE", "mean absolute error in the scan's unit (HU for CT)", "does not say where the error is"),
    Term("drift", "difference of the means in the mask", "errors may cancel"),
    Term(
        "residual",
        "scan minus degraded result, in units of the noise: near 1 agrees",
        "says nothing of what the scan does not measure",
    ),
    Term("HFEN", "error of edges over the reference's own edges, 0 is perfect", "grows with the reference's noise"),
    Term(
        "gradient similarity", "agreement of gradient magnitudes, 1 is perfect", "does not see the direction of edges"
    ),
    Term(
        "agrees to mm",
        "smallest detail whose shell correlation with the reference is above 0.5",
        "hardly sees low frequencies, nor where in the scan",
    ),
    Term(
        "error inside, outside", "NRMSE within and beyond the measured band", "a gain inside alone is mere deblurring"
    ),
    Term(
        "upper band",
        "power of the finest detail over the reference's, 1 is as sharp",
        "does not say whether that detail is true: noise counts too",
    ),
    Term(
        "comb",
        "power at the distance of the slices over its neighbours', over the reference's, 1 is none",
        "does not see a comb in amplitude alone",
    ),
    Term(
        "ceiling",
        "PSNR that no method can pass, because the reference's own noise can't be predicted",
        "is an estimate: the true one may lie higher",
    ),
    Term("coverage", "share of voxels within the stated interval", "all misses may lie in one structure"),
    Term(
        "CRPS",
        "distance of the stated distribution from the truth, over the range; less is better",
        "does not see how neighbours go together",
    ),
    Term("AUROC", "how well the stated deviation points at the largest errors; 0.5 is blind", "does not see its scale"),
)
