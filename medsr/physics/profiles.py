"""Slice profiles by name, given by their full width at half maximum (docs/explanation/equations.md, eq. 2).

A new profile is its name and its integral here, and an entry in `medsr.physics.ops.matrices.SLICE_PROFILES`.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Profile = Literal["gaussian", "box", "trapezoid", "kspace"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
ProfileChoice = Literal["auto", "gaussian", "box", "trapezoid", "kspace"]
"""What a user may ask for: "auto" leaves it to the headers and defaults (`medsr.physics.assumption`)."""
PROFILE_CHOICES: tuple[ProfileChoice, ...] = get_args(ProfileChoice)

FWHM_PER_SIGMA = float(np.sqrt(8.0 * np.log(2.0)))
TRAPEZOID_RAMP = 0.2  # each ramp's width as a share of the FWHM: between a box and a Gaussian, as real pulses are


def gaussian(u: NDArray[np.float64], fwhm: float) -> NDArray[np.float64]:
    """Integral of a Gaussian profile from minus infinity to `u`, 0 to 1, same shape as `u`.

    Args:
        u: Distance from the profile's centre, any unit.
        fwhm: Full width at half maximum, above 0, same unit as `u`.
    """
    from scipy.special import ndtr  # here, as the names above are all that a command line needs to start

    return np.asarray(ndtr(u * (FWHM_PER_SIGMA / fwhm)), dtype=np.float64)


def box(u: NDArray[np.float64], fwhm: float) -> NDArray[np.float64]:
    """As `gaussian`, for a box."""
    return np.clip(u / fwhm + 0.5, 0.0, 1.0)


def trapezoid(u: NDArray[np.float64], fwhm: float) -> NDArray[np.float64]:
    """As `gaussian`, for a trapezoid with ramps of `TRAPEZOID_RAMP` times its width."""
    ramp = TRAPEZOID_RAMP * fwhm
    rise, fall = u + fwhm / 2 + ramp / 2, u - fwhm / 2 + ramp / 2
    return (_ramp_integral(rise, ramp) - _ramp_integral(fall, ramp)) / fwhm


def _ramp_integral(u: NDArray[np.float64], ramp: float) -> NDArray[np.float64]:
    """Integral of a function that climbs from 0 at u = 0 to 1 at u = ramp and stays there."""
    inside = np.clip(u, 0.0, ramp)
    return inside**2 / (2 * ramp) + np.maximum(u - ramp, 0.0)
