"""One case from a DICOM series to a derived one: files, record, refusals, and the place in the body."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from dicom_phantoms import SECRET, write_classic
from phantoms import affine, head
from pydicom import dcmread
from scipy.ndimage import map_coordinates
from skimage.registration import phase_cross_correlation
from tiny_models import tiny_model

from medsr import io
from medsr.enhancement.files import enhance_file, names_of
from medsr.enhancement.settings import EnhanceSettings, Input, Output
from medsr.errors import EnvelopeError, InputError, OutputError, UsageError
from medsr.model.spec import Envelope
from medsr.record import Record

MODEL = tiny_model()
VALUES = np.rint(head((14, 16, 6), (1.0, 1.0, 2.5)).data).astype(np.int16)
MATRIX = affine((1, 1, 2.5), turn_deg=(3, -8, 4), flips=(-1, -1, 1), origin_mm=(20, 30, -40))
MEAN = EnhanceSettings(noise=2.0, flips=0)
UNCERTAINTY = EnhanceSettings(mode="uncertainty", samples=2, steps=1, flips=0)


@pytest.fixture
def source(tmp_path):
    """A series whose header and file names name a patient."""
    write_classic(tmp_path / "in", VALUES, MATRIX, prefix=SECRET)
    return tmp_path / "in"


@pytest.fixture
def nifti(tmp_path, source):
    """The same scan as a NIfTI file of its own."""
    (tmp_path / "nifti").mkdir()
    io.save(io.load(source), tmp_path / "nifti" / "scan.nii.gz")
    return tmp_path / "nifti" / "scan.nii.gz"


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def asked(settings=MEAN, **output):
    return dataclasses.replace(settings, output=Output(**output))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def never(*_):
    raise AssertionError("work was begun")


# --- what is written --------------------------------------------------------------------------------------------------


def test_a_series_and_its_record_are_written(source, out):
    (record,) = enhance_file(source, out / "finer", MEAN, MODEL)
    assert names(out) == ["finer", "finer.json"]
    assert names(out / "finer") == [f"{k:04d}.dcm" for k in range(1, 16)]
    assert Record.from_json((out / "finer.json").read_text()) == record
    assert record.output["slices"] == 15
    assert record.output["clipped_voxels"] == 0
    written = io.load(out / "finer")
    assert written.shape == (14, 16, 15)
    np.testing.assert_allclose(written.affine @ [-0.5, -0.5, -0.5, 1], MATRIX @ [-0.5, -0.5, -0.5, 1], atol=1e-5)


def test_the_record_names_nobody(source, out):
    enhance_file(source, out / "finer", MEAN, MODEL)
    text = (out / "finer.json").read_text()
    source_uids = {str(dcmread(path).SOPInstanceUID) for path in source.iterdir()}
    assert not [word for word in (SECRET, *source_uids) if word in text]
    assert "2.25." not in text
    assert dcmread(out / "finer" / "0001.dcm").PatientName == SECRET


def test_both_formats_hold_the_same_voxels_in_the_same_place(source, out):
    enhance_file(source, out / "finer", MEAN, MODEL)
    enhance_file(source, out / "finer.nii.gz", MEAN, MODEL)
    dicom, nifti = io.load(out / "finer"), io.load(out / "finer.nii.gz")
    np.testing.assert_array_equal(dicom.data, nifti.data)
    np.testing.assert_allclose(dicom.affine, nifti.affine, atol=1e-5)


def test_a_second_run_gives_the_same_files_and_replaces_the_first(source, out):
    enhance_file(source, out / "finer", MEAN, MODEL)
    before = content(out / "finer")
    enhance_file(source, out / "finer", MEAN, MODEL)
    assert content(out / "finer") == before
    other = EnhanceSettings(noise=9.0)
    enhance_file(source, out / "finer", other, MODEL)
    assert names(out) == ["finer", "finer.json"]
    assert json.loads((out / "finer.json").read_text())["settings"]["noise"] == 9.0
    first = dcmread(out / "finer" / "0001.dcm").SOPInstanceUID
    assert all(str(first).encode() not in one for one in before.values())


def test_uncertainty_and_map_lie_beside_the_series(source, out):
    enhance_file(source, out / "finer", asked(UNCERTAINTY, parametric_map=True), MODEL)
    assert names(out) == ["finer", "finer.json", "finer_map", "finer_uncertainty"]
    assert names(out / "finer_map") == ["0001.dcm"]
    uncertainty = io.load(out / "finer_uncertainty")
    assert uncertainty.data.min() >= 0
    np.testing.assert_allclose(uncertainty.affine, io.load(out / "finer").affine)
    numbers = {dcmread(out / name / "0001.dcm").SeriesNumber for name in ("finer", "finer_uncertainty", "finer_map")}
    assert len(numbers) == 3


def test_options_reach_the_files(source, out):
    enhance_file(source, out / "finer", asked(compress="rle"), MODEL)
    assert dcmread(out / "finer" / "0001.dcm").file_meta.TransferSyntaxUID.is_compressed


@pytest.fixture
def broken(tmp_path):
    """A series with a slice missing."""
    write_classic(tmp_path / "broken", np.concatenate([VALUES, VALUES], 2), MATRIX)[5].unlink()
    return tmp_path / "broken"


def test_gaps_are_refused_filled_or_split(broken, out):
    with pytest.raises(InputError, match="slice is missing"):
        enhance_file(broken, out / "finer", MEAN, MODEL, never)
    fill = dataclasses.replace(MEAN, input=Input(gaps="fill"))
    (record,) = enhance_file(broken, out / "filled", fill, MODEL)
    assert record.output["filled_source_slices"] == [6]
    split = dataclasses.replace(MEAN, input=Input(gaps="split"))
    records = enhance_file(broken, out / "split", split, MODEL)
    assert names(out / "split") == ["1", "2"]
    assert [len(names(out / "split" / name)) for name in "12"] == [one.output["slices"] for one in records]
    assert len(json.loads((out / "split.json").read_text())) == 2
    enhance_file(broken, out / "split", split, MODEL)
    assert names(out) == ["filled", "filled.json", "split", "split.json"]


def test_the_parts_of_a_split_series_are_nifti_files_of_their_own(broken, out):
    split = dataclasses.replace(MEAN, input=Input(gaps="split"))
    records = enhance_file(broken, out / "split.nii.gz", split, MODEL)
    expected = ["split_1.nii.gz", "split_1.nii.gz.json", "split_2.nii.gz", "split_2.nii.gz.json"]
    assert names(out) == expected
    assert [path.name for path in names_of(out / "split.nii.gz", split, len(records))] == expected[::2]


# --- NIfTI in the place of a series -----------------------------------------------------------------------------------


def test_nifti_takes_the_place_of_the_series_it_was_made_of(source, nifti, out):
    enhance_file(nifti, out / "finer", asked(like=source), MODEL)
    enhance_file(source, out / "direct", MEAN, MODEL)
    placed, direct = io.load(out / "finer"), io.load(out / "direct")
    np.testing.assert_allclose(placed.affine, direct.affine, atol=1e-4)
    assert np.abs(placed.data - direct.data).max() <= 1
    first = dcmread(out / "finer" / "0001.dcm")
    assert first.PatientName == SECRET
    assert len(first.SourceImageSequence) == 6


def test_time_points_become_a_series_each(source, out, tmp_path):
    volume = io.load(source)
    io.save([volume, volume.with_data(volume.data * 2)], tmp_path / "4d.nii.gz")
    enhance_file(tmp_path / "4d.nii.gz", out / "finer", asked(like=source), MODEL)
    assert names(out / "finer") == ["1", "2"]
    uids = {str(dcmread(out / "finer" / name / "0001.dcm").SeriesInstanceUID) for name in "12"}
    assert len(uids) == 2


def test_a_series_from_another_place_is_refused(nifti, out, tmp_path):
    write_classic(tmp_path / "far", VALUES, affine((1, 1, 2.5), origin_mm=(500, 0, 0)))
    with pytest.raises(UsageError, match="of their field of view"):
        enhance_file(nifti, out / "finer", asked(like=tmp_path / "far"), MODEL, never)
    assert names(out) == []


# --- what is refused before any work ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "output", "message"),
    [
        ("finer", {"format": "dicom"}, "name the series that it was made of by --like"),
        ("finer.nii", {"format": "dicom"}, "names a NIfTI file"),
        ("finer", {"format": "nifti"}, r"ends in \.nii or \.nii\.gz"),
        ("finer", {}, r"ends in \.nii or \.nii\.gz"),
        ("finer.nii", {"compress": "rle"}, "are for DICOM"),
        ("finer.nii", {"parametric_map": True}, "are for DICOM"),
    ],
)
def test_requests_that_do_not_go_together_for_nifti(nifti, out, name, output, message):
    with pytest.raises(UsageError, match=message):
        enhance_file(nifti, out / name, asked(**output), MODEL, never)
    assert names(out) == []


@pytest.mark.parametrize(
    ("name", "output", "message"),
    [
        ("finer.dcm", {}, r"doesn't end in \.dcm"),
        ("finer.zip", {}, r"doesn't end in \.zip"),
        ("finer", {"parametric_map": True}, "--mode uncertainty"),
        ("finer", {"like": "in"}, "--like is for an input in one file"),
    ],
)
def test_requests_that_do_not_go_together_for_dicom(source, out, name, output, message):
    if "like" in output:
        output = {"like": source}
    with pytest.raises(UsageError, match=message):
        enhance_file(source, out / name, asked(**output), MODEL, never)
    assert names(out) == []


def test_a_voxel_type_is_for_nifti(source, out):
    with pytest.raises(UsageError, match="--dtype is for NIfTI"):
        enhance_file(source, out / "finer", dataclasses.replace(MEAN, output=Output(dtype="int16")), MODEL, never)


def test_the_source_is_never_written_into(source, out):
    before = content(source)
    for target in (source, source / "finer"):
        with pytest.raises(UsageError, match="in the input itself"):
            enhance_file(source, target, MEAN, MODEL, never)
    with pytest.raises(OutputError, match="holds more than an earlier result"):
        enhance_file(source, source.parent, MEAN, MODEL, never)
    assert content(source) == before


def test_foreign_files_are_never_replaced(source, out):
    (out / "finer").mkdir()
    (out / "finer" / "notes.txt").write_text("of somebody else")
    with pytest.raises(OutputError, match="holds more than an earlier result"):
        enhance_file(source, out / "finer", MEAN, MODEL, never)
    assert names(out) == ["finer"]


@pytest.mark.parametrize("place", ["missing/finer", "file/finer", "file"])
def test_a_folder_that_cannot_be_made_is_refused(source, out, place):
    (out / "file").write_text("in the way")
    with pytest.raises(OutputError) as caught:
        enhance_file(source, out / place, MEAN, MODEL, never)
    assert "\n" not in str(caught.value)
    assert names(out) == ["file"]


# --- nothing half done ------------------------------------------------------------------------------------------------


def test_outside_the_envelope_nothing_is_written(source, out):
    with pytest.raises(EnvelopeError):
        enhance_file(source, out / "finer", MEAN, tiny_model(envelope=Envelope(modalities=("CT",))), never)
    assert names(out) == []


@pytest.mark.parametrize("case", [MEAN, UNCERTAINTY])
def test_an_interrupted_run_leaves_what_was_there(source, out, case):
    def interrupt(stage, done, total):
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        enhance_file(source, out / "finer", case, MODEL, interrupt)
    assert names(out) == []
    enhance_file(source, out / "finer", case, MODEL)
    before = content(out)
    with pytest.raises(KeyboardInterrupt):
        enhance_file(source, out / "finer", case, MODEL, interrupt)
    assert content(out) == before


def test_a_series_that_cannot_be_written_leaves_an_older_one_with_its_own_record(source, out):
    enhance_file(source, out / "finer", MEAN, MODEL)
    before = content(out)
    with pytest.raises(UsageError, match="too small for JPEG 2000"):
        enhance_file(source, out / "finer", asked(compress="j2k"), MODEL)
    assert content(out) == before


# --- the same place in the body ---------------------------------------------------------------------------------------

ORIENTATIONS = {
    "axial": affine((1, 1, 3), axes=(0, 1, 2), flips=(-1, -1, 1)),
    "coronal": affine((1, 1, 3), axes=(0, 2, 1), flips=(-1, -1, 1)),
    "sagittal": affine((1, 1, 3), axes=(1, 2, 0), flips=(-1, -1, 1)),
    "oblique": affine((1, 1, 3), turn_deg=(17, -11, 23), flips=(-1, -1, 1), origin_mm=(3.3, -7.7, 11.1)),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_nothing_moves(tmp_path, orientation):
    values = np.rint(head((48, 56, 16), (1.0, 1.0, 3.0)).data).astype(np.int16)
    write_classic(tmp_path / "in", values, ORIENTATIONS[orientation])
    enhance_file(tmp_path / "in", tmp_path / "out", MEAN, tiny_model(silent=True))
    source, derived = io.load(tmp_path / "in"), io.load(tmp_path / "out")
    assert derived.shape == (48, 56, 48)
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in derived.shape], indexing="ij")).reshape(3, -1)
    to_source = np.linalg.inv(source.affine) @ derived.affine
    places = to_source[:3, :3] @ indices + to_source[:3, 3:]
    cubic = map_coordinates(source.data, places, order=3, mode="nearest").reshape(derived.shape)
    shift, _, _ = phase_cross_correlation(cubic, derived.data, upsample_factor=100, normalization=None)
    assert np.abs(shift).max() < 0.05


# --- a volume of a tree -----------------------------------------------------------------------------------------------


def tag(name, value):
    return lambda dataset, k: setattr(dataset, name, value)


def test_one_volume_of_a_tree_is_enhanced_by_its_number(tmp_path, source, out):
    for prefix, time in (("b", 10), ("c", 20)):
        write_classic(
            source / "echoes", VALUES + time, MATRIX, prefix=prefix, series_uid="1.2.3", edit=tag("EchoTime", time)
        )
    enhance_file(source, out / "both.nii", dataclasses.replace(MEAN, input=Input(volume="2.2")), MODEL)
    write_classic(tmp_path / "alone", VALUES + 20, MATRIX, prefix="c", series_uid="1.2.3", edit=tag("EchoTime", 20))
    enhance_file(tmp_path / "alone", out / "alone.nii", MEAN, MODEL)
    assert np.array_equal(io.load(out / "both.nii").data, io.load(out / "alone.nii").data)


def test_time_points_become_a_4d_file_or_a_series_each(tmp_path, out):
    for t in (1, 2):
        edit = tag("TemporalPositionIdentifier", t)
        write_classic(tmp_path / "times", VALUES + t, MATRIX, prefix=f"t{t}", series_uid="1.2.3", edit=edit)
    case = dataclasses.replace(MEAN, input=Input(volume="1"))
    records = enhance_file(tmp_path / "times", out / "times.nii", case, MODEL)
    assert len(io.load_all(out / "times.nii")) == len(records) == 2
    enhance_file(tmp_path / "times", out / "times", case, MODEL)
    assert names(out / "times") == ["1", "2"]


def test_a_number_that_is_not_listed_is_refused(source, out):
    with pytest.raises(UsageError, match="medsr inspect shows the 1"):
        enhance_file(source, out / "x.nii", dataclasses.replace(MEAN, input=Input(volume="7")), MODEL)
    with pytest.raises(UsageError, match="folder of its own"):
        enhance_file(source, out / "x.nii", dataclasses.replace(MEAN, input=Input(volume="1", gaps="fill")), MODEL)
    assert not names(out)
