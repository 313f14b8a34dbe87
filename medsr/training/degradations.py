"""Random degradation parameters of a training patch: scanner, contrast, planted lesions and orientation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsr.physics.ops import AxisSampling, Profile, Separable

THICKEST_MM, LARGEST_FACTOR = 7.0, 12.0
MOST_SEVERAL, MOST_PAIR = 4.5, 4.0  # factors on all axes, and on two
FULL_THICKEST_MM, FULL_SEVERAL = 7.5, 6.0  # what the model card claims (`medsr.model.spec.Envelope`)
PROFILE_SHARES: dict[Profile, float] = {"gaussian": 0.64, "trapezoid": 0.12, "box": 0.12, "kspace": 0.12}
THICK_FROM, PAIRS_FROM = 0.6, 0.95  # uniform number below, all axes; between, thick slices; above, two axes
NOMINAL_SHARE = 0.5  # of the patches: the named tasks as they are, without noise
NOISELESS_SHARE, NOISE = 0.4, (0.002, 0.025)  # of the other patches; standard deviation of the noise of the rest
STAGE_FACTOR_2, STAGE_FACTORS = 0.7, (1.1, 2.15)  # share of stages that refine by 2; the first one of a cascade may not
LESION_SHARE = 0.4  # of the patches hold planted lesions, so that small things between slices are not smoothed away
MOST_LESIONS = 4
LESION_MM, LESION_HEIGHT, LESION_EDGE_MM = (1.5, 10.0), (0.02, 0.3), (0.5, 1.5)
MARGIN_VOXELS = 2.0  # low-resolution voxels kept around a patch, so that the border of the window does not reach it
MAX_MARGIN = 26


@dataclass(frozen=True)
class AxisParameters:
    """One degraded axis: factor, slice profile, and its width (FWHM) in low-resolution voxels."""

    factor: float
    profile: Profile
    width: float

    @property
    def margin(self) -> int:
        """High-resolution voxels kept on each side of the patch."""
        return min(int(np.ceil(MARGIN_VOXELS * self.factor)) + 2, MAX_MARGIN)


@dataclass(frozen=True)
class ScannerParameters:
    """An acquisition: how each axis is degraded, None where it is not; standard deviation of the noise, model range."""

    axes: tuple[AxisParameters | None, AxisParameters | None, AxisParameters | None]
    noise_sigma: float

    def reach_mm(self, axis: int, spacing_mm: float) -> float:
        """Half a low-resolution voxel along an axis, whose high-resolution voxels are `spacing_mm` apart."""
        parameters = self.axes[axis]
        return spacing_mm * (1.0 if parameters is None else parameters.factor) / 2

    def operator(self, shape: tuple[int, int, int]) -> Separable:
        """The forward operator for a window of `shape` high-resolution voxels."""
        a, b, c = (_sampling(axis, n) for axis, n in zip(self.axes, shape, strict=True))
        return Separable((a, b, c))


@dataclass(frozen=True)
class ContrastParameters:
    """A change of contrast in the model range: power, then gain and offset; negative gain inverts."""

    power: float
    gain: float
    offset: float


@dataclass(frozen=True)
class LesionParameters:
    """A soft ellipsoid: place as shares of the window, axes and edge in mm, height in the model range."""

    place: tuple[float, float, float]
    axes_mm: tuple[float, float, float]
    height: float
    edge_mm: float


def sample_scanner(
    rng: np.random.Generator,
    spacing_mm: tuple[float, float, float],
    degradable: tuple[bool, bool, bool],
    variety: float,
    thick: bool = False,
    full_range: bool = False,
) -> ScannerParameters:
    """A random acquisition for a scan of that spacing.

    Args:
        rng: The only source of randomness.
        spacing_mm: Voxel spacing of the high-resolution scan.
        degradable: Axes that may be degraded.
        variety: Share of acquisitions from the full range; the others have factor 2 on all axes and no noise.
        thick: Thick slices alone (one degraded axis), whatever the variety.
        full_range: Factors over all that the model card claims.
    """
    allowed = [axis for axis in range(3) if degradable[axis]]
    if not thick and rng.random() >= variety:
        return ScannerParameters(_on(allowed, AxisParameters(2.0, "gaussian", 1.0)), 0.0)
    nominal = rng.random() < NOMINAL_SHARE
    profile = "gaussian" if nominal else _profile(rng)
    width = 1.0 if nominal else _width(rng, profile)
    kind = THICK_FROM if thick else rng.random()
    if kind < THICK_FROM:
        factor = (
            float(rng.choice([2.0, 2.0, 4.0]))
            if nominal
            else _log_uniform(rng, 1.3, FULL_SEVERAL if full_range else MOST_SEVERAL)
        )
        axes = _on(allowed, AxisParameters(factor, profile, width))
    elif kind < PAIRS_FROM or nominal or len(allowed) < 2:
        axis = int(rng.choice(allowed))
        thickness_mm = 5.0 if nominal else _log_uniform(rng, 2.0, FULL_THICKEST_MM if full_range else THICKEST_MM)
        factor = float(np.clip(thickness_mm / spacing_mm[axis], 1.5, LARGEST_FACTOR))
        axes = _on([axis], AxisParameters(factor, profile, width))
    else:
        pair = sorted(int(axis) for axis in rng.choice(allowed, 2, replace=False))
        axes = _on(
            pair, AxisParameters(_log_uniform(rng, 1.3, FULL_SEVERAL if full_range else MOST_PAIR), profile, width)
        )
    noise = 0.0 if nominal or rng.random() < NOISELESS_SHARE else _log_uniform(rng, *NOISE)
    return ScannerParameters(axes, noise)


def sample_stage_scanner(rng: np.random.Generator, axis: int) -> ScannerParameters:
    """What a stage of a cascade along an axis takes for the acquisition: a factor of about 2, mostly with noise."""
    nominal = rng.random() < NOMINAL_SHARE
    factor = 2.0 if rng.random() < STAGE_FACTOR_2 else _log_uniform(rng, *STAGE_FACTORS)
    profile = "gaussian" if nominal else _profile(rng)
    width = 1.0 if nominal else _width(rng, profile)
    noise = 0.0 if rng.random() < NOISELESS_SHARE else _log_uniform(rng, *NOISE)
    return ScannerParameters(_on([axis], AxisParameters(factor, profile, width)), noise)


def sample_contrast(rng: np.random.Generator, modality: str) -> ContrastParameters:
    """A random change of contrast: CT keeps its order, one MR scan in sixteen is inverted."""
    power = float(np.exp(rng.normal(0, 0.2))) if modality == "MR" and rng.random() < 0.5 else 1.0
    gain = float(np.exp(rng.normal(0, 0.2)))
    if modality == "MR" and rng.random() < 0.0625:
        return ContrastParameters(power, -gain, gain + float(rng.normal(0, 0.05)))
    return ContrastParameters(power, gain, float(rng.normal(0, 0.05)))


def sample_lesions(rng: np.random.Generator, variety: float) -> tuple[LesionParameters, ...]:
    """Up to `MOST_LESIONS` random lesions, brighter or darker, for `LESION_SHARE` of the patches at full variety."""
    if rng.random() >= LESION_SHARE * variety:
        return ()
    return tuple(_lesion(rng) for _ in range(int(rng.integers(1, MOST_LESIONS + 1))))


def sample_symmetry(rng: np.random.Generator) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """One of the 48 symmetries of the cube at random: an order of axes, and which of them are flipped."""
    a, b, c = (int(axis) for axis in rng.permutation(3))
    i, j, k = (bool(flip) for flip in rng.integers(0, 2, 3))
    return (a, b, c), (i, j, k)


def _lesion(rng: np.random.Generator) -> LesionParameters:
    a, b, c = (float(share) for share in rng.random(3))
    size = _log_uniform(rng, *LESION_MM)
    i, j, k = (size * _log_uniform(rng, 0.8, 1.25) for _ in range(3))
    height = _log_uniform(rng, *LESION_HEIGHT) * float(rng.choice([-1.0, 1.0]))
    return LesionParameters((a, b, c), (i, j, k), height, float(rng.uniform(*LESION_EDGE_MM)))


def _on(
    chosen: list[int], parameters: AxisParameters
) -> tuple[AxisParameters | None, AxisParameters | None, AxisParameters | None]:
    a, b, c = (parameters if axis in chosen else None for axis in range(3))
    return a, b, c


def _profile(rng: np.random.Generator) -> Profile:
    names = list(PROFILE_SHARES)
    return names[int(rng.choice(len(names), p=list(PROFILE_SHARES.values())))]


def _width(rng: np.random.Generator, profile: Profile) -> float:
    if profile == "kspace" or rng.random() < 0.5:
        return 1.0
    return float(np.clip(rng.normal(1.0, 0.15), 0.6, 1.5))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _sampling(axis: AxisParameters | None, n: int) -> AxisSampling | None:
    if axis is None:
        return None
    m = max(1, round(n / axis.factor))
    return None if m == n else AxisSampling(n, m, axis.profile, axis.width * n / m)
