"""A real archive, Orthanc, takes a series and what medsr made of it, files both in one study, and gives them back."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dicom_phantoms import write_classic, write_enhanced
from dicomweb_client.api import DICOMwebClient
from peers import HOST, Archive, needs, orthanc
from phantoms import head
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless
from tiny_models import write_tiny

from medsr.cli.app import run
from medsr.errors import OutputError
from medsr.io import load
from medsr.io.dicom.network.sending import Peer, send_series

pytestmark = needs("Orthanc")
SCAN = head((36, 40, 6), (1.5, 1.5, 4.5))
VOXELS = np.rint(SCAN.data).astype(np.int16)
TURNS = {"oblique": (10, 20, 30), "coronal": (90, 0, 0)}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


def peer(archive: Archive) -> Peer:
    return Peer(HOST, archive.port, archive.aet)


def in_study(number: int) -> object:
    def edit(dataset: Dataset, k: int) -> None:
        dataset.StudyInstanceUID = f"1.2.3.{number}"
        dataset.FrameOfReferenceUID = f"1.2.3.{number}.1"
        dataset.StudyID, dataset.SeriesNumber, dataset.PatientBirthDate, dataset.PatientSex = "1", 1, "", ""

    return edit


def retrieved(client: DICOMwebClient, study: str, series: str) -> list[Dataset]:
    """The instances of a series as the archive has them, in their own transfer syntax."""
    return list(client.retrieve_series(study, series, media_types=(("application/dicom", "*"),)))


def of_series(paths: list[Path]) -> dict[str, Dataset]:
    return {str(dataset.SOPInstanceUID): dataset for dataset in map(dcmread, paths)}


def same(sent: Dataset, got: Dataset) -> None:
    np.testing.assert_array_equal(sent.pixel_array, got.pixel_array)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        assert sent.get(keyword) == got.get(keyword), keyword
    for keyword in ("FrameOfReferenceUID", "RescaleSlope", "RescaleIntercept", "ImageType", "PatientID"):
        assert sent.get(keyword) == got.get(keyword), keyword


@pytest.mark.parametrize("turn", TURNS)
def test_source_and_derived_lie_in_one_study(archive: Archive, weights: Path, tmp_path: Path, turn: str) -> None:
    number = 100 + list(TURNS).index(turn)
    scan = head((36, 40, 6), (1.5, 1.5, 4.5), turn_deg=TURNS[turn])
    write_classic(tmp_path / "in", VOXELS, scan.affine, prefix=turn, edit=in_study(number))  # type: ignore[arg-type]
    options = ["--format", "dicom", "--model", str(weights), "-q"]
    assert run(["enhance", str(tmp_path / "in"), str(tmp_path / "out"), *options]) == 0
    sent = of_series([p for p in (tmp_path / "out").rglob("*") if p.suffix == ".dcm"])
    send_series(tmp_path / "in", peer(archive))
    send_series(tmp_path / "out", peer(archive))
    client = DICOMwebClient(archive.web)
    study = f"1.2.3.{number}"
    found = [Dataset.from_json(item) for item in client.search_for_series(study)]
    assert len(found) == 2
    derived = next(str(item.SeriesInstanceUID) for item in found if item.SeriesInstanceUID in _series_of(sent))
    got = {str(dataset.SOPInstanceUID): dataset for dataset in retrieved(client, study, derived)}
    assert got.keys() == sent.keys()
    for uid, dataset in sent.items():
        same(dataset, got[uid])
    _opens_on_the_same_grid(list(got.values()), tmp_path / "back", tmp_path / "out")


def _series_of(datasets: dict[str, Dataset]) -> set[str]:
    return {str(dataset.SeriesInstanceUID) for dataset in datasets.values()}


def _opens_on_the_same_grid(datasets: list[Dataset], back: Path, out: Path) -> None:
    back.mkdir()
    for i, dataset in enumerate(datasets):
        dataset.save_as(back / f"{i}.dcm", enforce_file_format=True)
    ours, theirs = load(out), load(back)
    np.testing.assert_array_equal(ours.data, theirs.data)
    np.testing.assert_array_equal(ours.affine, theirs.affine)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless, JPEG2000Lossless])
def test_every_encoding_comes_back_as_it_was(archive: Archive, tmp_path: Path, syntax: str) -> None:
    prefix = f"s{syntax}".replace(".", "-")
    paths = write_classic(tmp_path, VOXELS, SCAN.affine, syntax=syntax, prefix=prefix, edit=in_study(200))  # type: ignore[arg-type]
    assert all(answer.outcome == "0x0000" for answer in send_series(tmp_path, peer(archive)))
    sent = of_series(paths)
    client = DICOMwebClient(archive.web)
    for dataset in retrieved(client, "1.2.3.200", _series_of(sent).pop()):
        assert dataset.file_meta.TransferSyntaxUID == syntax
        same(sent[str(dataset.SOPInstanceUID)], dataset)


def test_what_the_web_stores_is_what_the_network_stores(archive: Archive, tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "enhanced.dcm", VOXELS, SCAN.affine, edit=in_study(300))  # type: ignore[arg-type]
    sent = dcmread(path)
    client = DICOMwebClient(archive.web)
    client.store_instances([sent])
    send_series(path, peer(archive))
    found = client.search_for_instances("1.2.3.300", str(sent.SeriesInstanceUID))
    assert len(found) == 1
    same(sent, retrieved(client, "1.2.3.300", str(sent.SeriesInstanceUID))[0])


def test_another_title_is_rejected(archive: Archive, tmp_path: Path) -> None:
    write_classic(tmp_path, VOXELS, SCAN.affine, edit=in_study(400))  # type: ignore[arg-type]
    with pytest.raises(OutputError, match="rejected the association"):
        send_series(tmp_path, replace(peer(archive), ae_title="NOBODY"))
    assert not DICOMwebClient(archive.web).search_for_studies(search_filters={"StudyInstanceUID": "1.2.3.400"})
