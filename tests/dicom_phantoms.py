"""DICOM series made from an array and an affine, classic or enhanced, for tests that need to bend one tag at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

from medsr.io.dicom.frames import Frame

SECRET = "Zebrafink"  # stands in every field that may name a patient: it must never come out again
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)

GOOD = (  # folders of the shared data that are one regular volume
    *("ct_body_overlap_siemens_j2k", "ct_classic_tiny_ge", "ct_head_1mm_philips_j2k", "ct_head_5mm_philips"),
    *("ct_head_5mm_philips_jpegls", "ct_legacy_enhanced_tiny_ge", "mr_asl_7p5mm_siemens_xa30_enhanced"),
    *("mr_bigendian_philips", "mr_brain_pd_7mm_ge", "mr_brain_pd_7mm_ge_j2k", "mr_brain_pd_7mm_ge_jpegll"),
    *("mr_brain_pd_7mm_ge_jpegls", "mr_brain_pd_7mm_ge_rle", "mr_cor_15mm_ge", "mr_deflated_philips"),
    *("mr_dwi_b0_siemens_xa30_enhanced", "mr_epi_5mm_ge", "mr_head_sag_4p8mm_siemens", "mr_monochrome1_philips"),
    *("mr_oblique_4mm_hitachi", "mr_pcasl_4mm_philips", "mr_pcasl_4mm_philips_enhanced", "mr_rot180_implicit"),
    *("mr_t1_cor_5p3mm_recut_j2k", "mr_t1_oblique_iso_implicit", "mr_t1_sag_2mm_siemens_j2k"),
    *("mr_t1_sag_2mm_siemens_jpegll", "mr_t2_hyperfine_enhanced", "mr_varying_slope_philips"),
)

Edit = Callable[[Dataset, int], None]


def write_classic(
    folder: Path,
    data: NDArray[np.int16],
    affine: NDArray[np.float64],
    *,
    modality: str = "MR",
    series_uid: str | None = None,
    syntax: str = ExplicitVRLittleEndian,
    prefix: str = "slice",
    edit: Edit | None = None,
) -> list[Path]:
    """One file per slice of `data` (column, row, slice); `edit` may bend each data set before it is written."""
    folder.mkdir(parents=True, exist_ok=True)
    series_uid = series_uid or _uid(prefix, modality)
    paths = []
    for k in range(data.shape[2]):
        dataset = _common(data, modality, series_uid, k)
        _plane(dataset, dataset, dataset, affine, k)
        dataset.InstanceNumber = k + 1
        dataset.PixelData = np.ascontiguousarray(data[:, :, k].T).tobytes()
        path = folder / f"{prefix}_{k:03d}.dcm"
        _write(dataset, path, syntax, edit, k)
        paths.append(path)
    return paths


def write_enhanced(
    path: Path, data: NDArray[np.int16], affine: NDArray[np.float64], *, edit: Edit | None = None
) -> Path:
    """One enhanced MR file; thickness and spacing shared, positions and rescale per frame."""
    dataset = _common(data, "MR", _uid(path.name), 0)
    dataset.SOPClassUID = EnhancedMRImageStorage
    dataset.NumberOfFrames = data.shape[2]
    shared, frames = Dataset(), []
    shared.PixelMeasuresSequence = Sequence([Dataset()])
    shared.PlaneOrientationSequence = Sequence([Dataset()])
    for k in range(data.shape[2]):
        frame, rescale = Dataset(), Dataset()
        frame.PlanePositionSequence = Sequence([Dataset()])
        _plane(
            shared.PixelMeasuresSequence[0],
            shared.PlaneOrientationSequence[0],
            frame.PlanePositionSequence[0],
            affine,
            k,
        )
        rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = "1", "0", "US"
        frame.PixelValueTransformationSequence = Sequence([rescale])
        frames.append(frame)
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    dataset.PixelData = np.ascontiguousarray(data.T).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(dataset, path, ExplicitVRLittleEndian, edit, 0)
    return path


def _common(data: NDArray[np.int16], modality: str, series_uid: str, k: int) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
    dataset.SOPInstanceUID = _uid(series_uid, str(k))
    dataset.StudyInstanceUID = _uid("study")
    dataset.SeriesInstanceUID = series_uid
    dataset.PatientName = dataset.PatientID = dataset.SeriesDescription = dataset.InstitutionName = SECRET
    dataset.Modality = modality
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.Columns, dataset.Rows = data.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    return dataset


def _plane(measures: Dataset, plane: Dataset, place: Dataset, affine: NDArray[np.float64], k: int) -> None:
    lps = LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    measures.PixelSpacing = [_ds(spacing[1]), _ds(spacing[0])]
    measures.SliceThickness = _ds(spacing[2])
    plane.ImageOrientationPatient = [_ds(x) for x in (lps[:3, :2] / spacing[:2]).T.ravel()]
    place.ImagePositionPatient = [_ds(x) for x in (lps @ [0, 0, k, 1])[:3]]


def _uid(*names: str) -> str:
    """The same UID for the same names, so that files have the same bytes in every run."""
    return generate_uid(entropy_srcs=list(names))


def _ds(value: float) -> str:
    """A decimal string of the at most 16 characters that DICOM allows."""
    return f"{value:.10g}"[:16] if abs(value) >= 1e-4 else f"{value:.10f}"[:16]


def _write(dataset: Dataset, path: Path, syntax: str, edit: Edit | None, k: int) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax not in NATIVE else syntax
    dataset.file_meta = meta
    if edit is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pydicom, about values that are meant to be wrong
            edit(dataset, k)
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
    if syntax not in NATIVE and "PixelData" in dataset:
        if syntax == "1.2.840.10008.1.2.1.99":
            meta.TransferSyntaxUID = syntax
        else:
            dataset.compress(syntax, generate_instance_uid=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(path, enforce_file_format=True)


def make_frame(
    position_mm: tuple[float, float, float] = (0, 0, 0),
    *,
    index: int = 0,
    directions: NDArray[np.float64] | None = None,
    shape: tuple[int, int] = (5, 6),
    thickness_mm: float | None = None,
    labels: dict[str, str] | None = None,
    ct_pass: str = "",
    rounding_mm: float = 0.0,
) -> Frame:
    """A slice as its header would give it; axial where no directions say otherwise."""
    return Frame(
        path=Path(f"{index}.dcm"),
        index=index,
        shape=shape,
        position_mm=np.array(position_mm, float),
        directions=np.eye(3)[:2] if directions is None else directions,
        spacing_mm=(1.0, 1.0),
        thickness_mm=thickness_mm,
        acquisition_type=None,
        slope=1.0,
        intercept=0.0,
        frame_of_reference="",
        padding=None,
        labels=labels or {},
        ct_pass=ct_pass,
        rounding_mm=rounding_mm,
    )
