"""Floor 1: single measurements of a validation, each a row of plain values with the scan and the task that it is of.

Every class here turns into JSON by `dataclasses.asdict` and back by `medsr.validation.findings.Findings.from_dict`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

NAN = float("nan")


@dataclass(frozen=True)
class Score:
    """One method on one scan under one task; docs/metrics.md says what each number is and what it can't see.

    Attributes:
        scan: name of the reference.
        task: name of the task.
        axes: which axes were degraded, such as "R A S" or "S".
        method: name of the method; "oracle" is a ceiling, no method.
        psnr_db: see `medsr.validation.findings.CONVENTION`.
        ssim: see `medsr.validation.findings.CONVENTION`.
        nrmse: root mean squared error in the mask over R.
        mae: mean absolute error in the mask, in the scan's unit (HU for CT).
        drift: difference of the means in the mask, in the scan's unit.
        residual: scan minus degraded result, in units of the scan's noise.
        upper_band: power above half the Nyquist frequency of the degraded axes, over the reference's.
        seconds: of the method alone.
        ms_ssim: SSIM over several scales.
        hfen: error of the Laplacian of a Gaussian over the reference's; 0 is perfect.
        gradient_similarity: of gradient magnitudes; 1 is perfect.
        fsc50_mm: smallest detail that agrees, where the shell correlation falls below 0.5; the worst degraded axis.
        fsc14_mm: the same at 0.143.
        error_inside: NRMSE inside the measured band.
        error_outside: NRMSE beyond it; the squares of both add up to that of `nrmse`.
        shift_mm: how far the result lies from the reference.
        comb: power at the frequency of the slices over its neighbours', over the reference's; the worst degraded axis.
    """

    scan: str
    task: str
    axes: str
    method: str
    psnr_db: float
    ssim: float
    nrmse: float
    mae: float
    drift: float
    residual: float
    upper_band: float
    seconds: float
    ms_ssim: float = NAN
    hfen: float = NAN
    gradient_similarity: float = NAN
    fsc50_mm: float = NAN
    fsc14_mm: float = NAN
    error_inside: float = NAN
    error_outside: float = NAN
    shift_mm: float = NAN
    comb: float = NAN


@dataclass(frozen=True)
class Uncertainty:
    """How far one stated uncertainty can be trusted on one scan under one task.

    Attributes:
        scan: name of the reference.
        task: name of the task.
        method: "draws" (spread of draws around the mean) or "variance" (the network's variance head).
        coverage: by percent ("50", "80", "90", "95"): share of voxels in the mask within that interval of a normal
            distribution with the stated deviation.
        calibrated: the same after scaling by the factors of the weights; empty where they hold none.
        crps: mean continuous ranked probability score over R, of the draws themselves or of the normal distribution.
        crps_constant: of a normal distribution with one deviation everywhere, the root mean square error.
        auroc: how well the deviation points at the largest tenth of the errors; 0.5 is blind.
        deviation: root mean square stated deviation over R.
        error: root mean square error of the mean over R.
        uncertainty: by bins of stated deviation: its root mean square over R.
        skill: the root mean square error over R in the same bins; equal to `spread` where that is right.
        n_draws: draws behind it; 0 for the variance head.
    """

    scan: str
    task: str
    method: str
    coverage: dict[str, float]
    calibrated: dict[str, float]
    crps: float
    crps_constant: float
    auroc: float
    deviation: float
    error: float
    uncertainty: tuple[float, ...]
    skill: tuple[float, ...]
    n_samples: int


@dataclass(frozen=True)
class Case:
    """What is known of one scan under one task.

    Attributes:
        scan: name of the reference.
        task: name of the task.
        subject: whose scan it is; scans of one subject count once.
        modality: "MR" or "CT".
        contrast: such as "T1w"; "" where nothing says it.
        axes: which axes were degraded.
        factor: largest fine voxels per coarse voxel.
        spacing_mm: of the reference.
        range: R of the convention, in the scan's unit.
        reference_noise: standard deviation of the reference's noise, in its unit; an upper bound.
        ceiling_db: PSNR that no method can pass, because the reference's own noise can't be predicted.
        facts: what a manifest says of the scan, such as scanner and anatomy.
        profile: that the methods were told, with its widths, such as "gaussian, R 2 mm, A 2 mm, S 2 mm".
        degraded_by: the profile that made the coarse scan where the methods were told another one, else "".
    """

    scan: str
    task: str
    subject: str
    modality: str
    contrast: str
    axes: str
    factor: float
    spacing_mm: tuple[float, float, float]
    range: float
    reference_noise: float
    ceiling_db: float
    facts: dict[str, str] = field(default_factory=dict)
    profile: str = ""
    degraded_by: str = ""


@dataclass(frozen=True)
class BlendPoint:
    """What one setting of the dial between mean and draw gives and costs.

    Attributes:
        scan: name of the reference.
        task: name of the task.
        blend: 0 (mean) to 1 (draw).
        psnr_db: of mean + dial (draw - mean); see `medsr.validation.findings.CONVENTION`.
        upper_band: as in `Score`: 1 is as sharp as the reference.
    """

    scan: str
    task: str
    blend: float
    psnr_db: float
    upper_band: float


@dataclass(frozen=True)
class Shells:
    """Fourier shell correlation of one method with the reference along one axis (docs/metrics.md).

    Attributes:
        scan: name of the reference.
        task: name of the task.
        method: name of the method.
        axis: "R", "A" or "S".
        per_mm: middle of each shell, rising, in cycles per mm.
        correlation: in each of them, -1 to 1.
    """

    scan: str
    task: str
    method: str
    axis: str
    per_mm: tuple[float, ...]
    correlation: tuple[float, ...]


@dataclass(frozen=True)
class PairFit:
    """How a real low-resolution scan relates to its real high-resolution partner (`medsr.validation.pairs`).

    Before anything is done the low scan y becomes slope * y + offset, so that every method answers in the unit of the
    high scan x. The line is that of least squares of y over A x in the mask on the grid of y, turned round. CT is in HU
    and is left alone.

    Attributes:
        scan: name of the pair.
        task: name of what was asked of it.
        slope: of the line; 1 where nothing was fitted.
        offset: of the line, in the high scan's unit; 0 where nothing was fitted.
        correlation: of A x and y in the mask, -1 to 1.
        shift_mm: how far y lies from A x: what is left of the registration's error.
        covered: share of the low scan's voxels that both scans cover.
        turn_deg: angle between the two scans' axes.
        interpolated: axes along which the high scan had to be interpolated, such as "R A"; "" where its own voxels
            were taken.
    """

    scan: str
    task: str
    slope: float
    offset: float
    correlation: float
    shift_mm: float
    covered: float
    turn_deg: float
    interpolated: str


@dataclass(frozen=True)
class Unmeasured:
    """A case that could not be measured.

    Attributes:
        scan: name of the reference or the pair.
        task: name of the task.
        reason: what was found, what was expected, what to do next.
    """

    scan: str
    task: str
    reason: str
