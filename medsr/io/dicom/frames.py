"""One `Frame` per slice, the same for classic files and for the frames of enhanced multi-frame ones.

In an enhanced file a value stands in the functional groups of the frame, else in the shared ones, else at the top
(PS3.3, C.7.6.16); a classic file knows only the top.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sequence import Sequence

from medsr.errors import GeometryError, InputError
from medsr.io.dicom.headers import modality_of, parsing
from medsr.volume import AcquisitionType

MAX_SLICE_PIXELS = 1 << 26  # 8192 x 8192; larger ones are not MR or CT slices
MAX_TILTED_COSINE = 1e-3  # rows and columns that miss a right angle by more do not describe an image plane
REFUSED_TYPES = {
    "LOCALIZER": "a localizer; point at the scan that was planned on it",
    "MOSAIC": "a mosaic of many slices in one picture; unpack it first, for example with dcm2niix",
    "PROJECTION IMAGE": "a projection; point at the slices that it was made of",
    "MIP": "a projection; point at the slices that it was made of",
}
RENDERINGS = ("MAX_IP", "MIN_IP", "VOLUME_RENDER", "SURFACE_RENDER")
MAP_TYPES = {  # words of ImageType that name a computed quantity where the image is DERIVED
    *("ADC", "EADC", "FA", "TRACEW", "COLFA", "TENSOR", "TENSOR_B0", "EXP", "CBF", "CBV", "RCBF", "RCBV", "RELCBV"),
    *("MTT", "TTP", "TMAX", "PBP", "GBP", "T1 MAP", "T2 MAP", "T2_STAR MAP", "T2STAR MAP", "R2 MAP", "R2_STAR MAP"),
    *("B0 MAP", "B1 MAP", "FIELD_MAP", "T1MAP", "T2MAP", "R2_MAP", "T1_MAP", "T2_MAP", "T2_STAR_MAP"),
}
_LABELS = {  # name: (functional group, tag in it, tag of classic files)
    "echo time": ("MREchoSequence", "EffectiveEchoTime", "EchoTime"),
    "image type": ("MRImageFrameTypeSequence", "FrameType", "ImageType"),
    "b-value": ("MRDiffusionSequence", "DiffusionBValue", "DiffusionBValue"),
    "time point": ("FrameContentSequence", "TemporalPositionIndex", "TemporalPositionIdentifier"),
    "direction": ("MRDiffusionSequence", "DiffusionGradientDirectionSequence", "DiffusionGradientOrientation"),
    "trigger time": ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime", "TriggerTime"),
    "acquisition": ("FrameContentSequence", "FrameAcquisitionNumber", "AcquisitionNumber"),
    "acquisition time": ("FrameContentSequence", "FrameAcquisitionDateTime", "AcquisitionTime"),
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One slice before its pixels are read.

    Attributes:
        path: File that holds it.
        index: Its number in that file, from 0.
        shape: (rows, columns).
        position_mm: (3,) centre of the first pixel, LPS.
        directions: (2, 3) unit vectors along a row (to the next column) and along a column, LPS.
        spacing_mm: Distances between rows and between columns.
        thickness_mm: Nominal slice thickness, where it is known.
        acquisition_type: MR Acquisition Type (0018,0023): "2D" or "3D", where it is known.
        slope: Rescale slope of the stored values.
        intercept: Rescale intercept of the stored values.
        frame_of_reference: Origin that positions are measured from, "" if unknown.
        padding: Lowest and highest stored value that stand for "no measurement" (PS3.3, C.7.5.1.1.2), where stated.
        labels: Values that may tell volumes of one series apart, such as the echo time.
        ct_pass: Acquisition number of a CT, whose table may pass the gantry several times; "" in MR or if unknown.
        rounding_mm: Half a unit of the last decimal that the position was written with; 0 where it was not rounded.
    """

    path: Path
    index: int
    shape: tuple[int, int]
    position_mm: NDArray[np.float64]
    directions: NDArray[np.float64]
    spacing_mm: tuple[float, float]
    thickness_mm: float | None
    acquisition_type: AcquisitionType | None
    slope: float
    intercept: float
    frame_of_reference: str
    padding: tuple[int, int] | None
    labels: dict[str, str]
    ct_pass: str = ""
    rounding_mm: float = 0.0


