"""Several series to one derived series: whose place it takes, whom it refers to, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dicom_phantoms import SECRET, Edit
from fusion_stacks import stack, truth
from fusion_stacks import write_series as write_stack
from pydicom import Dataset, dcmread
from tiny_models import write_tiny

import medsr
from medsr.enhancement.settings import EnhanceSettings, Output
from medsr.errors import InputError, UsageError
from medsr.fusion.files import fuse_files
from medsr.io import load, save

SCAN = truth(36)
AXIS = {"coronal": 1, "axial": 2}


def write_series(folder: Path, name: str, edit: Edit | None = None) -> Path:
    return write_stack(folder / name, stack(SCAN, AXIS[name]), edit)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("series")

    def of_the_study(dataset, k):
        dataset.FrameOfReferenceUID, dataset.SeriesNumber, dataset.EchoTime = "1.2.3", 4, 33

    def of_its_own(dataset, k):
        dataset.FrameOfReferenceUID, dataset.LossyImageCompression, dataset.EchoTime = "1.2.4", "01", 44
        dataset.PatientBirthDate, dataset.BurnedInAnnotation = "19700101", "YES"

    write_series(path, "axial", of_the_study)
    write_series(path, "coronal", of_its_own)
    save(stack(SCAN, 0), path / "sagittal.nii.gz", dtype="int16")
    write_tiny(path / "tiny.safetensors")
    return path


@pytest.fixture(scope="module")
def settings(folder: Path) -> EnhanceSettings:
    return EnhanceSettings(flips=0, model=str(folder / "tiny.safetensors"), mode="uncertainty")


@pytest.fixture(scope="module")
def out(folder: Path, settings: EnhanceSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("out") / "fused"
    fuse_files([folder / "axial", folder / "coronal"], target, settings)
    return target


@pytest.fixture(scope="module")
def first(out: Path) -> Dataset:
    return dcmread(out / "0001.dcm")


def uids(folder: Path) -> set[str]:
    return {str(dcmread(path).SOPInstanceUID) for path in folder.glob("*.dcm")}


def test_the_series_lies_in_the_place_of_the_first_stack(folder, out, first):
    source = load(folder / "axial")
    found = load(out)
    assert found.shape == (36, 36, 36)
    np.testing.assert_allclose(found.affine[:3, :2], source.affine[:3, :2], atol=1e-6)
    assert (first.FrameOfReferenceUID, first.SeriesNumber, first.EchoTime) == ("1.2.3", 401, 33)
    assert first.PatientID == SECRET


def test_every_slice_refers_to_all_source_slices_of_every_series(folder, out):
    expected = uids(folder / "axial") | uids(folder / "coronal")
    for path in out.glob("*.dcm"):
        items = dcmread(path).SourceImageSequence
        assert {str(item.ReferencedSOPInstanceUID) for item in items} == expected
        assert len(items) == len(expected)


def test_the_headers_say_that_series_were_fused_and_what_each_passes_on(first):
    assert first.SeriesDescription.endswith("[medsr SR 1.0mm research, 2 series]")
    assert "Fused of 2 series that were registered to the first one" in first.DerivationDescription
    assert (first.LossyImageCompression, first.BurnedInAnnotation) == ("01", "YES")
    assert first.ImageType[:2] == ["DERIVED", "SECONDARY"]


def test_the_map_and_the_record_lie_beside_it(out):
    assert sorted(path.name for path in out.parent.iterdir()) == ["fused", "fused.json", "fused_uncertainty"]
    record = json.loads((out.parent / "fused.json").read_text())
    assert len(record["stacks"]) == 2
    assert record["output"]["format"] == "dicom"
    assert SECRET not in json.dumps(record)
    assert dcmread(out.parent / "fused_uncertainty" / "0001.dcm").SeriesNumber == 402


def test_the_same_stacks_give_the_same_bytes_and_another_order_other_uids(folder, settings, out, first, tmp_path):
    series = [folder / "axial", folder / "coronal"]
    fuse_files(series, tmp_path / "again", settings)
    assert (tmp_path / "again" / "0001.dcm").read_bytes() == (out / "0001.dcm").read_bytes()
    fuse_files(series[::-1], tmp_path / "other", settings)
    assert dcmread(tmp_path / "other" / "0001.dcm").SeriesInstanceUID != first.SeriesInstanceUID


def test_filled_slices_of_every_series_are_named(folder, settings, tmp_path):
    write_series(tmp_path, "coronal")
    (tmp_path / "coronal" / "coronal_004.dcm").unlink()
    filling = replace(settings, input=replace(settings.input, gaps="fill"), mode="mean")
    fuse_files([folder / "axial", tmp_path / "coronal"], tmp_path / "out", filling)
    said = dcmread(tmp_path / "out" / "0001.dcm").DerivationDescription
    assert "Not in series 2 and interpolated before: slice 5 along the normal." in said


def test_series_of_two_patients_are_refused_whatever_is_written(folder, settings, tmp_path):
    def of_another(dataset, k):
        dataset.PatientID = f"{SECRET}2"

    other = write_series(tmp_path, "coronal", of_another)
    for name in ("out", "out.nii.gz"):
        with pytest.raises(InputError, match="stacks 1 and 2 are of different patients") as caught:
            fuse_files([folder / "axial", other], tmp_path / name, settings)
        assert SECRET not in str(caught.value)
    with pytest.raises(InputError, match="different patients"):
        medsr.enhance([folder / "axial", other], None, settings)
    assert [path.name for path in tmp_path.iterdir()] == ["coronal"]


def test_a_series_is_made_of_series_alone(folder, settings, tmp_path):
    series, file = folder / "axial", folder / "sagittal.nii.gz"
    with pytest.raises(UsageError, match="stack 2 is no DICOM series and says nothing of patient and study"):
        fuse_files([series, file], tmp_path / "out", settings)
    with pytest.raises(UsageError, match="expected a name that ends in"):
        fuse_files([file, series], tmp_path / "out", settings)
    with pytest.raises(UsageError, match="--dtype is for NIfTI"):
        fuse_files([series, folder / "coronal"], tmp_path / "out", replace(settings, output=Output(dtype="int16")))
    with pytest.raises(UsageError, match="lies in the input itself"):
        fuse_files([series, folder / "coronal"], folder / "coronal" / "out", settings)
    assert list(tmp_path.iterdir()) == []
