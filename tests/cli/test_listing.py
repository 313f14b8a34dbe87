"""`inspect` of folders: one scan in full, a tree as a table, every file counted, nothing that names a patient."""

from __future__ import annotations

import shutil

import nibabel as nib
import numpy as np
import pytest
from dicom_phantoms import SECRET, write_classic
from fusion_stacks import stack, truth, write_series
from phantoms import affine, blank, head
from pydicom.uid import EnhancedSRStorage
from scipy import ndimage
from tiny_models import tiny_model

from medsr import io
from medsr.affine import resized
from medsr.cli.app import run
from medsr.enhancement.enhancement import enhance
from medsr.enhancement.settings import EnhanceSettings
from medsr.model.usual_ranges import ranges_of, statistics_seen
from medsr.model.weights import load_model, sealed_weights

DATA = np.random.default_rng(0).integers(0, 2000, (40, 36, 8)).astype(np.int16)
MATRIX = affine((1, 1, 4))


def shown(capsys, path):
    code = run(["inspect", str(path)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_inspect_gives_the_verdict_of_enhance_voxels_included(tmp_path, capsys):
    usual = head((40, 36, 10), (1, 1, 4))
    rows = [row for n in range(3) for row in statistics_seen(noisy(usual, n))]
    path = tmp_path / "tiny.safetensors"
    path.write_bytes(sealed_weights(tiny_model(silent=True), {"MR": ranges_of(rows)}))
    model = load_model(str(path), "cpu")
    noise = np.random.default_rng(0).standard_normal(usual.shape).astype(np.float32)
    for name, scan in (("usual", noisy(usual, 9)), ("noise", usual.with_data(noise))):
        io.save(scan, tmp_path / f"{name}.nii.gz", dtype="float32")
        assert run(["inspect", str(tmp_path / f"{name}.nii.gz"), "--model", str(path)]) == 0
        said = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("envelope"))
        loaded = io.load(tmp_path / f"{name}.nii.gz")
        record = enhance(loaded, model, EnhanceSettings(force=True)).record
        assert said.removeprefix("envelope  ").startswith({"inside": "inside", "outside": "outside"}[record.envelope])
        assert all(text.partition("range: ")[2] in said for text in record.warnings)
    assert "the scan is very noisy" in said


def test_inspect_judges_the_samples_of_a_scan_that_is_stored_finer_and_says_so(tmp_path, capsys):
    native = noisy(head((40, 36, 12), (1, 1, 4)), 0)
    data = np.round(ndimage.zoom(native.data, (1, 1, 3), order=1, mode="nearest", grid_mode=True))
    stored = native.with_data(data, resized(native.affine, native.shape, data.shape))
    said = {}
    for name, scan in (("native", native), ("stored", stored)):
        io.save(scan, tmp_path / f"{name}.nii.gz")
        assert run(["inspect", str(tmp_path / f"{name}.nii.gz")]) == 0
        said[name] = capsys.readouterr().out.splitlines()
    assert [line for line in said["stored"] if line.startswith("samples") and "axis 2 3 times" in line]
    assert not [line for line in said["native"] if line.startswith("samples")]
    native_verdict, verdict = (
        next(line for line in said[name] if line.startswith("envelope")) for name in ("native", "stored")
    )
    assert verdict == native_verdict


def test_inspect_says_of_a_constant_scan_that_it_is_one(tmp_path, capsys):
    scan = head((12, 12, 6), (1, 1, 2))
    io.save(scan.with_data(np.full(scan.shape, 7, np.float32)), tmp_path / "flat.nii")
    assert run(["inspect", str(tmp_path / "flat.nii")]) == 0
    assert "a constant image holds nothing to refine" in capsys.readouterr().out


def noisy(scan, seed):
    noise = np.random.default_rng(seed).normal(0, 8, scan.shape)
    return scan.with_data(np.abs(scan.data + noise).astype(np.float32))


def echo(milliseconds):
    return lambda dataset, k: setattr(dataset, "EchoTime", milliseconds)


def test_a_folder_of_one_scan_is_described_in_full(tmp_path, capsys):
    write_classic(tmp_path, DATA, MATRIX)
    (tmp_path / f"{SECRET}.txt").write_text("hello")
    code, out, err = shown(capsys, tmp_path)
    assert (code, err) == (0, "")
    assert "grid      40 x 36 x 8 voxels, 1 x 1 x 4 mm" in out
    assert "finer     40 x 36 x 32 voxels" in out
    assert "1   ignored      not a scan by its name" in out
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
    assert "judged by headers alone" in said
    assert "can't read it: 1 slice is missing" in said
    assert "1 companion not an MR or CT image: Enhanced SR Storage (SR)" in said
    assert "32 files: 31 in 4 volumes, 1 left aside" in said
    assert SECRET not in out
    assert "1.2.3" not in out


@pytest.mark.parametrize("name", ["bad_gap", "bad_truncated", "bad_gantry_tilt", "bad_single_slice", "bad_no_preamble"])
def test_a_folder_that_holds_no_readable_scan_ends_in_code_3(shared_data, capsys, name):
    code, _, err = shown(capsys, shared_data / "dicom" / name)
    assert code == 3
    assert len(err.strip().splitlines()) == 1


def test_scans_of_other_formats_are_named(tmp_path, capsys):
    for prefix in ("a", "b"):
        write_classic(tmp_path, DATA, MATRIX, prefix=prefix)
    io.save(blank((8, 9, 10)), tmp_path / f"{SECRET}.nii.gz")
    code, out, _ = shown(capsys, tmp_path)
    assert code == 0
    assert "1   ignored      NIfTI, not in this table: medsr inspect FILE shows it" in out
    assert SECRET not in out


def contrast(words):
    return lambda dataset, k: setattr(dataset, "SeriesDescription", f"{SECRET} {words}")


def test_series_that_could_be_fused_are_told_with_the_command(tmp_path, capsys):
    axial, coronal = stack(truth(36), 2), stack(truth(36), 1)
    write_series(tmp_path / "a", axial, contrast("t1"))
    write_series(tmp_path / "b", coronal, contrast("t2"))
    write_series(tmp_path / "c", coronal, contrast("t1"))
    code, out, _ = shown(capsys, tmp_path)
    assert code == 0
    assert out.splitlines()[-2:] == [
        "could be fused, 2 stacks of one contrast in study 1:",
        "  medsr enhance FOLDER OUT --volume 1,3",
    ]
    assert SECRET not in out


def test_files_of_a_data_set_that_could_be_fused_are_told_with_the_command(tmp_path, capsys):
    place = "sub-1/anat/sub-1_acq-{}_T1w.nii.gz"
    for axis, name in ((2, "ax"), (1, "cor"), (0, "sag")):
        (tmp_path / place.format(name)).parent.mkdir(parents=True, exist_ok=True)
        io.save(stack(truth(36), axis), tmp_path / place.format(name), dtype="int16")
    command = f"  medsr enhance {' '.join('FOLDER/' + place.format(name) for name in ('ax', 'cor', 'sag'))} OUT"
    assert command not in shown(capsys, tmp_path)[1]  # no data set: names may be those of people
    (tmp_path / "dataset_description.json").write_text("{}")
    lines = shown(capsys, tmp_path)[1].splitlines()
    assert lines[-3:-1] == ["could be fused, 3 stacks of one contrast of a subject:", command]
    assert "fuse = true" in lines[-1]


def test_a_folder_of_other_things_lists_them_and_ends_in_code_3(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("hello")
    shutil.copy(tmp_path / "notes.txt", tmp_path / "more.txt")
    code, out, err = shown(capsys, tmp_path)
    assert code == 3
    assert "2   ignored      not a scan by its name" in out
    assert "no MR or CT volume in 2 files (2 x not DICOM)" in err


def test_a_folder_of_scans_in_other_formats_is_no_failure(tmp_path, capsys):
    for name in ("a.nii.gz", "b.nii.gz", "sub-1_part-phase_T1w.nii.gz"):
        io.save(blank((8, 9, 10)), tmp_path / name)
    nib.Nifti1Pair(np.zeros((8, 9, 10), np.int16), MATRIX).to_filename(tmp_path / "pair.hdr")
    (tmp_path / "broken.nii").write_text("no scan")
    (tmp_path / ".hidden").mkdir()
    code, out, err = shown(capsys, tmp_path)
    assert (code, err) == (0, "")
    said = " ".join(out.split())
    assert "4 ignored NIfTI, not in this table: medsr inspect FILE shows it, and a batch takes it" in said
    assert "1 ignored the phase part of a complex scan" in said
    assert "1 ignored not a scan that medsr can read" in said
    assert "1 ignored a hidden folder" in said
    assert "7 files: 0 in 0 volumes, 7 left aside" in said


def test_a_folder_whose_scans_are_all_unreadable_ends_in_code_3(tmp_path, capsys):
    for prefix in ("a", "b"):
        write_classic(tmp_path, DATA, MATRIX, prefix=prefix)[3].unlink()
    code, out, err = shown(capsys, tmp_path)
    assert code == 3
    assert out.count("can't read it: 1 slice is missing") == 2
    assert "none of the scans in it can be read" in err
    (tmp_path / "broken.nii").write_text("no scan")
    assert shown(capsys, tmp_path)[0] == 3
    io.save(blank((8, 9, 10)), tmp_path / "good.nii")
    assert shown(capsys, tmp_path)[0] == 0


def test_an_empty_folder_is_said_to_be_empty(tmp_path, capsys):
    code, _, err = shown(capsys, tmp_path)
    assert code == 3
    assert "in 0 files (the folder is empty)" in err


def test_a_tree_lists_the_grid_that_uneven_slices_are_put_on_and_says_so(tmp_path, capsys):
    along = np.array([0, 4, 8, 12, 17, 23, 29, 35.0])

    def edit(dataset, k):
        dataset.SliceThickness = "4" if k < 4 else "6"
        place = MATRIX @ [0, 0, along[k] / 4, 1] * [-1, -1, 1, 1]
        dataset.ImagePositionPatient = [f"{x:.9f}"[:16] for x in place[:3]]

    write_classic(tmp_path / "head", DATA, MATRIX, modality="CT", edit=edit)
    write_classic(tmp_path / "other", DATA, MATRIX, prefix="other")
    code, out, _ = shown(capsys, tmp_path)
    assert code == 0
    assert "40 x 36 x 10 " in out
    assert "40 x 36 x 8 " in out
    said = "slices lie unevenly (4 mm after slices 1 to 3, 5 mm after slice 4, 6 mm after slices 5 to 7 of 8); on the "
    assert said in " ".join(out.split())
    (tmp_path / "alone").mkdir()
    write_classic(tmp_path / "alone", DATA, MATRIX, modality="CT", edit=edit)
    alone = shown(capsys, tmp_path / "alone")[1]
    warning = next(line for line in alone.splitlines() if said in line).removeprefix("warning   ")
    assert warning in " ".join(out.split())
    assert out.count("lie unevenly") == 1
