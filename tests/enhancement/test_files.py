"""One case from path to path: what is written, what is kept, and that nothing is left half done."""

from __future__ import annotations

import dataclasses
import json
import sys

import nibabel as nib
import numpy as np
import pytest
from phantoms import head
from tiny_models import tiny_model

from medsr import io
from medsr.enhancement.enhancement import enhance
from medsr.enhancement.files import degrade_file, enhance_file
from medsr.enhancement.settings import EnhanceSettings, Output
from medsr.errors import EnvelopeError, InputError, OutputError, ResourceError, UsageError
from medsr.model.spec import Envelope
from medsr.physics.acquisition import acquisition_of
from medsr.physics.tasks import TASKS, degrade
from medsr.record import Record
from medsr.volume import Source

MODEL = tiny_model()
SCAN = head((14, 16, 6), (1.0, 1.0, 2.5), source=Source(dtype="int16"))
MEAN = EnhanceSettings(noise=2.0)
UNCERTAINTY = EnhanceSettings(mode="uncertainty", samples=2, steps=1)


@pytest.fixture
def source(tmp_path):
    """A scan of whole numbers in a folder of its own."""
    folder = tmp_path / "in"
    folder.mkdir()
    io.save(SCAN, folder / "sub-1_T1w.nii.gz")
    return folder / "sub-1_T1w.nii.gz"


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def never(*_):
    raise AssertionError("work was begun")


# --- what is written --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["finer.nii.gz", "finer.nii"])
def test_a_scan_and_its_record_are_written(source, out, name):
    records = enhance_file(source, out / name, MEAN, MODEL)
    assert names(out) == [name, f"{name}.json"]
    written, expected = io.load(out / name), enhance(io.load(source), MODEL, MEAN)
    assert written.shape == expected.volume.shape == (14, 16, 15)
    np.testing.assert_allclose(written.affine, expected.volume.affine, atol=1e-5)
    assert np.abs(written.data - expected.volume.data).max() <= 0.501
    assert Record.from_json((out / f"{name}.json").read_text()) == records[0]
    assert records[0].input["contrast"] == "T1w"
    assert records[0].input["content_sha256"] == io.files.sha256_file(source)


@pytest.mark.parametrize(("dtype", "stored"), [(None, "int16"), ("float32", "float32"), ("int32", "int32")])
def test_whole_numbers_stay_whole_unless_asked(source, out, dtype, stored):
    enhance_file(source, out / "finer.nii", dataclasses.replace(MEAN, output=Output(dtype=dtype)), MODEL)
    assert nib.load(out / "finer.nii").get_data_dtype() == stored


def test_real_numbers_stay_real(tmp_path, out):
    io.save(SCAN, tmp_path / "real.nii", dtype="float32")
    enhance_file(tmp_path / "real.nii", out / "finer.nii", MEAN, MODEL)
    assert nib.load(out / "finer.nii").get_data_dtype() == np.float32


def test_volumes_of_one_file_are_enhanced_in_turn(tmp_path, out):
    brighter = SCAN.with_data(2 * SCAN.data + 10)
    io.save([SCAN, brighter], tmp_path / "both.nii.gz", dtype="float32")
    records = enhance_file(tmp_path / "both.nii.gz", out / "finer.nii.gz", MEAN, MODEL)
    first, second = io.load_all(out / "finer.nii.gz")
    for volume, original in ((first, SCAN), (second, brighter)):
        np.testing.assert_allclose(volume.data, enhance(original, MODEL, MEAN).volume.data, atol=0.01)
    written = json.loads((out / "finer.nii.gz.json").read_text())
    assert [Record.from_json(json.dumps(entry)) for entry in written] == records
    assert len(records) == 2


