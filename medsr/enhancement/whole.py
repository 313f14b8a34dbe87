"""What every part of a scan takes from the whole."""

from __future__ import annotations

from dataclasses import dataclass, replace

from medsr.enhancement.floor import floor_of
from medsr.enhancement.noise import refines_plane, scan_noise
from medsr.enhancement.settings import EnhanceSettings, Triple
from medsr.model.intensity import Scale, scale_of
from medsr.physics.acquisition import Acquisition
from medsr.volume import Volume


@dataclass(frozen=True)
class Whole:
    """What a part of a scan takes from the whole, so that it is enhanced as it would be there.

    Attributes:
        scale: Map of the whole scan's intensities to the model range.
        noise: Standard deviation of the whole scan's noise, in the model range.
        floor: Lowest value that a posterior mean may have (`medsr.enhancement.floor`), in the model range.
        origin: First voxel of the part on the network's grid of the whole; zeros where the part is the whole.
    """

    scale: Scale
    noise: float
    floor: float
    origin: Triple = (0, 0, 0)

    @classmethod
    def of(cls, volume: Volume, settings: EnhanceSettings, acquisition: Acquisition) -> Whole:
        """What the parts of a scan share.

        Args:
            volume: Whole input.
            settings: Request; the noise in it counts where it is given.
            acquisition: Acquisition of the whole input, and the finer grid.

        Raises:
            InputError: a constant image.
        """
        scale = scale_of(volume.data, volume.modality)
        floor = (floor_of(volume) - scale.low) / scale.width
        noise = scan_noise(volume, scale, settings, plane_refined=refines_plane(volume, acquisition))
        return cls(scale, noise, floor)

    def at(self, origin: Triple) -> Whole:
        """The same for the part that begins at `origin`."""
        return replace(self, origin=origin)
