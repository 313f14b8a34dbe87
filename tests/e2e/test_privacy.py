"""Nothing that a header says of a person comes out, save in the derived DICOM, which must carry its patient.

Paths are another matter: one that the user typed, or a file that an error is about, may be shown on the terminal; it
stands in no record, no other output and no log.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from canaries import IN_HEADERS, IN_PATHS, TEXT, is_dicom, leaks, planted, singing, write_canaries, write_nifti_canary
from dicom_phantoms import write_classic
from peers import HOST, free_port, pynetdicom_storescp
from phantoms import head
from pydicom import Dataset, dcmread
from tiny_models import write_tiny

from medsr.cli.app import run

Command = Callable[..., int]


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    write_canaries(folder / f"{IN_PATHS}_mr", head((20, 18, 6), (1.5, 1.5, 4.5)))
    write_canaries(folder / f"{IN_PATHS}_ct", head((20, 18, 6), (1.5, 1.5, 4.5), modality="CT"), modality="CT")
    write_canaries(folder / f"{IN_PATHS}_fine", head((24, 24, 24), (1.5, 1.5, 1.5)))
    write_nifti_canary(folder / f"sub-{IN_PATHS}_T1w.nii.gz", head((20, 18, 6), (1.5, 1.5, 4.5)))
    write_nifti_canary(folder / f"sub-{IN_PATHS}_T2w.nii", head((24, 24, 24), (1.5, 1.5, 1.5)))
    write_tiny(folder / "tiny.safetensors")
    return folder


@pytest.fixture
def command(
    scans: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Command]:
    """Runs a command line and checks all that it says; what it leaves in temporary files is searched at the end."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    caplog.set_level(logging.DEBUG)

    def checked(*arguments: object) -> int:
        code = run([str(argument) for argument in arguments])
        said = capfd.readouterr()
        for stream in (said.out, said.err):
            assert singing(stream.encode(), IN_HEADERS) == [], stream
        assert singing(caplog.text.encode(), (*IN_HEADERS, IN_PATHS)) == []
        return code

    yield checked
    assert leaks(temporary) == []


