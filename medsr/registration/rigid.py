"""Rigid registration of two scans of one body, by SimpleITK, with an estimate of its own error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medsr.errors import InputError
from medsr.io.itk import LPS_TO_RAS, image_of
from medsr.io.outline import Outline
from medsr.physics.profiles import FWHM_PER_SIGMA
from medsr.volume import Volume

SMOOTHING_MM = (4.0, 2.0, 0.0)  # of both scans, from the coarsest level to the finest
N_SAMPLES = (20_000, 50_000, 100_000)  # voxels of the fixed scan that a level looks at, where it has as many
N_BINS = 40  # of the joint histogram
N_STEPS = 200
FIRST_STEP_MM, LAST_STEP_MM = (2.0, 0.5, 0.1), 1e-3
APART_DEG, APART_MM = 0.5, 0.5  # per axis: where the halves start from, to either side of the answer
LOCAL_MM, LOCAL_LEAST = 10.0, 0.1  # width of the local mean that MR is divided by; its least, of the 99th percentile
SEED = 7  # of the choice of voxels: the same scans give the same answer
LEAST_OVERLAP = 0.2  # of the field of view of one of the two: a thin slab may lie whole within the other scan


@dataclass(frozen=True)
class Rigid:
    """A turn about a point and a shift that bring a scan onto another.

    Attributes:
        matrix: (4, 4) float64, from RAS+ mm in the moving scan to RAS+ mm in the fixed one.
        shift_mm: Length of the shift at the middle of the fixed scan.
        turn_deg: Angle of the turn.
        error_mm: Estimated root mean square error over the fixed scan's field of view (`register`).
    """

    matrix: NDArray[np.float64]
    shift_mm: float
    turn_deg: float
    error_mm: float

    def moved(self, scan: Volume) -> Volume:
        """The moving scan where it belongs: its voxels are as they were, its affine is not."""
        return replace(scan, affine=self.matrix @ scan.affine)


def check_installed() -> None:
    """Nothing where scans can be registered here.

    Raises:
        InputError: SimpleITK is missing.
    """
    if find_spec("SimpleITK") is None:
        raise InputError('registration needs SimpleITK: pip install "medsr[formats]"')


def overlap(scan: Volume | Outline, other: Volume | Outline) -> float:
    """Share of a scan's field of view that another covers, where their headers put them."""
    places = np.linalg.solve(other.affine, _grid(scan).T)[:3].T
    return float(np.mean(np.all((places > -0.5) & (places < np.array(other.shape) - 0.5), axis=1)))


def register(fixed: Volume, moving: Volume) -> Rigid:
    """Find the turn and the shift of a scan against another one of the same body; contrasts may differ.

    Mattes' mutual information (Mattes et al. 2003, eq. 4) over three levels of smoothing. MR is first divided by its
    local mean, since a coil's slow gain that differs between the two would pull them apart. Then each scan is blurred
    along its axes as far as the other's voxels are wide, so that thick slices compare with thin ones. The error is
    estimated by repeating the last level on the even and on the odd slices of the fixed scan, from places on either
    side of the answer: where the two differ by d, the answer of both is off by about d / 2. What misleads both alike,
    such as two contrasts that are distorted differently, does not show.

    Args:
        fixed: Scan that stays where it is.
        moving: Scan whose place is looked for, at most a few centimetres and 20 degrees from there.

    Raises:
        InputError: SimpleITK is missing, or the two share too little of the body.
    """
    fixed, moving = fixed.to_ras(), moving.to_ras()
    shared = max(overlap(fixed, moving), overlap(moving, fixed))
    if shared < LEAST_OVERLAP:
        raise InputError(
            f"the two scans share {shared:.0%} of the smaller field of view; expected at least "
            f"{LEAST_OVERLAP:.0%} to register them: check that they show the same part of one body"
        )
    fixed, moving = _evened(fixed), _evened(moving)
    middle = fixed.affine @ [*(np.array(fixed.shape) - 1) / 2, 1]
    try:
        with _one_thread() as itk:
            whole, halves = _answers(itk, fixed, moving, middle[:3])
    except RuntimeError as error:  # ITK's only kind of error
        raise InputError(
            "the two scans can't be registered: what they share shows too little; check that they show one body"
        ) from error
    onto_moving = _matrix(whole)
    one, two = (_matrix(half) for half in halves)
    points = _grid(fixed)
    apart = np.linalg.norm((points @ (one - two).T)[:, :3], axis=1)
    turn = float(np.degrees(Rotation.from_matrix(onto_moving[:3, :3]).magnitude()))
    return Rigid(
        matrix=np.asarray(np.linalg.inv(onto_moving), np.float64),
        shift_mm=float(np.linalg.norm((onto_moving @ middle - middle)[:3])),
        turn_deg=turn,
        error_mm=float(np.sqrt(np.mean(apart**2)) / 2),
    )


