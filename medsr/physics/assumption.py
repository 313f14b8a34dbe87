"""What is assumed of how each axis of a scan was sampled, and where each part of it came from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from medsr.physics.profiles import Profile
from medsr.volume import AcquisitionType

Origin = Literal["told", "header", "estimated", "default"]
ISOTROPIC = 1.25  # a scan whose spacings differ by less counts as isotropic

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


@dataclass(frozen=True)
class Assumed:
    """How one axis is taken to have been sampled.

    Attributes:
        profile: Slice profile.
        fwhm_mm: Its full width at half maximum in mm; None: a profile without a width.
        profile_from: Where the profile came from: told by the user, the header, an estimate from the voxels, or the
            default.
        fwhm_from: The same for the width; None: a profile without a width.
    """

    profile: Profile
    fwhm_mm: float | None
    profile_from: Origin
    fwhm_from: Origin | None

    @property
    def text(self) -> str:
        """In words, such as "trapezoid (default) of 5 mm (header)"."""
        width = "" if self.fwhm_mm is None else f" of {self.fwhm_mm:.3g} mm ({self.fwhm_from})"
        return f"{self.profile} ({self.profile_from}){width}"

    def facts(self) -> dict[str, Any]:
        """Plain values, for the run record."""
        width = None if self.fwhm_mm is None else round(self.fwhm_mm, 4)
        return {**asdict(self), "fwhm_mm": width}


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
    thick. A scan whose headers don't say "2D" or "3D" counts as 3D where it is isotropic.

    Args:
        scan: Scan, or what its headers say.
        thickness_mm: Slice thickness as told by the user; None: what the headers say, else the spacing.
    """
    thickness, fwhm_from = _thickness(scan, thickness_mm)
    origin: Origin = "default" if scan.acquisition_type is None else "header"
    is_2d = scan.acquisition_type == "2D" or (scan.acquisition_type is None and not is_isotropic(scan.spacing_mm))
    has_slices = is_2d or thickness_mm is not None
    in_k_space = Assumed(VOXELS, None, origin, None)
    across = Assumed(SLICES, thickness, "default", fwhm_from)
    i, j, k = (across if has_slices and axis == slice_axis_of(scan) else in_k_space for axis in range(3))
    return i, j, k


def _thickness(scan: Sampled, told_mm: float | None) -> tuple[float, Origin]:
    """Thickness of the slices in mm, and where it came from."""
    if told_mm is not None:
        return told_mm, "told"
    if scan.thickness_mm is not None:
        return scan.thickness_mm, "header"
    return float(scan.spacing_mm[slice_axis_of(scan)]), "default"