@pytest.mark.parametrize(("name", "mode"), [("mr", "uncertainty"), ("ct", "mean")])
def test_dicom_to_dicom_keeps_the_patient_in_the_series_alone(
    command: Command, scans: Path, tmp_path: Path, name: str, mode: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    options = ("--format", "dicom", "--mode", mode, "--samples", 2, "--model", scans / "tiny.safetensors")
    assert command("enhance", scans / f"{IN_PATHS}_{name}", out / "finer", *options) == 0
    assert leaks(out) == []
    derived = [path for path in out.rglob("*") if path.is_file() and is_dicom(path)]
    assert derived
    for path in derived:
        dataset = dcmread(path)
        assert dataset.PatientName == dataset.PatientID == TEXT
        assert not [element for element in dataset if element.tag.is_private]


def test_dicom_to_nifti_leaves_the_patient_behind(command: Command, scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    options = ("--format", "nifti", "--mode", "uncertainty", "--samples", 2, "--model", scans / "tiny.safetensors")
    assert command("enhance", scans / f"{IN_PATHS}_mr", out / "finer.nii.gz", *options) == 0
    assert leaks(out) == []


def test_nifti_to_nifti_leaves_the_remarks_behind(command: Command, scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name, target in ((f"sub-{IN_PATHS}_T1w.nii.gz", "a.nii"), (f"sub-{IN_PATHS}_T2w.nii", "b.nii.gz")):
        assert command("enhance", scans / name, out / target, "--model", scans / "tiny.safetensors") == 0
    assert command("degrade", scans / f"sub-{IN_PATHS}_T2w.nii", out / "coarse.nii.gz", "--task", "iso2") == 0
    assert leaks(out) == []


def test_inspect_tells_nothing_of_a_person(command: Command, scans: Path) -> None:
    for path in sorted(scans.iterdir()):
        if IN_PATHS in path.name and not path.name.endswith(".json"):
            assert command("inspect", path) == 0
    assert command("inspect", scans) in (0, 3)


@pytest.fixture
def validated(command: Command, scans: Path, tmp_path: Path) -> Path:
    """The folder of what validate wrote about two scans."""
    out = tmp_path / "out"
    out.mkdir()
    plain = scans / f"{IN_PATHS}_T2w.nii"  # a BIDS name is a code; any other may be a person's
    plain.write_bytes((scans / f"sub-{IN_PATHS}_T2w.nii").read_bytes())
    references = [scans / f"{IN_PATHS}_fine", plain]
    files = ("--json", out / "f.json", "--csv", out / "f.csv", "--out", out / "report")
    written = (*files, "--model", scans / "tiny.safetensors")
    assert command("validate", *references, "--task", "iso2", "--methods", "cubic,mean", *written) == 0
    assert len(list(out.iterdir())) == 3
    return out


def test_validate_writes_neither_headers_nor_paths(validated: Path) -> None:
    assert leaks(validated) == []


def test_send_tells_numbers_alone(command: Command, scans: Path, tmp_path: Path) -> None:
    with pynetdicom_storescp(tmp_path / "archive") as port:
        assert command("dicom", "send", HOST, port, "ANY", scans / f"{IN_PATHS}_mr") == 0
    assert len(list((tmp_path / "archive").iterdir())) == 6
    assert command("dicom", "send", HOST, free_port(), "ANY", scans / f"{IN_PATHS}_mr") == 6


def _gap(folder: Path) -> None:
    write_canaries(folder, head((20, 18, 6), (1.5, 1.5, 4.5)))[2].unlink()


def _two_times(folder: Path) -> None:
    def later(dataset: Dataset, k: int) -> None:
        planted(dataset, k)
        dataset.AcquisitionTime = "235959"
        dataset.SOPInstanceUID = f"{dataset.SOPInstanceUID}.1"

    scan = head((20, 18, 6), (1.5, 1.5, 4.5))
    write_canaries(folder, scan)
    write_classic(folder, np.rint(scan.data).astype(np.int16), scan.affine, prefix=f"{IN_PATHS}_later", edit=later)


def _two_series(folder: Path) -> None:
    def other(dataset: Dataset, k: int) -> None:
        planted(dataset, k)
        dataset.SeriesInstanceUID = f"{dataset.SeriesInstanceUID}.1"

    scan = head((20, 18, 6), (1.5, 1.5, 4.5))
    write_canaries(folder, scan)
    write_classic(folder, np.rint(scan.data).astype(np.int16), scan.affine, prefix=f"{IN_PATHS}_other", edit=other)


def _cut(folder: Path) -> None:
    path = write_canaries(folder, head((20, 18, 6), (1.5, 1.5, 4.5)))[2]
    path.write_bytes(path.read_bytes()[:-200])


def _cut_in_header(folder: Path) -> None:
    path = write_canaries(folder, head((20, 18, 6), (1.5, 1.5, 4.5)))[2]
    path.write_bytes(path.read_bytes()[:3000])


def _texts_for_numbers(folder: Path) -> None:
    for path in write_canaries(folder, head((20, 18, 6), (1.5, 1.5, 4.5))):
        content = path.read_bytes()
        path.write_bytes(content.replace(b"MONOCHROME2", (TEXT + "   ").encode()[:11]))


def _constant(folder: Path) -> None:
    scan = head((20, 18, 6), (1.5, 1.5, 4.5))
    write_canaries(folder, replace(scan, data=np.zeros_like(scan.data)))


BROKEN = (_gap, _two_times, _two_series, _cut, _cut_in_header, _texts_for_numbers, _constant)


@pytest.mark.parametrize("make", BROKEN, ids=lambda make: make.__name__.strip("_"))
def test_refusals_quote_no_header(command: Command, scans: Path, tmp_path: Path, make: Callable[[Path], None]) -> None:
    source, out = tmp_path / f"{IN_PATHS}_broken", tmp_path / "out"
    out.mkdir()
    make(source)
    code = command("enhance", source, out / "finer.nii.gz", "--format", "nifti", "--model", scans / "tiny.safetensors")
    assert code in (0, 3)  # where it is not refused, it was split or mended, and the results are searched
    command("inspect", source)
    assert leaks(out) == []


def test_a_broken_sidecar_is_not_quoted(command: Command, scans: Path, tmp_path: Path) -> None:
    path = write_nifti_canary(tmp_path / "in" / "sub-1_T1w.nii.gz", head((20, 18, 6), (1.5, 1.5, 4.5)))
    (tmp_path / "out").mkdir()
    for number, text in enumerate((f'{{"SliceThickness": "{TEXT}"}}', f'{{"{TEXT}', f'["{TEXT}"]')):
        out = tmp_path / "out" / f"{number}.nii"
        (tmp_path / "in" / "sub-1_T1w.json").write_text(text)
        assert command("inspect", path) in (0, 3)
        assert command("enhance", path, out, "--model", scans / "tiny.safetensors") in (0, 3)
    assert leaks(tmp_path / "out") == []


def test_the_canaries_sing(scans: Path, tmp_path: Path) -> None:
    """The search finds what was planted, also where it is compressed: else silence would prove nothing."""
    assert singing(next((scans / f"{IN_PATHS}_mr").iterdir()).read_bytes(), IN_HEADERS) == sorted(IN_HEADERS)
    assert TEXT in singing((scans / f"sub-{IN_PATHS}_T1w.nii.gz").read_bytes(), IN_HEADERS)
    found = leaks(scans)
    assert any(line.startswith(f"name {IN_PATHS}_mr") for line in found)
    assert any("T1w.nii.gz: " in line for line in found)
