"""A volume as a derived DICOM series of classic images: one data set per slice, with honest marks of what it is.

Follows PS3.3, C.7.6.1 (derived images), C.12.4 (derivation) and C.12.1 (contributing equipment). No clock goes in:
the same input, recipe and voxels give the same bytes and the same UIDs, and anything else gives other UIDs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.uid import UID
from pydicom.valuerep import DSfloat

import medsr
from medsr.io.dicom.derivation import Derivation, series_label, stack_text
from medsr.io.dicom.headers import modality_of
from medsr.io.dicom.inherited import HeaderOf, headers_of, pass_on_history
from medsr.io.dicom.options import DicomOptions
from medsr.io.dicom.references import code_item, source_references
from medsr.io.dicom.stack import LPS_TO_RAS, Stack
from medsr.io.dicom.stored import Stored, stored
from medsr.io.dicom.uids import uid_of
from medsr.volume import Volume

NEEDED_UIDS = ("StudyInstanceUID", "FrameOfReferenceUID")
LO_CHARACTERS, ST_CHARACTERS = 64, 1024  # PS3.5, 6.2
SHORT_HASH = 12  # characters of a hash where the whole one doesn't fit
MAX_SERIES_NUMBER = 2**31 - 1
UNNUMBERED = 90  # stands for the number of a source series that has none
WINDOW_SHARES = (0.5, 99.9)  # percentiles that a window spans where the source has none
WINDOW_TAGS = ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction")


@dataclass(frozen=True)
class DerivedSeries:
    """A volume on its way to a series: whole numbers, source headers, and what made it.

    Attributes:
        volume: Axes (column, row, slice), in the place of the source.
        stack: The source slices.
        derivation: Account of what made the volume.
        options: Choices of how it is written.
        number: Number of the series among those made of one source, from 1.
        further: Slices of other series that the volume was made of too, whose place it does not take.
    """

    volume: Volume
    stack: Stack
    derivation: Derivation
    options: DicomOptions = field(default_factory=DicomOptions)
    number: int = 1
    further: tuple[Stack, ...] = ()

    @cached_property
    def stored(self) -> Stored:
        """The voxels as whole numbers."""
        is_scan = self.derivation.kind == "result"
        return stored(self.volume.data, self.stack.frames if is_scan else ())

    @cached_property
    def lps(self) -> NDArray[np.float64]:
        """(4, 4) index (column, row, slice) to LPS mm."""
        return np.asarray(LPS_TO_RAS @ self.volume.affine, dtype=np.float64)

    @cached_property
    def header_of(self) -> HeaderOf:
        """What is kept of each source slice."""
        return headers_of(self.stack, keep_private=self.options.keep_private)

    @cached_property
    def references(self) -> tuple[Dataset, ...]:
        """One item of SourceImageSequence per source file, in the order of their UIDs."""
        items = [item for stack in (self.stack, *self.further) for item in source_references(stack)]
        return tuple(sorted(items, key=lambda item: str(item.ReferencedSOPInstanceUID)))

    @cached_property
    def facts(self) -> str:
        """Everything that changes a byte of the series."""
        numbers = self.stored
        digest = hashlib.sha256(np.ascontiguousarray(numbers.numbers.transpose(2, 1, 0)).tobytes())
        further = {"further": [[list(one.filled), one.is_sheared] for one in self.further]} if self.further else {}
        return json.dumps(
            {
                "source": [str(item.ReferencedSOPInstanceUID) for item in self.references],
                "content": self.volume.source.content_sha256,
                "recipe": self.derivation.recipe,
                "text": self.derivation.text,
                "kind": self.derivation.kind,
                "voxels": [digest.hexdigest(), str(numbers.numbers.dtype), numbers.slope, numbers.intercept],
                "affine": self.volume.affine.round(12).ravel().tolist(),
                "stack": [list(self.stack.filled), self.stack.is_sheared],
                "options": [self.options.compress, self.options.keep_private, self.number],
                **further,
            },
            sort_keys=True,
        )

    @property
    def series_uid(self) -> UID:
        """SeriesInstanceUID, made of everything that changes a byte of the series."""
        return uid_of("series", self.facts)


def slice_order(series: DerivedSeries) -> range:
    """Slice indices in the order of instance numbers: that of the source, so that viewers scroll both alike."""
    n_slices = series.volume.shape[2]
    first, last = (series.header_of(n).get("InstanceNumber") for n in (0, len(series.stack.frames) - 1))
    if first is not None and last is not None and int(first) > int(last):
        return range(n_slices - 1, -1, -1)
    return range(n_slices)


def slices(series: DerivedSeries) -> Iterator[Dataset]:
    """The data sets of a series without their pixels, in the order of their instance numbers.

    Raises:
        InputError: a source file is gone or damaged.
    """
    common = _common(series)
    for number, k in enumerate(slice_order(series), start=1):
        dataset = Dataset()
        dataset.update(series.header_of(_nearest(series, k)))
        dataset.update(common)
        del dataset.InstanceNumber  # the source's own, which must not change
        dataset.InstanceNumber = number
        dataset.SOPInstanceUID = uid_of("instance", series.facts, str(k))
        position = series.lps[:3] @ [0, 0, k, 1]
        dataset.ImagePositionPatient = [_decimal(x) for x in position]
        dataset.SliceLocation = _decimal(float(position @ _normal(series)))
        yield dataset


def summary(series: DerivedSeries) -> dict[str, Any]:
    """What the run record says of a series: nothing that names a patient, no UIDs."""
    numbers = series.stored
    source = _middle(series)
    return {
        "format": "dicom",
        "slices": series.volume.shape[2],
        "stored": str(numbers.numbers.dtype),
        "slope": numbers.slope,
        "intercept": numbers.intercept,
        "clipped_voxels": numbers.n_clipped,
        "clipped_share": numbers.n_clipped / numbers.numbers.size,
        "filled_source_slices": [k + 1 for k in series.stack.filled],
        "compression": series.options.compress,
        "private_elements": "kept" if series.options.keep_private else "removed",
        "uids_the_source_lacked": [name for name in NEEDED_UIDS if not source.get(name)],
    }


def _middle(series: DerivedSeries) -> Dataset:
    """The source slice that speaks for the whole series."""
    return series.header_of(len(series.stack.frames) // 2)


def _common(series: DerivedSeries) -> Dataset:
    """What all slices share and the source does not say, or says differently."""
    source = _middle(series)
    common = Dataset()
    common.SOPClassUID = source.SOPClassUID
    common.ImageType = _image_type(series, source)
    _set_places_in_the_archive(common, series, source)
    _set_derivation(common, series, source)
    _set_grid(common, series)
    _set_scale(common, series, source)
    for stack in series.further:
        pass_on_history(common, stack)
    return common


def _image_type(series: DerivedSeries, source: Dataset) -> list[str]:
    words = [str(word) for word in _several(source.get("ImageType"))][2:]
    words = words or ["OTHER" if modality_of(source) == "MR" else "AXIAL"]
    return ["DERIVED", "SECONDARY", *words, *["UNCERTAINTY"] * (series.derivation.kind == "uncertainty")]


def _set_places_in_the_archive(common: Dataset, series: DerivedSeries, source: Dataset) -> None:
    """Study and frame of reference of the source, a series of its own."""
    sources = [str(item.ReferencedSOPInstanceUID) for item in series.references]
    common.SeriesInstanceUID = series.series_uid
    for name in NEEDED_UIDS:  # without them no archive files it and no program places it
        if not source.get(name):
            setattr(common, name, uid_of(name, *sources))  # one for all that is made of this source
    if "PositionReferenceIndicator" not in source:
        common.PositionReferenceIndicator = None
    number = int(source.get("SeriesNumber") or UNNUMBERED) * 100 + series.number
    common.SeriesNumber = number if 0 < number <= MAX_SERIES_NUMBER else UNNUMBERED * 100 + series.number
    n_filled, n_series = len(series.stack.filled), 1 + len(series.further)
    label = series_label(series.derivation.kind, series.volume.spacing_mm, n_filled, n_series)
    described = str(source.get("SeriesDescription") or "").strip()[: LO_CHARACTERS - len(label) - 1].rstrip()
    common.SeriesDescription = f"{described} {label}".strip()
    if not source.get("BurnedInAnnotation") and _several(source.get("ImageType"))[:2] == ["ORIGINAL", "PRIMARY"]:
        common.BurnedInAnnotation = "NO"


def _set_derivation(common: Dataset, series: DerivedSeries, source: Dataset) -> None:
    derivation = series.derivation
    before = str(source.get("DerivationDescription") or "").strip()
    text = (
        derivation.text
        + stack_text(series.stack.filled, series.stack.is_sheared)
        + "".join(stack_text(one.filled, one.is_sheared, n) for n, one in enumerate(series.further, start=2))
        + (f" Before: {before}" if before else "")
    )
    common.DerivationDescription = text[:ST_CHARACTERS]
    resampling = code_item(codes.DCM.SpatialResampling)
    common.DerivationCodeSequence = Sequence([*(source.get("DerivationCodeSequence") or []), resampling])
    common.SourceImageSequence = Sequence(list(series.references))
    equipment = Dataset()
    equipment.Manufacturer = equipment.ManufacturerModelName = "medsr"
    model = derivation.model
    equipment.SoftwareVersions = [medsr.__version__]
    if model:
        named = f"{model['name']} {model['version']}, weights {model['sha256'][:SHORT_HASH]}"
        equipment.SoftwareVersions = [medsr.__version__, named[:LO_CHARACTERS]]
        equipment.ContributionDescription = f"Weights {model['name']}, SHA-256 {model['sha256']}"
    equipment.PurposeOfReferenceCodeSequence = Sequence([code_item(codes.DCM.ModifyingEquipment)])
    common.ContributingEquipmentSequence = Sequence([*(source.get("ContributingEquipmentSequence") or []), equipment])


def _set_grid(common: Dataset, series: DerivedSeries) -> None:
    columns, rows, _ = series.volume.shape
    between_columns, between_rows, between_slices = (float(h) for h in series.volume.spacing_mm)
    common.Rows, common.Columns = rows, columns
    common.PixelSpacing = [_decimal(between_rows), _decimal(between_columns)]
    directions = series.lps[:3, :2] / (between_columns, between_rows)
    common.ImageOrientationPatient = [_decimal(x) for x in directions.T.ravel()]
    common.SpacingBetweenSlices = _decimal(between_slices)
    thickness = series.volume.thickness_mm
    common.SliceThickness = _decimal(between_slices if thickness is None else thickness)


def _set_scale(common: Dataset, series: DerivedSeries, source: Dataset) -> None:
    """Bits and the way to real values.

    A classic MR image has no rescale of its own (with one it counts as a "standard extended" object), so that an MR
    gets it only where numbers and values differ.
    """
    numbers = series.stored
    common.SamplesPerPixel = 1
    common.BitsAllocated = common.BitsStored = 16
    common.HighBit = 15
    common.PixelRepresentation = int(numbers.is_signed)
    is_ct = modality_of(source) == "CT"
    if is_ct or (numbers.slope, numbers.intercept) != (1.0, 0.0):
        common.RescaleSlope, common.RescaleIntercept = _decimal(numbers.slope), _decimal(numbers.intercept)
        common.RescaleType = source.get("RescaleType") or ("HU" if is_ct else "US")
    _set_window(common, series, source)


def _set_window(common: Dataset, series: DerivedSeries, source: Dataset) -> None:
    """The window of the middle source slice for all, as values keep their scale; one that fits where it has none."""
    centre = source.get("WindowCenter")
    if series.derivation.kind == "result" and centre not in (None, "") and source.get("WindowWidth") not in (None, ""):
        for name in WINDOW_TAGS:
            if name in source:
                common[name] = source[name]
        return
    step = max(1, series.volume.data.size // 1_000_000)  # enough voxels for a window
    low, high = np.percentile(series.volume.data.ravel()[::step], WINDOW_SHARES)
    common.WindowCenter, common.WindowWidth = _decimal((low + high) / 2), _decimal(max(high - low, 1e-3))


def _nearest(series: DerivedSeries, k: int) -> int:
    """The source slice that lies nearest to slice `k`."""
    normal = _normal(series)
    place = float(series.lps[:3] @ [0, 0, k, 1] @ normal)
    return int(np.argmin([abs(float(frame.position_mm @ normal) - place) for frame in series.stack.frames]))


def _normal(series: DerivedSeries) -> NDArray[np.float64]:
    normal = np.cross(series.lps[:3, 0], series.lps[:3, 1])
    return np.asarray(normal / np.linalg.norm(normal), dtype=np.float64)


def _decimal(value: float) -> DSfloat:
    """A decimal string of at most 16 characters (PS3.5, 6.2)."""
    value = float(value) + 0.0  # no negative zero
    return DSfloat(f"{value:.0f}") if value.is_integer() and abs(value) < 1e15 else DSfloat(value, auto_format=True)


def _several(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str) else list(value)
