"""`inspect` of folders: one scan in full, a tree as a table, every file counted, nothing that names a patient."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from dicom_phantoms import SECRET, write_classic
from phantoms import affine
from pydicom.uid import EnhancedSRStorage

from medsr.cli.app import run

DATA = np.random.default_rng(0).integers(0, 2000, (40, 36, 8)).astype(np.int16)
MATRIX = affine((1, 1, 4))


def shown(capsys, path):
    code = run(["inspect", str(path)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def echo(milliseconds):
    return lambda dataset, k: setattr(dataset, "EchoTime", milliseconds)


def test_a_folder_of_one_scan_is_described_in_full(tmp_path, capsys):
    write_classic(tmp_path, DATA, MATRIX)
    (tmp_path / f"{SECRET}.txt").write_text("hello")
    code, out, err = shown(capsys, tmp_path)
    assert (code, err) == (0, "")
    assert "grid      40 x 36 x 8 voxels, 1 x 1 x 4 mm" in out
    assert "finer     40 x 36 x 32 voxels" in out
    assert "1   ignored      not DICOM" in out
    assert SECRET not in out


def test_a_tree_is_a_table_of_its_volumes_and_of_what_is_left(tmp_path, capsys):
    thin = affine((1, 1, 2))
    thicker = {"edit": lambda dataset, k: setattr(dataset, "SliceThickness", 3)}
    write_classic(tmp_path / SECRET, DATA, thin, prefix="a", **thicker)
    for prefix, time in (("b", 10), ("c", 20)):
        write_classic(tmp_path / "echoes", DATA, MATRIX, prefix=prefix, series_uid="1.2.3", edit=echo(time))
    paths = write_classic(tmp_path / "gap", DATA, MATRIX, prefix="d", modality="CT")
    paths[3].unlink()

    def report(dataset, _):
        dataset.SOPClassUID, dataset.Modality = EnhancedSRStorage, "SR"

    write_classic(tmp_path, DATA[:, :, :1], MATRIX, prefix="report", edit=report)
    code, out, err = shown(capsys, tmp_path)
    assert (code, err) == (0, "")
    said = " ".join(out.split())
    assert "40 x 36 x 8 1 x 1 x 2 RAS 3 mm thick, overlap 1 mm 1 to 1 x 1 x 1 mm; inside medsr-base" in said
    assert "2.1 MR echo time 10 ms 40 x 36 x 8" in said
    assert "2.2 MR echo time 20 ms 40 x 36 x 8" in said
    assert "--volume NUMBER" in said
    assert "can't read it: 1 slice is missing" in said
    assert "1 companion no MR or CT image: Enhanced SR Storage (SR)" in said
    assert "32 files: 31 in 4 volumes, 1 left aside" in said
    assert SECRET not in out
    assert "1.2.3" not in out


@pytest.mark.parametrize("name", ["bad_gap", "bad_truncated", "bad_gantry_tilt", "bad_single_slice", "bad_no_preamble"])
def test_a_folder_that_holds_no_readable_scan_ends_in_code_3(shared_data, capsys, name):
    code, _, err = shown(capsys, shared_data / "dicom" / name)
    assert code == 3
    assert len(err.strip().splitlines()) == 1


def test_a_folder_of_other_things_lists_them_and_ends_in_code_3(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("hello")
    shutil.copy(tmp_path / "notes.txt", tmp_path / "more.txt")
    code, out, err = shown(capsys, tmp_path)
    assert code == 3
    assert "2   ignored      not DICOM" in out
    assert "no MR or CT volume in 2 files (2 x not DICOM)" in err
