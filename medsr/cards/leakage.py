"""Leakage between sets of scans: one subject in both, or one scan in both however it was cut, scaled or renamed.

Two scans of one object agree in their edges at one shift of their grids; scans of two people do not. Each scan is put
on a grid of 4 mm in RAS order, its slow part is taken away, and pairs are compared at the shifts where they correlate
best (the peaks of a circular cross-correlation), inside the part that both cover, as they are and mirrored left to
right. Lewis 1995 describes the correlation; Kuglin and Hines 1975 the use of its peak.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from medsr.cards.manifest import Row
from medsr.volume import Volume

GRID_MM = 4.0
SIDE_VOX = 64  # 256 mm, the centre of larger scans
SLOW_VOX = 2.0  # standard deviation of what counts as the slow part
PEAKS = 3
LEAST_SHARED = 0.5  # of the smaller scan, that both must cover
# Between subjects of the shared sets at most 0.66; planted copies, cropped or changed, at least 0.80.
DUPLICATE = 0.72


@dataclass(frozen=True)
class Print:
    """What is compared of a scan.

    Attributes:
        detail: (64, 64, 64) high-frequency part, 0 outside the scan.
        inside: (64, 64, 64) bool mask of the scan.
        spectrum: Fourier transform of `detail`, scaled to norm 1.
    """

    detail: NDArray[np.float32]
    inside: NDArray[np.bool_]
    spectrum: NDArray[np.complex64]

    def mirrored(self) -> Print:
        """The same scan with left and right exchanged."""
        return _print(np.ascontiguousarray(self.detail[::-1]), np.ascontiguousarray(self.inside[::-1]))


@dataclass(frozen=True)
class Pair:
    """Two scans that are nearly the same.

    Attributes:
        first: Name of a scan of one set.
        second: Name of a scan of another.
        correlation: Correlation of their edges where both are.
    """

    first: str
    second: str
    correlation: float


def shared_subjects(first: Sequence[Row], second: Sequence[Row]) -> list[str]:
    """Labels and names of subjects that two manifests have in common; equal files count as well."""
    labels = {row.label for row in first} & {row.label for row in second}
    # Two sources may both call a subject "patient12", so a name counts only within its source.
    names = {(row.source, _person(row)) for row in first} & {(row.source, _person(row)) for row in second}
    hashes = {row.sha256 for row in first} & {row.sha256 for row in second}
    files = {row.label for row in first if row.sha256 in hashes}
    return sorted(labels | {f"{source} {name}" for source, name in names} | files)


def fingerprint(volume: Volume) -> Print:
    """What is compared of a scan, in RAS order on a grid of 4 mm around its centre."""
    turned = volume.to_ras()
    data = np.asarray(turned.data, np.float32)
    low, high = np.percentile(data[::2, ::2, ::2], (1, 99))
    # A fold of the range evens out changes of contrast and brightness that a copy may have seen.
    data = np.sqrt(np.clip((data - low) / max(float(high - low), 1e-6), 0, 1))
    widths = GRID_MM / turned.spacing_mm
    smooth = ndimage.gaussian_filter(data, np.where(widths > 1, widths / 2.355, 0.0), mode="nearest", truncate=2.5)
    wanted = [max(2, min(SIDE_VOX, int(n / w))) for n, w in zip(data.shape, widths, strict=True)]
    start = [(n - m * w) / 2 + (w - 1) / 2 for n, m, w in zip(data.shape, wanted, widths, strict=True)]
    small = ndimage.affine_transform(smooth, widths, start, tuple(wanted), order=1, mode="nearest")
    small -= ndimage.gaussian_filter(small, SLOW_VOX, mode="nearest")
    place = tuple(slice((SIDE_VOX - n) // 2, (SIDE_VOX - n) // 2 + n) for n in small.shape)
    detail = np.zeros((SIDE_VOX,) * 3, np.float32)
    inside = np.zeros((SIDE_VOX,) * 3, bool)
    detail[place], inside[place] = small, True
    return _print(detail, inside)


def likeness(first: Print, second: Print) -> float:
    """Correlation at the best shift where both scans are, as they are or mirrored; 0 where they hardly overlap."""
    return max(_best(first, second), _best(first, second.mirrored()))


def near_duplicates(
    first: Mapping[str, Print], second: Mapping[str, Print], threshold: float = DUPLICATE
) -> tuple[Pair, ...]:
    """Scans of one set that are nearly the same as one of the other.

    Args:
        first: Fingerprints of one set by name.
        second: Fingerprints of the other set.
        threshold: Correlation from which two scans count as one.
    """
    found = [Pair(a, b, likeness(one, other)) for a, one in first.items() for b, other in second.items()]
    return tuple(pair for pair in found if pair.correlation >= threshold)


def _print(detail: NDArray[np.float32], inside: NDArray[np.bool_]) -> Print:
    norm = float(np.linalg.norm(detail))
    return Print(detail, inside, np.asarray(fft.rfftn(detail / max(norm, 1e-12)), np.complex64))


def _best(first: Print, second: Print) -> float:
    """Best correlation over the highest peaks of the circular cross-correlation."""
    correlation = fft.irfftn(first.spectrum * np.conj(second.spectrum), first.detail.shape)
    best = 0.0
    for _ in range(PEAKS):
        peak = np.unravel_index(int(np.argmax(correlation)), correlation.shape)
        shift = [int(p) - SIDE_VOX if p > SIDE_VOX // 2 else int(p) for p in peak]
        best = max(best, _overlapping(first, second, shift))
        around = tuple(np.arange(int(p) - 1, int(p) + 2) % SIDE_VOX for p in peak)
        correlation[np.ix_(*around)] = -1.0
    return best


def _overlapping(first: Print, second: Print, shift: Sequence[int]) -> float:
    """Correlation where both scans are, the second one moved by whole voxels."""
    here = tuple(slice(max(0, s), SIDE_VOX + min(0, s)) for s in shift)
    there = tuple(slice(max(0, -s), SIDE_VOX + min(0, -s)) for s in shift)
    both = first.inside[here] & second.inside[there]
    if both.sum() < LEAST_SHARED * min(first.inside.sum(), second.inside.sum()):
        return 0.0
    a, b = first.detail[here][both], second.detail[there][both]
    sizes = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(a @ b) / sizes if sizes > 0 else 0.0


def _person(row: Row) -> str:
    """The subject's name in a manifest, without the study."""
    return row.subject.partition(",")[0].strip()
