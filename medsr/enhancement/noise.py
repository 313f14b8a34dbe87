"""The noise that a result starts from: as given, or estimated from the scan."""

from __future__ import annotations

from medsr.enhancement.settings import EnhanceSettings
from medsr.model.intensity import Scale
from medsr.model.spec import LEAST_FACTOR
from medsr.physics.acquisition import Acquisition
from medsr.physics.assumption import fine_axes, white_noise
from medsr.physics.noise_level import estimate_sigma_of_slices
from medsr.volume import Volume


def scan_noise(volume: Volume, scale: Scale, settings: EnhanceSettings, *, plane_refined: bool) -> float:
    """Standard deviation of the scan's noise in the model range, as given or estimated from the scan.

    Where the plane of thick slices is refined, noise that is correlated in it does not count: it can't be told from
    anatomy as fine as that, and taking that for noise cost 0 to 1.45 dB on six training scans (`iso2`).

    Args:
        volume: Input.
        scale: Map of intensities to the model range.
        settings: Request; the noise in it counts where it is given.
        plane_refined: Whether the plane of the slices is refined (`refines_plane`).
    """
    if settings.noise is not None:
        return settings.noise / scale.width
    return estimated_noise(volume, plane_refined=plane_refined) / scale.width


def estimated_noise(volume: Volume, *, plane_refined: bool, white: float | None = None) -> float:
    """As `scan_noise`, estimated and in the scan's own unit.

    Args:
        volume: Input.
        plane_refined: Whether the plane of the slices is refined (`refines_plane`).
        white: Standard deviation of the white noise (`white_noise`) where it is known already; None: it is estimated.
    """
    fine = fine_axes(volume.spacing_mm)
    white = white_noise(volume) if white is None else white
    if len(fine) == 3 or plane_refined:
        return white
    return estimate_sigma_of_slices(volume.data, fine, acquired_apart=volume.modality == "MR", white=white)


def refines_plane(volume: Volume, acquisition: Acquisition) -> bool:
    """Whether an axis along which neighbours are alike, such as those in the plane of thick slices, is refined.

    Args:
        volume: Input.
        acquisition: Acquisition of the input, and the finer grid.
    """
    return any(acquisition.factors[axis] >= LEAST_FACTOR for axis in fine_axes(volume.spacing_mm))