def frames_of(path: Path, header: Dataset) -> list[Frame]:
    """The slices of one file, in its own order.

    Args:
        path: File that the header was read from.
        header: Its tags of `headers.HEADER_TAGS`.

    Raises:
        InputError: colour, a localizer, mosaic or projection, unusual storage, or a damaged header.
        GeometryError: a slice without position, orientation or spacing.
    """
    with parsing(path):
        reason = no_slice(header)
        if reason:
            raise GeometryError(f"{path.name}: {reason}")
        _check_storage(header, path.name)
        n_frames = int(header.get("NumberOfFrames") or 1)
        groups = header.get("PerFrameFunctionalGroupsSequence") or []
        if n_frames < 1 or ((n_frames > 1 or len(groups)) and len(groups) != n_frames):
            raise InputError(f"{path.name}: {n_frames} frames, but positions for {len(groups)}; expected one for each")
        if n_frames > 1 and not all("PlanePositionSequence" in group for group in groups):
            raise GeometryError(f"{path.name}: {n_frames} frames without a position each; expected one for each")
        return [_frame(path, header, i) for i in range(n_frames)]


def no_slice(header: Dataset) -> str | None:
    """What an image shows instead of one plane of a body, such as "a localizer; ..."; None for a slice."""
    if header.get("SamplesPerPixel") != 1 or header.get("PhotometricInterpretation") not in (
        "MONOCHROME1",
        "MONOCHROME2",
    ):
        return "a colour image; expected MONOCHROME1 or MONOCHROME2 with one sample per pixel"
    if str(header.get("VolumeBasedCalculationTechnique")) in RENDERINGS:
        return REFUSED_TYPES["PROJECTION IMAGE"]
    types = _types(header)
    return next((meaning for word, meaning in REFUSED_TYPES.items() if word in types), None)


def map_name(header: Dataset) -> str | None:
    """The computed quantity that an image shows, such as "ADC"; None for a picture that was taken."""
    types = _types(header)
    return next((word for word in types[2:] if word in MAP_TYPES), None) if types[:1] == ["DERIVED"] else None


def _types(header: Dataset) -> list[str]:
    return [str(word).upper() for word in _several(header.get("ImageType"))]


def _check_storage(header: Dataset, name: str) -> None:
    if header.get("ModalityLUTSequence"):
        raise InputError(f"{name}: values stored through a lookup table; expected rescale slope and intercept")
    allocated, stored = int(header.get("BitsAllocated") or 0), int(header.get("BitsStored") or 0)
    if allocated not in (8, 16, 32) or not 1 <= stored <= allocated:
        raise InputError(f"{name}: {stored} of {allocated} bits per pixel; expected whole numbers of 8, 16 or 32 bits")
    if header.get("HighBit", stored - 1) != stored - 1:
        raise InputError(f"{name}: high bit is not bit {stored - 1} of {stored} stored bits; expected it there")
    rows, columns = int(header.get("Rows") or 0), int(header.get("Columns") or 0)
    if not 0 < rows * columns <= MAX_SLICE_PIXELS:
        raise InputError(f"{name}: slices of {columns} x {rows} pixels; expected up to {MAX_SLICE_PIXELS} pixels")


def _frame(path: Path, header: Dataset, i: int) -> Frame:
    name = path.name
    written = _look_up(header, i, "PlanePositionSequence", "ImagePositionPatient")
    position = _numbers(written, 3)
    orientation = _numbers(_look_up(header, i, "PlaneOrientationSequence", "ImageOrientationPatient"), 6)
    spacing = _numbers(_look_up(header, i, "PixelMeasuresSequence", "PixelSpacing"), 2)
    if position is None or orientation is None or spacing is None or min(spacing) <= 0:
        raise GeometryError(f"{name}: slice without valid position, orientation or pixel spacing; all three are needed")
    thickness = _numbers(_look_up(header, i, "PixelMeasuresSequence", "SliceThickness"), 1)
    slope, intercept = _rescale(header, i)
    if slope == 0:
        raise InputError(f"{name}: rescale slope is 0; expected a slope that keeps the values apart")
    labels = _labels(header, i)
    return Frame(
        path=path,
        index=i,
        shape=(int(header.Rows), int(header.Columns)),
        position_mm=np.array(position),
        directions=_directions(orientation, name),
        spacing_mm=(spacing[0], spacing[1]),
        thickness_mm=thickness[0] if thickness and thickness[0] > 0 else None,
        acquisition_type=_acquisition_type(header),
        slope=slope,
        intercept=intercept,
        frame_of_reference=sys.intern(str(header.get("FrameOfReferenceUID") or "")),
        padding=_padding(header),
        labels=labels,
        ct_pass=labels.get("acquisition", "") if modality_of(header) == "CT" else "",
        rounding_mm=_rounding_mm(written),
    )