def _answers(itk: Any, fixed: Volume, moving: Volume, middle: NDArray[np.float64]) -> tuple[Any, list[Any]]:
    """The transform found on all slices, and those found on every other one."""
    images = image_of(itk, _as_wide(fixed, moving), fixed.affine), image_of(itk, _as_wide(moving, fixed), moving.affine)
    whole = itk.Euler3DTransform()
    whole.SetCenter(_lps(middle).tolist())
    for level in range(len(SMOOTHING_MM)):
        whole = _found(itk, images, whole, level, None)
    halves = []
    for first, side in ((0, 1), (1, -1)):
        start = itk.Euler3DTransform(whole)
        away = [*[np.radians(APART_DEG)] * 3, *[APART_MM] * 3]
        start.SetParameters((np.array(whole.GetParameters()) + side * np.array(away)).tolist())
        halves.append(_found(itk, images, start, len(SMOOTHING_MM) - 1, _every_other(itk, images[0], fixed, first)))
    return whole, halves


def _found(itk: Any, images: Sequence[Any], start: Any, level: int, mask: Any) -> Any:
    """The transform of one level, from LPS mm in the fixed scan to LPS mm in the moving one."""
    fixed, moving = (
        itk.SmoothingRecursiveGaussian(image, SMOOTHING_MM[level]) if SMOOTHING_MM[level] else image for image in images
    )
    method = itk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(N_BINS)
    n_voxels = int(np.prod(fixed.GetSize()))
    if n_voxels > N_SAMPLES[level]:
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(N_SAMPLES[level] / n_voxels, SEED)
    if mask is not None:
        method.SetMetricFixedMask(mask)
    method.SetInterpolator(itk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(FIRST_STEP_MM[level], LAST_STEP_MM, N_STEPS)
    method.SetOptimizerScalesFromPhysicalShift()
    found = itk.Euler3DTransform(start)
    method.SetInitialTransform(found, inPlace=True)
    method.Execute(fixed, moving)
    return found


def _every_other(itk: Any, image: Any, fixed: Volume, first: int) -> Any:
    """A mask of every other slice, across the axis of the widest spacing."""
    mask = np.zeros(fixed.shape, np.uint8)
    np.moveaxis(mask, int(np.argmax(fixed.spacing_mm)), 0)[first::2] = 1
    made = itk.GetImageFromArray(np.ascontiguousarray(mask.T))
    made.CopyInformation(image)
    return made


def _evened(scan: Volume) -> Volume:
    """MR over its local mean, CT as it is."""
    if scan.modality == "CT":
        return scan
    above = scan.data - scan.data.min()
    mean = ndimage.gaussian_filter(above, LOCAL_MM / scan.spacing_mm, mode="nearest")
    least = LOCAL_LEAST * float(np.percentile(above, 99))
    return scan.with_data(np.asarray(above / np.maximum(mean + least, np.finfo(np.float32).tiny), np.float32))


def _as_wide(scan: Volume, other: Volume) -> NDArray[np.float32]:
    """The voxels of a scan, blurred along each axis to what the other scan's voxels are wide along it."""
    ours, theirs = scan.affine[:3, :3], other.affine[:3, :3]
    cosines = (ours / scan.spacing_mm).T @ (theirs / other.spacing_mm)
    wide = np.sqrt((cosines**2) @ other.spacing_mm**2)
    sigma = np.sqrt(np.maximum(wide**2 - scan.spacing_mm**2, 0.0)) / FWHM_PER_SIGMA / scan.spacing_mm
    return np.asarray(ndimage.gaussian_filter(scan.data, sigma, mode="nearest"), np.float32)


def _grid(scan: Volume | Outline) -> NDArray[np.float64]:
    """Points (n, 4) spread evenly over a scan's field of view, homogeneous RAS+ mm."""
    steps = [np.linspace(-0.5, n - 0.5, 16) for n in scan.shape]
    i, j, k = (axis.ravel() for axis in np.meshgrid(*steps, indexing="ij"))
    return np.asarray(np.stack([i, j, k, np.ones_like(i)], axis=1) @ scan.affine.T)


def _matrix(transform: Any) -> NDArray[np.float64]:
    """(4, 4) in RAS+ mm of a transform in ITK's LPS."""
    turn, centre = np.array(transform.GetMatrix()).reshape(3, 3), np.array(transform.GetCenter())
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, centre + np.array(transform.GetTranslation()) - turn @ centre
    return np.asarray(LPS_TO_RAS @ matrix @ LPS_TO_RAS)


def _lps(point: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(LPS_TO_RAS[:3, :3] @ point)


@contextmanager
def _one_thread() -> Iterator[Any]:
    """SimpleITK with one thread: sums of several differ in their last digits from run to run."""
    check_installed()
    import SimpleITK

    process = SimpleITK.ProcessObject
    process.SetGlobalWarningDisplay(False)
    before = process.GetGlobalDefaultNumberOfThreads()
    process.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield SimpleITK
    finally:
        process.SetGlobalDefaultNumberOfThreads(before)
