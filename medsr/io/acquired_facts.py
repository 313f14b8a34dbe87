"""What headers say of partial sampling, filters and kernels: facts for people to weigh, which change no assumption.

How soft a scan became by them is measured on its voxels (`medsr.physics.blur`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydicom import Dataset

PARTIAL_FOURIER = {
    "PFP": "partial Fourier along the phases",
    "PFF": "partial Fourier along the frequencies",
    "PHASE": "partial Fourier along the phases",
    "FREQUENCY": "partial Fourier along the frequencies",
    "SLICE_SELECT": "partial Fourier across the slices",
}
# Only terms that are known are repeated: anything else in a header may be somebody's name.
LEAST_PERCENT = 5.0  # of the lines; less is a slip in the header
FILTERS = (
    *("COSINE", "COSINE_SQUARED", "FERMI", "GAUSSIAN", "HAMMING", "HANNING", "LORENTZIAN", "LRNTZ_GSS_TRNSFM"),
    *("RIESZ", "TUKEY", "USER_DEFINED"),
)
_KERNEL = re.compile(
    r"STANDARD|SOFT|DETAIL|BONE(PLUS)?|LUNG|EDGE|CHEST|[A-FL]|UB|FC\d\d|([BHTU]|B[lrv]|H[crv]|Qr|Ub)\d\d[a-z]?"
)


def facts_of_dicom(header: Dataset) -> tuple[str, ...]:
    """What a DICOM header says of it, in short phrases; only terms of the standard and names of kernels are repeated.

    Asked are Scan Options (0018,0022), Percent Sampling (0018,0093), K-space Filtering (0018,9064), Convolution Kernel
    (0018,1210), and in enhanced files Partial Fourier (0018,9081) and its direction (0018,9036).

    Args:
        header: Tags of `medsr.io.dicom.headers.HEADER_TAGS`.
    """
    partial = _of_options(header.get("ScanOptions"))
    for shared in header.get("SharedFunctionalGroupsSequence") or []:
        for modifier in shared.get("MRModifierSequence") or []:
            if modifier.get("PartialFourier") == "YES":
                direction = str(modifier.get("PartialFourierDirection") or "")
                partial.append(PARTIAL_FOURIER.get(direction, "partial Fourier"))
    return (
        *dict.fromkeys(partial),
        *_sampled(header.get("PercentSampling")),
        *(f"k-space filter {name}" for name in _words(header.get("KSpaceFiltering")) if name in FILTERS),
        *_kernel(header.get("ConvolutionKernel")),
    )


def facts_of_sidecar(content: Mapping[str, Any]) -> tuple[str, ...]:
    """As `facts_of_dicom`, of a BIDS sidecar: PartialFourier, ScanOptions, PercentSampling and ConvolutionKernel."""
    share = content.get("PartialFourier")
    if isinstance(share, int | float) and not isinstance(share, bool):
        partial = [f"partial Fourier {share:g}"] if 0 < share < 1 else []
    else:
        partial = _of_options(content.get("ScanOptions"))
    return (*partial, *_sampled(content.get("PercentSampling")), *_kernel(content.get("ConvolutionKernel")))


def _of_options(value: Any) -> list[str]:
    return [PARTIAL_FOURIER[option] for option in _words(value) if option in ("PFP", "PFF")]


def _words(value: Any) -> list[str]:
    """The values of a header's text: a backslash parts them, also in sidecars that quote it as one text."""
    values: Iterable[Any] = [value] if isinstance(value, str) else value if isinstance(value, Iterable) else []
    return [word.strip() for one in values for word in str(one).split("\\")]


def _sampled(percent: Any) -> tuple[str, ...]:
    try:
        share = float(percent)
    except (TypeError, ValueError, OverflowError):
        return ()
    return (f"{share:g} % of the lines of k-space sampled",) if LEAST_PERCENT < share < 100 else ()


def _kernel(value: Any) -> tuple[str, ...]:
    name = next(iter(_words(value)), "")
    return (f"kernel {name}",) if _KERNEL.fullmatch(name) else ()
