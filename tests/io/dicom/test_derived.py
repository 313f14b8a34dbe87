"""Derived series: what they are called, what they keep, what they drop, and that they lie where their source lies."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from dicom_phantoms import SECRET, write_classic, write_enhanced
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import affine, affines
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit, MRImageStorage

from medsr.affine import resized
from medsr.errors import InputError, UsageError
from medsr.io import Policies, load, save
from medsr.io.dicom.archive import write_all
from medsr.io.dicom.derivation import Derivation
from medsr.io.dicom.derived import DerivedSeries, summary
from medsr.io.dicom.options import DicomOptions
from medsr.io.dicom.parametric import write_maps
from medsr.io.dicom.reading import read_dicom_scans

DATA = np.random.default_rng(0).integers(-900, 900, (24, 20, 4)).astype(np.int16)
MATRIX = affine((1, 1.5, 3), turn_deg=(5, 10, -20), flips=(-1, -1, 1), origin_mm=(10, -20, 30))
MODEL = {"name": "tiny", "version": "1.2", "sha256": "ab" * 32}
DERIVATION = Derivation("Made by a test.", '{"seed": 0}', MODEL)
FACTOR = 3
PLAIN, REFUSE = DicomOptions(), Policies()


def finer(scan, factor=FACTOR):
    """The scan with every slice cut into `factor` thinner ones."""
    n = scan.volume.shape[2]
    data = np.repeat(np.asarray(scan.volume.data), factor, axis=2)
    matrix = resized(scan.volume.affine, scan.volume.shape, (*scan.volume.shape[:2], n * factor))
    return replace(scan.volume, data=data, affine=matrix, thickness_mm=None)


def series_of(path, *, derivation=DERIVATION, options=PLAIN, policies=REFUSE, factor=FACTOR, number=1):
    (scan,) = read_dicom_scans(path, policies)
    return DerivedSeries(finer(scan, factor), scan.stack, derivation, options, number)


def written(series, folder):
    """The files of a series, read again."""
    folder.mkdir(parents=True, exist_ok=True)
    write_all([series], folder)
    return [dcmread(path) for path in sorted(folder.iterdir())]


def derive(tmp_path, *, edit=None, data=DATA, modality="MR", syntax="1.2.840.10008.1.2.1", **how):
    """A source bent by `edit`, and the files of the series derived from it."""
    write_classic(tmp_path / "source", data, MATRIX, modality=modality, syntax=syntax, edit=edit)
    return written(series_of(tmp_path / "source", **how), tmp_path / "out")


def tags(**values):
    """An edit that sets elements of the source."""

    def edit(dataset, k):
        for name, value in values.items():
            setattr(dataset, name, value(k) if callable(value) else value)

    return edit


# --- place ------------------------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(affines(), st.integers(1, 4))
def test_position_orientation_and_spacing_come_back(tmp_path_factory, matrix, factor):
    folder = tmp_path_factory.mktemp("place")
    write_classic(folder / "source", DATA[:4, :5, :3], matrix)
    series = series_of(folder / "source", factor=factor)
    written(series, folder / "out")
    np.testing.assert_allclose(load(folder / "out").affine, series.volume.affine, atol=1e-6)


def test_the_first_slice_moves_by_half_the_change_of_spacing(tmp_path):
    first, *_ = derive(tmp_path, factor=2)
    source = dcmread(tmp_path / "source" / "slice_000.dcm")
    moved = np.array(first.ImagePositionPatient, float) - np.array(source.ImagePositionPatient, float)
    normal = np.cross(*np.array(source.ImageOrientationPatient, float).reshape(2, 3))
    np.testing.assert_allclose(moved, -normal * 0.75, atol=1e-6)


def test_numbers_are_decimal_strings_of_16_characters(tmp_path):
    names = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SliceLocation")
    for dataset in derive(tmp_path):
        texts = [
            str(x) for name in names for x in (dataset[name].value if dataset[name].VM > 1 else [dataset[name].value])
        ]
        assert all(len(text) <= 16 for text in texts)
        assert dataset.SliceThickness == dataset.SpacingBetweenSlices == pytest.approx(1, abs=1e-9)
        normal = np.cross(*np.array(dataset.ImageOrientationPatient, float).reshape(2, 3))
        assert dataset.SliceLocation == pytest.approx(np.array(dataset.ImagePositionPatient, float) @ normal, abs=1e-6)


def test_slices_that_were_not_refined_keep_their_thickness(tmp_path):
    write_classic(tmp_path / "source", DATA, MATRIX, edit=tags(SliceThickness=2))
    (scan,) = read_dicom_scans(tmp_path / "source")
    first, *_ = written(DerivedSeries(scan.volume, scan.stack, DERIVATION), tmp_path / "out")
    assert (first.SliceThickness, float(first.SpacingBetweenSlices)) == (2, pytest.approx(3))


@pytest.mark.parametrize("falling", [False, True])
def test_viewers_scroll_the_same_way_as_through_the_source(tmp_path, falling):
    found = derive(tmp_path, edit=tags(InstanceNumber=lambda k: 9 - k if falling else k + 1))
    assert [dataset.InstanceNumber for dataset in found] == list(range(1, 13))
    along = np.diff([dataset.SliceLocation for dataset in found])
    assert np.all(along < 0 if falling else along > 0)


# --- identity ---------------------------------------------------------------------------------------------------------


def uids(datasets):
    return {str(dataset.SOPInstanceUID) for dataset in datasets} | {str(datasets[0].SeriesInstanceUID)}


def test_uids_are_numbers_of_uuids_and_new(tmp_path):
    found = derive(tmp_path)
    assert len(uids(found)) == 13
    assert all(re.fullmatch(r"2\.25\.[1-9][0-9]{0,38}", uid) for uid in uids(found))
    assert all(dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID for dataset in found)
    assert len({str(dataset.SeriesInstanceUID) for dataset in found}) == 1


def test_a_second_run_gives_the_same_bytes(tmp_path):
    write_classic(tmp_path / "source", DATA, MATRIX)
    for name in "ab":
        written(series_of(tmp_path / "source"), tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"derivation": replace(DERIVATION, recipe='{"seed": 1}')},
        {"derivation": replace(DERIVATION, text="Made otherwise.")},
        {"derivation": replace(DERIVATION, kind="uncertainty")},
        {"options": DicomOptions(compress="rle")},
        {"options": DicomOptions(keep_private=True)},
        {"factor": 2},
        {"number": 4},
    ],
)
def test_whatever_changes_a_byte_changes_every_uid(tmp_path, change):
    first = derive(tmp_path)
    second = written(series_of(tmp_path / "source", **change), tmp_path / "other")
    assert not uids(first) & uids(second)


def test_one_voxel_or_one_source_uid_changes_every_uid(tmp_path):
    first = derive(tmp_path)
    other = DATA.copy()
    other[3, 3, 3] += 1
    second = derive(tmp_path / "voxel", data=other)
    third = derive(tmp_path / "uid", edit=tags(SOPInstanceUID=lambda k: f"1.2.3.{k}"))
    assert not uids(first) & uids(second)
    assert not uids(first) & uids(third)


def test_patient_study_and_place_stay(tmp_path):
    kept = {"StudyInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.2.4", "StudyDate": "20200102", "PatientID": "P1"}
    kept |= {"AccessionNumber": "A7", "KVP": "120", "Manufacturer": "Maker", "AcquisitionTime": "101112"}
    for dataset in derive(tmp_path, edit=tags(**kept), modality="CT"):
        assert {name: str(dataset[name].value) for name in kept} == kept
        assert dataset.PatientName == SECRET
        assert dataset.SOPClassUID == CTImageStorage


def test_a_source_without_study_or_frame_of_reference_gets_one_for_all(tmp_path):
    found = derive(tmp_path, edit=tags(StudyInstanceUID="", FrameOfReferenceUID=""))
    again = written(series_of(tmp_path / "source", derivation=replace(DERIVATION, recipe="{}")), tmp_path / "again")
    for name in ("StudyInstanceUID", "FrameOfReferenceUID"):
        assert len({str(dataset[name].value) for dataset in (*found, *again)}) == 1
        assert str(found[0][name].value).startswith("2.25.")
    assert "PositionReferenceIndicator" in found[0]
    lacked = summary(series_of(tmp_path / "source"))["uids_the_source_lacked"]
    assert lacked == ["StudyInstanceUID", "FrameOfReferenceUID"]


@pytest.mark.parametrize(("number", "expected"), [(7, 701), (None, 9001), (2**31 - 1, 9001)])
def test_series_numbers_follow_the_source(tmp_path, number, expected):
    first, *_ = derive(tmp_path, edit=tags(SeriesNumber=number))
    assert first.SeriesNumber == expected


# --- marks ------------------------------------------------------------------------------------------------------------


def test_marks_say_what_it_is(tmp_path):
    edit = tags(SeriesDescription="T2 axial", ImageType=["ORIGINAL", "PRIMARY", "M", "NORM"])
    first, *_ = found = derive(tmp_path, edit=edit)
    assert first.SeriesDescription == "T2 axial [medsr SR 1.0x1.5x1.0mm research]"
    assert list(first.ImageType) == ["DERIVED", "SECONDARY", "M", "NORM"]
    assert first.DerivationDescription.startswith("Made by a test.")
    assert first.DerivationCodeSequence[0].CodeValue == "113085"
    assert first.BurnedInAnnotation == "NO"
    (equipment,) = first.ContributingEquipmentSequence
    assert MODEL["sha256"] in equipment.ContributionDescription
    assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109103"
    sources = {str(dcmread(path).SOPInstanceUID) for path in (tmp_path / "source").iterdir()}
    for dataset in found:
        assert {str(item.ReferencedSOPInstanceUID) for item in dataset.SourceImageSequence} == sources
        for item in dataset.SourceImageSequence:
            assert item.SpatialLocationsPreserved == "NO"
            assert item.ReferencedSOPClassUID == MRImageStorage
            assert item.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"


def test_what_was_said_before_is_kept(tmp_path):
    def edit(dataset, _):
        dataset.DerivationDescription = "Averaged."
        dataset.DerivationCodeSequence = Sequence([Dataset()])
        dataset.ContributingEquipmentSequence = Sequence([Dataset()])
        dataset.ContributingEquipmentSequence[0].Manufacturer = "Other"

    first, *_ = derive(tmp_path, edit=edit)
    assert first.DerivationDescription == "Made by a test. Before: Averaged."
    assert len(first.DerivationCodeSequence) == 2
    assert [item.Manufacturer for item in first.ContributingEquipmentSequence] == ["Other", "medsr"]


@pytest.mark.parametrize(("modality", "expected"), [("MR", "OTHER"), ("CT", "AXIAL")])
def test_a_missing_value_3_of_the_image_type_is_filled(tmp_path, modality, expected):
    first, *_ = derive(tmp_path, edit=tags(ImageType=["ORIGINAL", "PRIMARY"]), modality=modality)
    assert list(first.ImageType) == ["DERIVED", "SECONDARY", expected]


def test_filled_slices_are_named(tmp_path):
    write_classic(tmp_path / "source", np.concatenate([DATA, DATA], 2), MATRIX)[4].unlink()
    series = series_of(tmp_path / "source", policies=Policies(gaps="fill"))
    first, *_ = found = written(series, tmp_path / "out")
    assert len(found) == 24
    assert first.SeriesDescription.endswith("research, 1 filled]")
    assert "interpolated before: slice 5 along the normal" in first.DerivationDescription
    assert summary(series)["filled_source_slices"] == [5]
    assert len(first.SourceImageSequence) == 7


def test_resampled_slices_are_named(tmp_path):
    def lean(dataset, k):
        columns = np.array(dataset.ImageOrientationPatient, float)[3:]
        place = np.array(dataset.ImagePositionPatient, float) + columns * k
        dataset.ImagePositionPatient = [f"{x:.8f}"[:16] for x in place]

    write_classic(tmp_path / "source", DATA, MATRIX, edit=lean)
    first, *_ = written(series_of(tmp_path / "source", policies=Policies(tilt="resample")), tmp_path / "out")
    assert "resampled to an upright grid" in first.DerivationDescription


# --- what is false now ------------------------------------------------------------------------------------------------


def false_things(dataset, k):
    for name in ("IconImageSequence", "DigitalSignaturesSequence", "RealWorldValueMappingSequence", "VOILUTSequence"):
        setattr(dataset, name, Sequence([Dataset()]))
    dataset.AcquisitionMatrix = [0, 64, 64, 0]
    dataset.SmallestImagePixelValue = dataset.LargestImagePixelValue = dataset.PixelPaddingValue = -2000
    dataset.PixelDataProviderURL = "http://somewhere"
    dataset.PixelAspectRatio = [1, 1]
    dataset.GantryDetectorTilt = "0"
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = "20200101", "101010"
    dataset.NumberOfFrames = 1
    dataset.add_new(0x60000010, "US", 20)
    dataset.add_new(0x60003000, "OW", bytes(60))
    dataset.add_new(0x50000005, "US", 1)
    dataset.PatientComments = "kept"


def test_what_is_false_of_the_new_pixels_goes(tmp_path):
    gone = ("IconImageSequence", "DigitalSignaturesSequence", "RealWorldValueMappingSequence", "VOILUTSequence")
    gone += ("AcquisitionMatrix", "SmallestImagePixelValue", "LargestImagePixelValue", "PixelPaddingValue")
    gone += ("PixelDataProviderURL", "PixelAspectRatio", "GantryDetectorTilt", "InstanceCreationDate")
    gone += ("InstanceCreationTime", "NumberOfFrames")
    for dataset in derive(tmp_path, edit=false_things):
        assert not [name for name in gone if name in dataset]
        assert not [tag for tag in dataset.keys() if tag.group in (0x5000, 0x6000)]  # noqa: SIM118
        assert dataset.PatientComments == "kept"


def private_things(dataset, _):
    dataset.private_block(0x0029, "MAKER", create=True).add_new(1, "LO", "secret recipe")
    dataset.ProcedureCodeSequence = Sequence([Dataset()])
    dataset.ProcedureCodeSequence[0].private_block(0x0029, "MAKER", create=True).add_new(1, "LO", "secret recipe")


@pytest.mark.parametrize("keep", [False, True])
def test_private_elements_go_unless_asked_for(tmp_path, keep):
    first, *_ = derive(tmp_path, edit=private_things, options=DicomOptions(keep_private=keep))
    holders = (first, first.ProcedureCodeSequence[0])
    assert all((0x00291001 in holder) is keep for holder in holders)


def test_lossy_stays_lossy(tmp_path):
    lossy = {"LossyImageCompression": "01", "LossyImageCompressionRatio": "12", "LossyImageCompressionMethod": "ISO"}
    first, *_ = derive(tmp_path, edit=tags(**lossy))
    assert {name: str(first[name].value) for name in lossy} == lossy


def test_a_lossy_transfer_syntax_says_it_where_the_header_does_not():
    from medsr.io.dicom.inherited import inherited

    source = Dataset()
    source.SOPClassUID = MRImageStorage
    meta = Dataset()
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    assert inherited(source, meta, 0).LossyImageCompression == "01"


# --- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小東"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 144", "Люкceмбypг"),
    ],
)
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", ImplicitVRLittleEndian])
def test_names_survive_in_their_own_character_set(tmp_path, charset, name, syntax):
    text = name.split("=")[-1]
    edit = tags(SpecificCharacterSet=charset, PatientName=name, SeriesDescription=text)
    for dataset in derive(tmp_path, edit=edit, syntax=syntax):
        assert dataset.PatientName == name
        assert dataset.get("SpecificCharacterSet") == charset
        assert dataset.SeriesDescription == f"{text} [medsr SR 1.0x1.5x1.0mm research]"


def test_a_long_description_makes_room_for_the_mark(tmp_path):
    first, *_ = derive(tmp_path, edit=tags(SeriesDescription="é" * 64, SpecificCharacterSet="ISO_IR 192"))
    assert first.SeriesDescription.startswith("ééé")
    assert first.SeriesDescription.endswith("é [medsr SR 1.0x1.5x1.0mm research]")
    assert len(first.SeriesDescription) == 64


# --- values -----------------------------------------------------------------------------------------------------------


def test_ct_is_stored_in_whole_hounsfield_units(tmp_path):
    edit = tags(RescaleSlope="1", RescaleIntercept="-1024", WindowCenter=["40", "300"], WindowWidth=["300", "1500"])
    first, *_ = derive(tmp_path, edit=edit, modality="CT")
    assert (first.RescaleSlope, first.RescaleIntercept, first.RescaleType) == (1, -1024, "HU")
    assert (list(first.WindowCenter), list(first.WindowWidth)) == ([40, 300], [300, 1500])
    np.testing.assert_array_equal(load(tmp_path / "out").data, np.repeat(DATA, FACTOR, 2) - 1024.0)


def test_mr_without_a_scale_stays_without_one(tmp_path):
    first, *_ = derive(tmp_path)
    assert not {"RescaleSlope", "RescaleIntercept", "RescaleType"} & set(first.dir())
    assert (first.BitsAllocated, first.BitsStored, first.HighBit, first.PixelRepresentation) == (16, 16, 15, 1)
    np.testing.assert_array_equal(load(tmp_path / "out").data, np.repeat(DATA, FACTOR, 2))


def test_slopes_that_vary_from_slice_to_slice_become_one(tmp_path):
    first, *_ = derive(tmp_path, edit=tags(RescaleSlope=lambda k: f"{0.1 * 2**k:g}", RescaleIntercept="0"))
    assert (first.RescaleSlope, first.RescaleType) == (0.1, "US")
    expected = np.repeat(DATA * 0.1 * 2.0 ** np.arange(4), FACTOR, 2)
    np.testing.assert_allclose(load(tmp_path / "out").data, expected, atol=0.051)


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_the_way_of_showing_stays(tmp_path, kind):
    for dataset in derive(tmp_path, edit=tags(PhotometricInterpretation=kind)):
        assert dataset.PhotometricInterpretation == kind


def test_one_window_for_all_slices(tmp_path):
    found = derive(tmp_path, edit=tags(WindowCenter=lambda k: 100 + k, WindowWidth=lambda k: 200 + k))
    assert {(dataset.WindowCenter, dataset.WindowWidth) for dataset in found} == {(102, 202)}


def test_a_window_is_made_where_there_is_none(tmp_path):
    first, *_ = derive(tmp_path)
    assert abs(first.WindowCenter) < 50
    assert 1700 < first.WindowWidth < 1800


def test_clipped_voxels_are_counted(tmp_path):
    write_classic(tmp_path / "source", DATA, MATRIX)
    series = series_of(tmp_path / "source")
    data = np.array(series.volume.data)
    data[0, 0, :2] = 1e6
    assert summary(replace(series, volume=replace(series.volume, data=data)))["clipped_voxels"] == 2


@pytest.mark.parametrize("compress", ["j2k", "rle", "jpegls"])
@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_compression_is_lossless(tmp_path, compress, modality):
    data = np.concatenate([DATA, DATA], 1)[:, :36].repeat(2, 0)  # JPEG 2000 needs a larger slice
    edit = tags(RescaleSlope="1", RescaleIntercept="-1024") if modality == "CT" else None
    first, *_ = derive(tmp_path, edit=edit, data=data, modality=modality, options=DicomOptions(compress=compress))
    assert first.file_meta.TransferSyntaxUID.is_compressed
    expected = np.repeat(data, FACTOR, 2) - (1024 if modality == "CT" else 0)
    np.testing.assert_array_equal(load(tmp_path / "out").data, expected)


def test_slices_too_small_for_jpeg_2000_are_refused(tmp_path):
    with pytest.raises(UsageError, match="24 x 20 pixels are too small"):
        derive(tmp_path, options=DicomOptions(compress="j2k"))


# --- other sources ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_sources_in_other_encodings_work(tmp_path, syntax):
    def nested(dataset, _):
        dataset.ReferencedImageSequence = Sequence([Dataset()])
        dataset.ReferencedImageSequence[0].ReferencedFrameNumber = 7
        dataset.DoseGridScaling = 0.5
        dataset.AcquisitionDuration = 4.25

    first, *_ = derive(tmp_path, edit=nested, syntax=syntax)
    assert first.AcquisitionDuration == 4.25
    assert first.ReferencedImageSequence[0].ReferencedFrameNumber == 7
    np.testing.assert_array_equal(load(tmp_path / "out").data, np.repeat(DATA, FACTOR, 2))


def test_an_empty_sop_class_is_that_of_the_file_meta(tmp_path):
    for dataset in derive(tmp_path, edit=tags(SOPClassUID="", SOPInstanceUID="")):
        assert dataset.SOPClassUID == MRImageStorage
        assert all(item.ReferencedSOPInstanceUID for item in dataset.SourceImageSequence)


def enhanced_things(dataset, _):
    shared = dataset.SharedFunctionalGroupsSequence[0]
    timing, echo = Dataset(), Dataset()
    timing.RepetitionTime, timing.FlipAngle, timing.EchoTrainLength = "4250", "90", 7
    echo.EffectiveEchoTime = 9.25
    shared.MRTimingAndRelatedParametersSequence = Sequence([timing])
    shared.MREchoSequence = Sequence([echo])
    dataset.EchoPulseSequence, dataset.EchoPlanarPulseSequence, dataset.MRAcquisitionType = "SPIN", "YES", "2D"
    dataset.ContentQualification = "RESEARCH"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "PERFUSION", "NONE"]
    for k, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        frame.FrameContentSequence = Sequence([Dataset()])
        frame.FrameContentSequence[0].FrameAcquisitionDateTime = f"2020010210111{k}.5"


def test_enhanced_sources_come_back_classic(tmp_path):
    write_enhanced(tmp_path / "source" / "a.dcm", DATA, MATRIX, edit=enhanced_things)
    series = series_of(tmp_path / "source" / "a.dcm")
    found = written(series, tmp_path / "out")
    for dataset in found:
        assert dataset.SOPClassUID == MRImageStorage
        assert (dataset.RepetitionTime, dataset.EchoTime, dataset.FlipAngle) == (4250, 9.25, 90)
        assert (list(dataset.ScanningSequence), dataset.SequenceVariant) == (["SE", "EP"], "NONE")
        assert list(dataset.ImageType) == ["DERIVED", "SECONDARY", "OTHER", "PERFUSION"]
        assert not [tag for tag in dataset.keys() if tag.group == 0x5200]  # noqa: SIM118
        assert "ContentQualification" not in dataset
        assert len(dataset.SourceImageSequence) == 1
        assert "ReferencedFrameNumber" not in dataset.SourceImageSequence[0]
    assert [found[k].AcquisitionTime for k in (0, 11)] == ["101110.5", "101113.5"]
    np.testing.assert_allclose(load(tmp_path / "out").affine, series.volume.affine, atol=1e-6)


def test_values_that_cannot_be_read_are_left_out(tmp_path):
    def damage(dataset, _):
        dataset.add_new(0x00080032, "TM", "101112")
        dataset.add_new(0x00189073, "FL", 1.0)

    paths = write_classic(tmp_path / "source", DATA, MATRIX, edit=damage)
    for path in paths:
        content = path.read_bytes()
        where = content.index(bytes([0x18, 0x00, 0x73, 0x90]))
        path.write_bytes(content[: where + 4] + b"FD" + content[where + 6 :])  # half a double
    first, *_ = written(series_of(tmp_path / "source"), tmp_path / "out")
    assert first.AcquisitionTime == "101112"
    assert "AcquisitionDuration" not in first


def test_a_source_that_vanished_is_said_in_one_line(tmp_path):
    write_classic(tmp_path / "source", DATA, MATRIX)
    series = series_of(tmp_path / "source")
    (tmp_path / "source" / "slice_002.dcm").unlink()
    with pytest.raises(InputError) as caught:
        written(series, tmp_path / "out")
    assert "\n" not in str(caught.value)


# --- uncertainty ------------------------------------------------------------------------------------------------------


def standard_deviation(series):
    data = np.abs(np.asarray(series.volume.data)) / 100 + 0.001
    derivation = replace(series.derivation, kind="uncertainty")
    return replace(series, volume=replace(series.volume, data=data), derivation=derivation, number=2)


def test_the_spread_is_a_series_of_the_same_class_with_its_own_scale(tmp_path):
    write_classic(tmp_path / "source", DATA, MATRIX, edit=tags(WindowCenter="40", WindowWidth="80"))
    series = series_of(tmp_path / "source")
    result = written(series, tmp_path / "out")
    uncertainty = written(standard_deviation(series), tmp_path / "uncertainty")
    assert uncertainty[0].SOPClassUID == result[0].SOPClassUID
    assert not uids(result) & uids(uncertainty)
    assert "[medsr SD" in uncertainty[0].SeriesDescription
    assert uncertainty[0].ImageType[-1] == "UNCERTAINTY"
    assert uncertainty[0].SeriesNumber == result[0].SeriesNumber + 1
    np.testing.assert_allclose(load(tmp_path / "uncertainty").data, standard_deviation(series).volume.data, atol=3e-4)
    assert 0 < uncertainty[0].WindowWidth < 9
    assert [d.ImagePositionPatient for d in uncertainty] == [d.ImagePositionPatient for d in result]


@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_a_parametric_map_lies_on_the_result(tmp_path, modality):
    import highdicom

    write_classic(tmp_path / "source", DATA, MATRIX, modality=modality)
    series = series_of(tmp_path / "source")
    for name in "ab":
        (tmp_path / name).mkdir()
        write_maps([standard_deviation(series)], [series], tmp_path / name)
    assert (tmp_path / "a" / "0001.dcm").read_bytes() == (tmp_path / "b" / "0001.dcm").read_bytes()
    image = highdicom.imread(tmp_path / "a" / "0001.dcm")
    volume = image.get_volume()
    turned = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine @ np.eye(4)[:, [2, 1, 0, 3]]
    along = turned[:3, 2] @ series.volume.affine[:3, 2] > 0
    array = np.asarray(volume.array).transpose(2, 1, 0)[:, :, :: 1 if along else -1]
    np.testing.assert_allclose(array, standard_deviation(series).volume.data, rtol=1e-6)
    np.testing.assert_allclose(np.abs(turned[:3, :3]), np.abs(series.volume.affine[:3, :3]), atol=1e-6)
    assert image.StudyInstanceUID == next(iter(written(series, tmp_path / "out"))).StudyInstanceUID


# --- save -------------------------------------------------------------------------------------------------------------


def test_save_takes_the_place_of_a_series(tmp_path):
    write_classic(tmp_path / "source", DATA, MATRIX, edit=tags(StudyInstanceUID="1.2.3"))
    volume = load(tmp_path / "source")
    save(volume, tmp_path / "scan.nii.gz")
    save(load(tmp_path / "scan.nii.gz"), tmp_path / "out", like=tmp_path / "source")
    again = load(tmp_path / "out")
    np.testing.assert_array_equal(again.data, volume.data)
    np.testing.assert_allclose(again.affine, volume.affine, atol=1e-4)
    first = dcmread(tmp_path / "out" / "0001.dcm")
    assert (first.StudyInstanceUID, first.PatientName) == ("1.2.3", SECRET)
    assert "handed over by a program" in first.DerivationDescription


def test_several_volumes_become_a_folder_each(tmp_path):
    write_classic(tmp_path / "source", DATA, MATRIX)
    volume = load(tmp_path / "source")
    save([volume, volume.with_data(volume.data / 2)], tmp_path / "out", like=tmp_path / "source")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1", "2"]
    assert not uids([dcmread(tmp_path / "out" / "1" / "0001.dcm")]) & uids([dcmread(tmp_path / "out/2/0001.dcm")])


def test_save_refuses_another_place(tmp_path):
    write_classic(tmp_path / "source", DATA, MATRIX)
    volume = load(tmp_path / "source")
    with pytest.raises(UsageError, match="field of view"):
        save(replace(volume, affine=affine(origin_mm=(900, 0, 0))), tmp_path / "out", like=tmp_path / "source")
    assert not (tmp_path / "out").exists()
