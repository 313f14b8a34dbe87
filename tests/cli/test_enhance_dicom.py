"""medsr enhance with DICOM on the command line: defaults, options, and one line for what can't be done."""

from __future__ import annotations

import json

import numpy as np
import pytest
from dicom_phantoms import SECRET, write_classic
from phantoms import affine, head
from pydicom import dcmread

from medsr.cli.app import run
from medsr.io import load, save

VALUES = np.rint(head((24, 28, 6), (1.0, 1.0, 3.0)).data).astype(np.int16)
MATRIX = affine((1, 1, 3), flips=(-1, -1, 1))


@pytest.fixture
def series(tmp_path):
    write_classic(tmp_path / "series", VALUES, MATRIX)
    return tmp_path / "series"


def enhance(*arguments) -> int:
    return run(
        ["enhance", *[str(argument) for argument in arguments], "-q", "--flips", "0", "--force"]
    )  # a small phantom is not a usual scan


def test_a_folder_name_is_all_that_a_series_needs(series, tmp_path, capsys):
    assert enhance(series, tmp_path / "finer") == 0
    said = capsys.readouterr()
    assert f"{tmp_path / 'finer'}: 1 x 1 x 1 mm" in said.out
    assert SECRET not in said.out + said.err
    assert load(tmp_path / "finer").shape == (24, 28, 18)
    assert dcmread(tmp_path / "finer" / "0001.dcm").SeriesDescription.endswith("[medsr SR 1.0mm research]")
    assert json.loads((tmp_path / "finer.json").read_text())["output"]["format"] == "dicom"


def test_a_nifti_name_or_format_gives_nifti(series, tmp_path):
    assert enhance(series, tmp_path / "finer.nii.gz") == 0
    assert enhance(series, tmp_path / "same.nii.gz", "--format", "nifti") == 0
    assert (tmp_path / "finer.nii.gz").read_bytes() == (tmp_path / "same.nii.gz").read_bytes()


def test_options_of_dicom_reach_the_files(series, tmp_path):
    options = ("--mode", "uncertainty", "--samples", "2", "--steps", "1", "--parametric-map", "--compress", "rle")
    assert enhance(series, tmp_path / "finer", *options, "--keep-private") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("finer", "finer.json", "finer_map", "finer_uncertainty", "series")
    ]
    assert json.loads((tmp_path / "finer.json").read_text())["output"]["private_elements"] == "kept"
    assert dcmread(tmp_path / "finer" / "0001.dcm").file_meta.TransferSyntaxUID.is_compressed


def test_nifti_goes_back_into_its_series(series, tmp_path):
    save(load(series), tmp_path / "scan.nii.gz")
    assert enhance(tmp_path / "scan.nii.gz", tmp_path / "finer", "--like", series) == 0
    assert dcmread(tmp_path / "finer" / "0001.dcm").PatientName == SECRET


def test_gaps_are_filled_when_asked(series, tmp_path, capsys):
    (series / "slice_003.dcm").unlink()
    assert enhance(series, tmp_path / "finer") == 3
    assert "--gaps fill" in capsys.readouterr().err
    assert enhance(series, tmp_path / "finer", "--gaps", "fill") == 0
    assert "1 filled" in dcmread(tmp_path / "finer" / "0001.dcm").SeriesDescription


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--format", "png"], "'nifti', 'dicom'"),
        (["--compress", "jpeg"], "j2k"),
        (["--gaps", "ignore"], "split"),
        (["--tilt", "ignore"], "resample"),
        (["--parametric-map"], "--mode uncertainty"),
    ],
)
def test_wrong_requests_end_in_one_line_and_code_2(series, tmp_path, capsys, options, word):
    assert enhance(series, tmp_path / "finer", *options) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert word in line
    assert not list(tmp_path.glob("finer*"))


def test_nifti_to_dicom_needs_like(series, tmp_path, capsys):
    save(load(series), tmp_path / "scan.nii.gz")
    assert enhance(tmp_path / "scan.nii.gz", tmp_path / "finer", "--format", "dicom") == 2
    assert "--like" in capsys.readouterr().err


def test_a_series_is_replaced_only_when_asked_and_an_empty_folder_is_none(series, tmp_path, capsys):
    (tmp_path / "finer").mkdir()
    assert enhance(series, tmp_path / "finer") == 0
    before = (tmp_path / "finer" / "0001.dcm").stat().st_ino
    assert enhance(series, tmp_path / "finer") == 6
    assert "finer: is there already" in capsys.readouterr().err
    assert (tmp_path / "finer" / "0001.dcm").stat().st_ino == before
    assert enhance(series, tmp_path / "finer", "--overwrite") == 0
    assert (tmp_path / "finer" / "0001.dcm").stat().st_ino != before


def test_a_folder_with_foreign_files_is_code_6(series, tmp_path, capsys):
    (tmp_path / "finer").mkdir()
    (tmp_path / "finer" / "notes.txt").write_text("of somebody else")
    assert enhance(series, tmp_path / "finer") == 6
    assert "holds more than an earlier result" in capsys.readouterr().err
