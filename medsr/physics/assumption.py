"""What is assumed of how each axis of a scan was sampled, and where each part of it came from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from medsr.physics.blur import own_fwhm, slice_fwhm, step_fwhm
from medsr.physics.noise_level import estimate_sigma
from medsr.physics.profiles import Profile
from medsr.volume import AcquisitionType, Modality, Volume

Origin = Literal["told", "header", "estimated", "other stacks", "default"]
OTHER_STACKS: Origin = "other stacks"
ISOTROPIC = 1.25  # a scan whose spacings differ by less counts as isotropic
FINE = 1.6  # an axis coarser than this times the finest spacing is not fine

# Widths in samples. Too wide an assumption does far more harm than too narrow a one, so estimates count only from a
# width on, and less than was found is assumed.
STEP_FWHM_FROM, SLICE_FWHM_FROM = 1.08, 0.9
CAUTION = 0.1
THICKEST = 4.0  # slices thicker than this times their spacing are a slip in the header or on the command line
SOFT = 1.0  # samples: borders that wide are not those of a scan with full resolution
WIDEST = 1.5  # of those that the model was trained with
# A CT section is wider than it is called. Five millimetres of a Philips head phantom are best reproduced by its 1 mm
# sections weighted 0.5 1 1 1 1 1 0.5. Results with 1.1 and 1.2 times the nominal width were 0.55 and 0.88 dB nearer to
# those sections. On three training scans whose sections were boxes 1.1 costs at most 0.05 dB and 1.2 up to 0.26.
CT_SECTION = 1.1
GAUSSIAN_OF_SLICES = 0.69  # FWHM of the Gaussian with the variance of a trapezoid, over the trapezoid's

SLICES: Profile = "trapezoid"  # across slices: between the box of a CT section and the Gaussian of a soft pulse
VOXELS: Profile = "kspace"  # in plane and in 3D: the one assumption that harms no scan, however it was sampled


class Sampled(Protocol):
    """Grid and slices of a scan without its voxels: a `Volume`, or slices of which only the headers were read."""

    @property
    def shape(self) -> tuple[int, int, int]: ...  # noqa: D102
    @property
    def affine(self) -> NDArray[np.float64]: ...  # noqa: D102
    @property
    def spacing_mm(self) -> NDArray[np.float64]: ...  # noqa: D102
    @property
    def thickness_mm(self) -> float | None: ...  # noqa: D102
    @property
    def slice_axis(self) -> int | None: ...  # noqa: D102
    @property
    def acquisition_type(self) -> AcquisitionType | None: ...  # noqa: D102
    @property
    def modality(self) -> Modality | None: ...  # noqa: D102


@dataclass(frozen=True)
class Assumed:
    """How one axis is taken to have been sampled.

    Attributes:
        profile: Slice profile.
        fwhm_mm: Its full width at half maximum in mm; None: a profile without a width.
        profile_from: Where the profile came from: told by the user, the header, an estimate from the voxels, other
            stacks of the same body, or the default.
        fwhm_from: The same for the width; None: a profile without a width.
    """

    profile: Profile
    fwhm_mm: float | None
    profile_from: Origin
    fwhm_from: Origin | None

    def facts(self) -> dict[str, Any]:
        """Plain values, for the run record."""
        width = None if self.fwhm_mm is None else round(self.fwhm_mm, 4)
        return {**asdict(self), "fwhm_mm": width}


def fine_axes(spacing_mm: NDArray[np.float64]) -> tuple[int, ...]:
    """Axes not much coarser than the finest one; along them, neighbouring voxels are alike."""
    return tuple(axis for axis in range(3) if spacing_mm[axis] < FINE * spacing_mm.min())


Assumption = tuple[Assumed | None, Assumed | None, Assumed | None]
"""What is assumed of each axis; None: an axis that nothing is assumed of."""


def slice_axis_of(scan: Sampled) -> int:
    """The axis of the slices: as stated, else the coarsest one."""
    return scan.slice_axis if scan.slice_axis is not None else int(np.argmax(scan.spacing_mm))


def is_isotropic(spacing_mm: NDArray[np.float64]) -> bool:
    """Whether the spacings differ by less than a factor of `ISOTROPIC`."""
    return bool(spacing_mm.max() < ISOTROPIC * spacing_mm.min())


def told_of(scan: Sampled, profile: Profile, thickness_mm: float | None = None) -> tuple[Assumed, Assumed, Assumed]:
    """One profile for every axis, as told by the user: as wide as the spacing; across slices, as the slices are thick.

    Args:
        scan: Scan, or what its headers say.
        profile: Slice profile.
        thickness_mm: Slice thickness as told by the user; None: what the headers say, else the spacing.
    """
    thickness, origin = _thickness(scan, thickness_mm)
    slices = slice_axis_of(scan)
    if profile == "kspace":
        return (Assumed(profile, None, "told", None),) * 3
    i, j, k = (
        Assumed(profile, thickness, "told", origin) if axis == slices else Assumed(profile, float(h), "told", "default")
        for axis, h in enumerate(scan.spacing_mm)
    )
    return i, j, k


def assumed_of(scan: Sampled, thickness_mm: float | None = None) -> tuple[Assumed, Assumed, Assumed]:
    """What the headers of a scan, or else defaults, say of each of its axes.

    3D acquisitions and the plane of slices are sampled in k-space; across slices the profile is as wide as they are
    thick, in CT `CT_SECTION` times as wide unless the user tells the thickness. A scan whose headers don't say "2D" or
    "3D" counts as 3D where it is isotropic.

    Args:
        scan: Scan, or what its headers say.
        thickness_mm: Slice thickness as told by the user; None: what the headers say, else the spacing.
    """
    thickness, fwhm_from = _thickness(scan, thickness_mm)
    origin: Origin = "default" if scan.acquisition_type is None else "header"
    is_2d = scan.acquisition_type == "2D" or (scan.acquisition_type is None and not is_isotropic(scan.spacing_mm))
    has_slices = is_2d or thickness_mm is not None
    in_k_space = Assumed(VOXELS, None, origin, None)
    section = CT_SECTION if scan.modality == "CT" and fwhm_from != "told" else 1.0
    across = Assumed(SLICES, section * thickness, "default", fwhm_from)
    i, j, k = (across if has_slices and axis == slice_axis_of(scan) else in_k_space for axis in range(3))
    return i, j, k


def assumed_from_voxels(
    scan: Volume, thickness_mm: float | None = None, white: float | None = None
) -> tuple[Assumed, Assumed, Assumed]:
    """As `assumed_of`, but wider where the voxels show more blur, and narrower slices where they show less.

    Args:
        scan: Scan with its voxels.
        thickness_mm: Slice thickness as told by the user, which no estimate overrules; None: what the headers say.
        white: Standard deviation of the white noise (`white_noise`) where it is known already; None: it is estimated.
    """
    assumed, spacing, fine = assumed_of(scan, thickness_mm), scan.spacing_mm, fine_axes(scan.spacing_mm)
    noise = white_noise(scan) if white is None else white
    steps = {axis: step_fwhm(scan.data, axis, noise) for axis in fine}
    known = [width for width in steps.values() if width is not None]

    def estimated(axis: int) -> Assumed:
        if assumed[axis].fwhm_from == "told":
            return assumed[axis]
        if axis not in fine:
            widths = slice_fwhm(scan.data, axis, spacing.tolist(), fine, noise)
            return assumed[axis] if widths is None else _slices(assumed[axis], widths, float(spacing[axis]))
        own = steps[axis]
        width = None if own is None else min(own, float(np.mean(known)))
        return assumed[axis] if width is None else _voxels(assumed[axis], width, float(spacing[axis]))

    return estimated(0), estimated(1), estimated(2)


def white_noise(scan: Volume) -> float:
    """Standard deviation of the white noise of a scan, estimated along the axes where neighbours are alike."""
    return estimate_sigma(scan.data, fine_axes(scan.spacing_mm))


def narrowed(assumed: Assumption, share: float) -> Assumption:
    """The same with the widths that were estimated times `share`."""
    i, j, k = (
        replace(one, fwhm_mm=share * one.fwhm_mm)
        if one is not None and one.fwhm_mm is not None and one.fwhm_from == "estimated"
        else one
        for one in assumed
    )
    return i, j, k


def softness_said(assumed: Assumption, spacing_mm: NDArray[np.float64]) -> tuple[str, ...]:
    """Axes along which a scan holds far less than its voxels promise, one line each.

    Args:
        assumed: What the voxels of the scan told (`assumed_from_voxels`).
        spacing_mm: Its spacing (3,).
    """
    return tuple(
        f"along axis {axis} the scan is softer than its voxels: borders are about {one.fwhm_mm:.2g} mm wide, voxels "
        f"{spacing_mm[axis]:.2g} mm; it was zero-filled, interpolated, smoothed or, in CT, made with a soft kernel, "
        "and finer detail is not in it"
        for axis, one in enumerate(assumed)
        if axis in fine_axes(spacing_mm)
        and one is not None
        and one.profile_from == "estimated"
        and one.fwhm_mm is not None
        and one.fwhm_mm >= SOFT * spacing_mm[axis]
    )


def _voxels(assumed: Assumed, step_fwhm: float, spacing_mm: float) -> Assumed:
    """A fine axis whose steps are as wide as `step_fwhm` samples; no wider than slices are by their header."""
    if step_fwhm < STEP_FWHM_FROM:
        return assumed
    found_mm = min(own_fwhm(step_fwhm) - CAUTION, WIDEST) * spacing_mm
    return _gaussian(min(found_mm, assumed.fwhm_mm or found_mm) if assumed.fwhm_from == "header" else found_mm)


def _slices(assumed: Assumed, fwhm: tuple[float, float], spacing_mm: float) -> Assumed:
    """Thick slices whose profile is as wide as a Gaussian of `fwhm` samples; where two sources differ, the narrower."""
    least_mm, largest_mm = fwhm[0] * spacing_mm, fwhm[1] * spacing_mm
    stated_mm = assumed.fwhm_mm or spacing_mm
    if least_mm >= SLICE_FWHM_FROM * stated_mm:
        most_mm = stated_mm if assumed.fwhm_from == "header" else WIDEST * spacing_mm
        return _gaussian(min(least_mm - CAUTION * spacing_mm, most_mm))
    if stated_mm > spacing_mm and largest_mm < GAUSSIAN_OF_SLICES * stated_mm:
        return replace(assumed, fwhm_mm=spacing_mm, fwhm_from="estimated")
    return assumed


def _gaussian(fwhm_mm: float) -> Assumed:
    return Assumed("gaussian", float(fwhm_mm), "estimated", "estimated")


def can_be_thick(thickness_mm: float, spacing_mm: float) -> bool:
    """Whether slices that far apart can be that thick."""
    return 0 < thickness_mm <= THICKEST * spacing_mm


def header_said(scan: Sampled) -> tuple[str, ...]:
    """What the headers say that can't be, and what is assumed instead, one line each."""
    spacing = float(scan.spacing_mm[slice_axis_of(scan)])
    if scan.thickness_mm is None or can_be_thick(scan.thickness_mm, spacing):
        return ()
    return (
        f"the header says that slices are {scan.thickness_mm:g} mm thick every {spacing:.3g} mm, which can't be; "
        f"{spacing:.3g} mm are assumed, so give the true --thickness",
    )


def _thickness(scan: Sampled, told_mm: float | None) -> tuple[float, Origin]:
    """Thickness of the slices in mm, and where it came from."""
    if told_mm is not None:
        return told_mm, "told"
    spacing = float(scan.spacing_mm[slice_axis_of(scan)])
    if scan.thickness_mm is not None and can_be_thick(scan.thickness_mm, spacing):
        return scan.thickness_mm, "header"
    return spacing, "default"