def test_the_uncertainty_lies_beside_the_scan_and_is_never_rounded(source, out):
    enhance_file(source, out / "finer.nii.gz", UNCERTAINTY, MODEL)
    assert names(out) == ["finer.nii.gz", "finer.nii.gz.json", "finer_uncertainty.nii.gz"]
    uncertainty = nib.load(out / "finer_uncertainty.nii.gz")
    assert uncertainty.get_data_dtype() == np.float32
    assert uncertainty.shape == (14, 16, 15)
    assert uncertainty.get_fdata().min() >= 0
    np.testing.assert_allclose(uncertainty.affine, nib.load(out / "finer.nii.gz").affine)


def test_what_is_asked_of_the_grid_and_of_the_modality_is_done(source, out):
    case = dataclasses.replace(MEAN, factors=(1.0, 1.0, 2.0), profile="box", thickness_mm=2.0, modality="CT", noise=5.0)
    (record,) = enhance_file(source, out / "finer.nii", case, MODEL)
    assert record.task == acquisition_of(SCAN, factors=(1, 1, 2), profile="box", thickness_mm=2.0).summary()
    assert record.input["modality"] == "CT"


def test_writing_twice_gives_the_same_bytes(source, out):
    for name in ("a.nii.gz", "b.nii.gz"):
        enhance_file(source, out / name, MEAN, MODEL)
    assert (out / "a.nii.gz").read_bytes() == (out / "b.nii.gz").read_bytes()


def test_a_scan_is_degraded_into_a_file_with_a_record(tmp_path, out):
    fine = head((20, 22, 24))
    io.save(fine, tmp_path / "fine.nii.gz", dtype="float32")
    coarse = degrade_file(tmp_path / "fine.nii.gz", out / "coarse.nii.gz", TASKS["thick3"])
    expected, acquisition = degrade(fine, TASKS["thick3"])
    np.testing.assert_allclose(coarse.data, expected.data, atol=1e-3)
    np.testing.assert_allclose(io.load(out / "coarse.nii.gz").data, expected.data, atol=1e-3)
    record = Record.from_json((out / "coarse.nii.gz.json").read_text())
    assert record.task == acquisition.summary()
    assert record.settings == {"task": "thick3", "seed": 0}


# --- what is refused before any work ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["finer.png", "finer", "finer.nii.zip", "finer.dcm"])
def test_other_formats_are_refused(source, out, name):
    with pytest.raises(UsageError, match="ends in"):
        enhance_file(source, out / name, MEAN, MODEL, never)
    assert names(out) == []


@pytest.mark.parametrize("place", ["missing/finer.nii", "file/finer.nii"])
def test_a_folder_that_cannot_be_written_is_refused(source, out, place):
    (out / "file").write_text("in the way")
    with pytest.raises(OutputError) as caught:
        enhance_file(source, out / place, MEAN, MODEL, never)
    assert "\n" not in str(caught.value)
    assert names(out) == ["file"]


@pytest.mark.parametrize("name", ["finer.nii", "finer.nii.json"])
def test_a_name_that_is_taken_by_a_folder_is_refused(source, out, name):
    (out / name).mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        enhance_file(source, out / "finer.nii", MEAN, MODEL, never)
    assert names(out) == [name]


def test_the_input_itself_is_refused_as_output(source, out):
    before = source.read_bytes()
    (out / "link.nii.gz").symlink_to(source)
    for target in (source, out / "link.nii.gz"):
        with pytest.raises(UsageError, match="is the input itself"):
            enhance_file(source, target, MEAN, MODEL, never)
        with pytest.raises(UsageError, match="is the input itself"):
            degrade_file(source, target, TASKS["iso2"])
    assert source.read_bytes() == before


def test_a_voxel_type_that_cannot_be_written_is_refused(source, out):
    with pytest.raises(UsageError, match="voxel type is 'complex64'"):
        enhance_file(
            source, out / "finer.nii", dataclasses.replace(MEAN, output=Output(dtype="complex64")), MODEL, never
        )
    assert names(out) == []