def _rounding_mm(written: Any) -> float:
    """Half a unit of the last of the decimals that any of the numbers was written with; 0 for none and for binary."""
    texts = [str(getattr(number, "original_string", "")).strip() for number in _several(written)]
    n_decimals = max((len(text.partition(".")[2]) for text in texts), default=0)
    return 0.5 * 10.0**-n_decimals if n_decimals and not any("E" in text.upper() for text in texts) else 0.0


def _acquisition_type(header: Dataset) -> AcquisitionType | None:
    match header.get("MRAcquisitionType"):
        case "2D":
            return "2D"
        case "3D":
            return "3D"
    return None


def _directions(orientation: list[float], name: str) -> NDArray[np.float64]:
    directions = np.array(orientation).reshape(2, 3)
    lengths = np.linalg.norm(directions, axis=1)
    if np.any(np.abs(lengths - 1) > MAX_TILTED_COSINE) or abs(directions[0] @ directions[1]) > MAX_TILTED_COSINE:
        raise GeometryError(f"{name}: row and column directions are not perpendicular unit vectors; repair the header")
    return directions


def _rescale(header: Dataset, i: int) -> tuple[float, float]:
    """Slope and intercept of one frame: they may differ from slice to slice (PS3.3, C.11.1)."""
    slope = _numbers(_look_up(header, i, "PixelValueTransformationSequence", "RescaleSlope"), 1)
    intercept = _numbers(_look_up(header, i, "PixelValueTransformationSequence", "RescaleIntercept"), 1)
    return (slope[0] if slope else 1.0), (intercept[0] if intercept else 0.0)


def _padding(header: Dataset) -> tuple[int, int] | None:
    value = _numbers(header.get("PixelPaddingValue"), 1)
    if value is None:
        return None
    limit = _numbers(header.get("PixelPaddingRangeLimit"), 1) or value
    n_bits, signed = int(header.BitsAllocated), header.get("PixelRepresentation") == 1
    low, high = sorted(_stored(int(number), n_bits, signed) for number in (value[0], limit[0]))
    return low, high


def _stored(number: int, n_bits: int, signed: bool) -> int:
    """The number as pixels store it: files with the wrong VR hold -2000 as 63536, or the other way round."""
    number %= 1 << n_bits
    return number - (1 << n_bits) if signed and number >> (n_bits - 1) else number


def _labels(header: Dataset, i: int) -> dict[str, str]:
    labels = {}
    for name, (group, tag, classic) in _LABELS.items():
        value = _look_up(header, i, group, tag)
        if isinstance(value, Sequence):  # a direction lies one level deeper
            value = value[0].get(classic) if len(value) else None
        value = header.get(classic) if value in (None, "") else value
        if value not in (None, ""):
            labels[name] = sys.intern(f"{float(value):.3g}" if name == "echo time" else str(value))
    n_times = _numbers(header.get("NumberOfTemporalPositions"), 1)
    if n_times and n_times[0] > 1 and header.get("InstanceNumber") is not None:
        labels["instance number"] = str(header.InstanceNumber)  # all that some GE files say of the time point
    return labels


def _look_up(header: Dataset, i: int, group: str, tag: str) -> Any:
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or []
    for holder in (*per_frame[i : i + 1], *shared[:1]):
        items = holder.get(group) or []
        if len(items) and items[0].get(tag) not in (None, ""):
            return items[0].get(tag)
    return header.get(tag)


def _numbers(value: Any, count: int) -> list[float] | None:
    """`count` finite numbers, or None where the tag is missing, empty or something else."""
    try:
        numbers = [float(number) for number in _several(value)]
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and bool(np.all(np.isfinite(numbers))) else None


def _several(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str | int | float) or not hasattr(value, "__iter__") else list(value)
