"""A map of real numbers as a DICOM Parametric Map (PS3.3, A.75): float voxels, for software that reads such objects."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import Dataset

import medsr
from medsr.io.dicom.archive import write_file
from medsr.io.dicom.derived import DerivedSeries, slice_order, slices
from medsr.io.dicom.encoding import IMPLEMENTATION_VERSION_NAME
from medsr.io.dicom.headers import parsing
from medsr.io.dicom.uids import IMPLEMENTATION_CLASS_UID, uid_of

NEEDED_OF_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
NEEDED_OF_STUDY = ("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName")


def write_maps(uncertainties: Sequence[DerivedSeries], results: Sequence[DerivedSeries], folder: Path) -> None:
    """Write one parametric map per uncertainty map, 0001.dcm and so on, into an empty folder.

    Args:
        uncertainties: Standard deviations, in the unit of the scan.
        results: The series that they belong to, in the same order.
        folder: Empty folder to write into.

    Raises:
        OSError: the disk is full or the folder gone.
        InputError: a source file is gone or damaged.
    """
    for number, (uncertainty, result) in enumerate(zip(uncertainties, results, strict=True), start=1):
        with parsing(uncertainty.stack.frames[0].path):
            file = BytesIO()
            _parametric_map(uncertainty, result).save_as(file, enforce_file_format=True)
        write_file(folder / f"{number:04d}.dcm", file.getvalue())


def _parametric_map(uncertainty: DerivedSeries, result: DerivedSeries) -> Dataset:
    """The map on the grid of the result, referring to the result's slices."""
    import highdicom  # slow to import, and asked for seldom
    from highdicom.content import VOILUTTransformation
    from highdicom.pm import ParametricMap
    from pydicom.sr.codedict import codes

    headers = [_complete(header) for header in slices(result)]
    values = uncertainty.volume.data.transpose(2, 1, 0)[slice_order(result)]
    peak = float(values.max()) or 1.0
    description = str(next(slices(uncertainty)).SeriesDescription)
    facts = (uncertainty.facts, highdicom.__version__)
    dataset: Dataset = ParametricMap(
        source_images=headers,
        pixel_array=np.ascontiguousarray(values, dtype=np.float32),
        series_instance_uid=uid_of("map series", *facts),
        series_number=int(headers[0].SeriesNumber) - result.number + uncertainty.number + 1,
        sop_instance_uid=uid_of("map", *facts),
        instance_number=1,
        manufacturer="medsr",
        manufacturer_model_name="medsr",
        software_versions=medsr.__version__,
        device_serial_number="0",
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_identity(result, peak)],
        voi_lut_transformations=[VOILUTTransformation(window_center=peak / 2, window_width=peak)],
        derivation=codes.DCM.SpatialResampling,
    )
    _make_repeatable(dataset, headers[0], uncertainty, description)
    return dataset


def _identity(result: DerivedSeries, peak: float) -> Dataset:
    from highdicom.pm import RealWorldValueMapping
    from pydicom.sr.codedict import codes

    is_ct = result.volume.modality == "CT"
    mapping: Dataset = RealWorldValueMapping(
        lut_label="SD",
        lut_explanation="Standard deviation",
        unit=codes.UCUM.HounsfieldUnit if is_ct else codes.UCUM.NoUnits,
        value_range=(0.0, peak),
        slope=1.0,
        intercept=0.0,
    )
    return mapping


def _complete(header: Dataset) -> Dataset:
    """A header with the elements that must at least be empty."""
    for keyword in (*NEEDED_OF_PATIENT, *NEEDED_OF_STUDY):
        if keyword not in header:
            setattr(header, keyword, None)
    return header


def _make_repeatable(dataset: Dataset, header: Dataset, uncertainty: DerivedSeries, description: str) -> None:
    """The source's dates for the clock's, and UIDs of content for random ones."""
    dataset.file_meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    dataset.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    dataset.SeriesDescription = description
    dataset.DerivationDescription = str(next(slices(uncertainty)).DerivationDescription)
    for keyword in ("SeriesDate", "SeriesTime", "InstanceCreationDate", "InstanceCreationTime"):
        dataset.pop(keyword, None)
    for name in ("Date", "Time"):
        moment = header.get(f"Content{name}") or header.get(f"Acquisition{name}") or header.get(f"Study{name}")
        setattr(dataset, f"Content{name}", moment)
    for item in dataset.get("ContributingEquipmentSequence") or []:
        item.pop("ContributionDateTime", None)
    organisation = uid_of("map organisation", uncertainty.facts)
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = organisation