@pytest.mark.parametrize("content", [b"", b"not a scan", b"\x1f\x8b truncated"])
def test_what_is_not_a_scan_is_refused(tmp_path, out, content):
    (tmp_path / "scan.nii.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"scan\.nii\.gz"):
        enhance_file(tmp_path / "scan.nii.gz", out / "finer.nii", MEAN, MODEL, never)
    assert names(out) == []


def test_outside_the_envelope_nothing_is_written(source, out):
    with pytest.raises(EnvelopeError):
        enhance_file(source, out / "finer.nii", MEAN, tiny_model(envelope=Envelope(modalities=("CT",))), never)
    assert names(out) == []


# --- nothing half done ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [MEAN, UNCERTAINTY])
def test_an_interrupted_run_leaves_nothing(source, out, case):
    def interrupt(stage, done, total):
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        enhance_file(source, out / "finer.nii.gz", case, MODEL, interrupt)
    assert names(out) == []
    assert names(source.parent) == [source.name]


def too_bright(tmp_path):
    """A scan whose result does not fit a byte."""
    io.save(SCAN, tmp_path / "bright.nii", dtype="float32")
    return tmp_path / "bright.nii"


def test_a_result_that_cannot_be_stored_leaves_nothing(tmp_path, out):
    case = dataclasses.replace(UNCERTAINTY, output=Output(dtype="uint8"))
    with pytest.raises(UsageError, match="don't fit uint8"):
        enhance_file(too_bright(tmp_path), out / "finer.nii.gz", case, MODEL)
    assert names(out) == []


def test_a_result_that_cannot_be_stored_leaves_an_older_one_with_its_own_record(source, tmp_path, out):
    enhance_file(source, out / "finer.nii.gz", UNCERTAINTY, MODEL)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    other = dataclasses.replace(UNCERTAINTY, output=Output(dtype="uint8"), seed=9)
    with pytest.raises(UsageError):
        enhance_file(too_bright(tmp_path), out / "finer.nii.gz", other, MODEL)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_second_run_takes_the_place_of_the_first(source, out):
    enhance_file(source, out / "finer.nii", MEAN, MODEL)
    case = EnhanceSettings(mode="sample", steps=1, seed=4)
    enhance_file(source, out / "finer.nii", case, MODEL)
    assert names(out) == ["finer.nii", "finer.nii.json"]
    assert Record.from_json((out / "finer.nii.json").read_text()).settings["seed"] == 4


@pytest.mark.parametrize("told", [None, 900 * 2**20])
def test_memory_that_is_told_counts_and_what_is_free_where_none_is(source, out, monkeypatch, told):
    monkeypatch.setattr("medsr.enhancement.memory.free_memory", lambda: 2**20)
    asked = dataclasses.replace(MEAN, factors=(1.0, 1.0, 2.0), spacing_mm=None)
    if told is None:
        with pytest.raises(ResourceError, match=r"0\.0 GiB may be used"):
            enhance_file(source, out / "finer.nii.gz", asked, MODEL)
        assert names(out) == []
    else:
        (record,) = enhance_file(source, out / "finer.nii.gz", asked, MODEL, memory_bytes=told)
        assert record.task["fine_shape"]


@pytest.mark.parametrize(
    ("name", "dtype", "message"),
    [
        ("a.nhdr", None, "ends in .nrrd"),
        ("a.mgz", "uint16", "FreeSurfer is written as"),
        ("a.nrrd", None, "medsr\\[form"),
    ],
)
def test_what_could_not_be_written_is_refused_before_any_work(source, out, monkeypatch, name, dtype, message):
    monkeypatch.setattr("medsr.enhancement.files.enhance_volumes", never)
    if name.endswith(".nrrd"):
        monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises((UsageError, InputError), match=message):
        enhance_file(source, out / name, dataclasses.replace(MEAN, output=Output(dtype=dtype)), MODEL)
    assert names(out) == []
