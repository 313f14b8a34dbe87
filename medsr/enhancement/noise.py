"""The noise that a result starts from: as given, or estimated from the scan."""

from __future__ import annotations

from medsr.enhancement.settings import EnhanceSettings
from medsr.model.intensity import Scale
from medsr.physics.assumption import fine_axes
from medsr.physics.noise_level import estimate_sigma, estimate_sigma_of_slices
from medsr.volume import Volume


def scan_noise(volume: Volume, scale: Scale, settings: EnhanceSettings) -> float:
    """Standard deviation of the scan's noise in the model range, as given or estimated from the scan.

    Args:
        volume: Input.
        scale: Map of intensities to the model range.
        settings: Request; the noise in it counts where it is given.
    """
    if settings.noise is not None:
        return settings.noise / scale.width
    fine = fine_axes(volume.spacing_mm)
    estimated = estimate_sigma if len(fine) == 3 else estimate_sigma_of_slices
    return estimated(volume.data, fine) / scale.width
