"""Up to which frequency a result agrees with the reference, along one axis: Fourier shell correlation in a cone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from medsr.metrics.arrays import Mask, Scan
from medsr.metrics.windows import windowed

CONE_DEG = 20.0  # half angle: wide enough for a steady curve, narrow enough to be about one axis
HALF = 0.5  # signal as strong as error, for a result against a reference
ONE_SEVENTH = 0.143  # the usual threshold between two halves of a data set, for comparison with other work


@dataclass(frozen=True)
class ShellCorrelation:
    """Correlation by frequency.

    Attributes:
        frequency_per_mm: Middle of each shell, rising, in cycles per mm.
        correlation: Correlation of result and reference in that shell, -1 to 1.
    """

    frequency_per_mm: tuple[float, ...]
    correlation: tuple[float, ...]

    def cut_off_mm(self, threshold: float = HALF) -> float:
        """Size of the smallest detail that agrees, 1 / (2 k) for the first frequency k below `threshold`.

        Half the shortest wavelength looked at, as a rule the spacing, where all of them agree.
        """
        last = self.frequency_per_mm[0]
        above = 1.0
        for frequency, value in zip(self.frequency_per_mm, self.correlation, strict=True):
            if value < threshold:
                crossing = last + (frequency - last) * (above - threshold) / (above - value)
                return 1 / (2 * crossing)
            last, above = frequency, value
        return 1 / (2 * last)


def shell_correlation(
    x: Scan, reference: Scan, spacing_mm: Sequence[float], axis: int, mask: Mask | None = None
) -> ShellCorrelation:
    """Fourier shell correlation within 20 degrees of one axis (van Heel & Schatz 2005, eq. 1, over cones).

    Re sum X Y* / sqrt(sum |X|^2 sum |Y|^2) over shells as thick as one period of the window, both scans faded out
    towards the faces of the mask's box.

    Args:
        x: Result, (I, J, K).
        reference: Reference, (I, J, K).
        spacing_mm: Voxel spacing along the three axes.
        axis: Axis along which the frequency is taken: 0, 1 or 2.
        mask: Mask whose bounding box is the window, (I, J, K) bool; None for the whole scan.
    """
    scans = [np.moveaxis(windowed(scan, mask), axis, -1) for scan in (x, reference)]
    shape = scans[0].shape
    others = [h for number, h in enumerate(spacing_mm) if number != axis]
    X, Y = (fft.rfftn(scan) for scan in scans)
    along = fft.rfftfreq(shape[2], spacing_mm[axis])
    across = np.add.outer(fft.fftfreq(shape[0], others[0]) ** 2, fft.fftfreq(shape[1], others[1]) ** 2)[..., None]
    inside = (across <= (np.tan(np.radians(CONE_DEG)) * along) ** 2) & (along > 0)
    length = np.sqrt(across + along**2)[inside]
    thickness = float(along[1])
    number = np.rint(length / thickness).astype(np.intp) - 1
    n_shells = len(along) - 1
    kept = number < n_shells

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(number[kept], values[inside][kept], n_shells), dtype=np.float64)

    power = np.sqrt(total(np.abs(X) ** 2) * total(np.abs(Y) ** 2))
    correlation = total((X * np.conj(Y)).real) / np.maximum(power, np.finfo(np.float64).tiny)
    frequencies = thickness * (np.arange(n_shells) + 1)
    return ShellCorrelation(tuple(map(float, frequencies)), tuple(map(float, correlation)))
