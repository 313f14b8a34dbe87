"""DICOM series against the volumes that another program made of them, and every way not to be a volume."""

from __future__ import annotations

import base64
import json
import shutil
import warnings

import numpy as np
import pytest
from dicom_phantoms import GOOD, NATIVE, SECRET, write_classic, write_enhanced
from hypothesis import given
from hypothesis import strategies as st
from phantoms import affine, affines, shapes
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.sequence import Sequence
from pydicom.uid import UID

from medsr.errors import GeometryError, InputError, MedsrError
from medsr.io.dicom.options import Policies
from medsr.io.dicom.reading import read_dicom, read_dicom_scans
from medsr.io.dicom.triage import triage

REFUSED = {
    "bad_colour": (InputError, "colour"),
    "bad_ct_scout": (GeometryError, "localizer"),
    "bad_duplicate_position": (GeometryError, "2 different slices at one position"),
    "bad_gantry_tilt": (GeometryError, "sheared by 16.5 degrees .* --tilt resample"),
    "bad_gap": (GeometryError, r"1 slice is missing \(.* 8 mm after slice 4, .* --gaps fill or --gaps split"),
    "bad_localizer_three_planes": (GeometryError, "mixed orientation"),
    "bad_mixed_matrix": (GeometryError, "48 x 48, 96 x 96"),
    "bad_mosaic": (GeometryError, "mosaic"),
    "bad_no_preamble": (InputError, "preamble"),
    "bad_non_image": (InputError, "no MR or CT slices"),
    "bad_projection_monochrome1": (InputError, "Digital X-Ray"),
    "bad_secondary_capture": (InputError, "Secondary Capture"),
    "bad_single_slice": (GeometryError, "one slice of 128 x 128"),
    "bad_truncated": (InputError, "0005.dcm: pixel data are truncated"),
    "bad_truncated_single": (InputError, "one slice"),
    "bad_two_echoes": (GeometryError, "4 volumes of 4 slices .* echo time and image type"),
    "bad_two_echoes_enhanced": (GeometryError, "2 volumes of 33 slices .* echo time"),
    "bad_two_series": (GeometryError, "2 image series"),
    "bad_two_time_points": (GeometryError, "2 volumes of 4 slices"),
    "bad_two_volumes_enhanced": (GeometryError, "2 volumes of 32 slices"),
    "bad_varying_spacing": (
        GeometryError,
        "vary .4 mm after slices 1 to 3, 7 mm after slices 4 to 7 of 8.*--gaps split",
    ),
}
BY_POLICY = {"bad_duplicate_file": "identical copies", "bad_mixed_nondicom": "not DICOM skipped: 4"}

DATA = np.random.default_rng(0).integers(-2000, 2000, (6, 5, 4)).astype(np.int16)
WIDE = np.random.default_rng(1).integers(-2000, 2000, (40, 36, 3)).astype(np.int16)  # JPEG 2000 needs a larger slice
MATRIX = affine((1, 1.5, 3), turn_deg=(5, 10, -20), flips=(-1, -1, 1), origin_mm=(10, -20, 30))


@pytest.mark.parametrize("name", GOOD)
def test_good_series_give_the_expected_volume(shared_data, name):
    expected = json.loads((shared_data / "dicom" / "expected.json").read_text())["good"][name]
    (volume,) = read_dicom(shared_data / "dicom" / name)
    in_header_order = expected["header_order"]
    assert list(volume.shape) == in_header_order["shape"]
    np.testing.assert_allclose(volume.affine, in_header_order["affine"], atol=2e-6)
    np.testing.assert_allclose(volume.data.min(), in_header_order["min"], atol=1e-3)
    np.testing.assert_allclose(volume.data.max(), in_header_order["max"], atol=1e-3)
    np.testing.assert_allclose(volume.data.mean(dtype=np.float64), expected["mean"], rtol=1e-5)
    assert volume.modality == ("CT" if name.startswith("ct") or name == "mr_rot180_implicit" else "MR")
    assert volume.slice_axis == 2
    if expected["slice_thickness"] is None:
        assert volume.thickness_mm is None
    else:
        assert volume.thickness_mm == pytest.approx(expected["slice_thickness"])
    assert volume.source.warnings == ()


def test_no_folder_of_the_shared_series_is_forgotten(shared_data):
    folders = {path.name for path in (shared_data / "dicom").iterdir() if path.is_dir()}
    assert folders == {*GOOD, *REFUSED, *BY_POLICY}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_volume_is_refused_in_one_line(shared_data, name):
    error, message = REFUSED[name]
    with pytest.raises(error, match=message) as caught:
        read_dicom(shared_data / "dicom" / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", BY_POLICY)
def test_stray_files_are_left_out_with_a_warning(shared_data, name):
    (volume,) = read_dicom(shared_data / "dicom" / name)
    assert volume.shape == (96, 96, 8)
    assert BY_POLICY[name] in volume.source.warnings[0]


def test_objects_that_are_no_images_are_refused_one_by_one(shared_data):
    for path in (shared_data / "dicom" / "bad_non_image").iterdir():
        with pytest.raises(InputError):
            read_dicom(path)


def test_classic_and_enhanced_files_of_one_acquisition_are_one_volume(shared_data):
    (classic,) = read_dicom(shared_data / "dicom" / "mr_pcasl_4mm_philips")
    (enhanced,) = read_dicom(shared_data / "dicom" / "mr_pcasl_4mm_philips_enhanced")
    np.testing.assert_array_equal(classic.data, enhanced.data)
    np.testing.assert_allclose(classic.affine, enhanced.affine, atol=1e-3)


def test_compression_changes_nothing_in_a_real_series(shared_data):
    (raw,) = read_dicom(shared_data / "dicom" / "mr_brain_pd_7mm_ge")
    for syntax in ("j2k", "jpegll", "jpegls", "rle"):
        (volume,) = read_dicom(shared_data / "dicom" / f"mr_brain_pd_7mm_ge_{syntax}")
        np.testing.assert_array_equal(volume.data, raw.data[:, :, 8:12])


def test_missing_slices_of_a_real_series_are_filled_and_marked(shared_data):
    (whole,) = read_dicom(shared_data / "dicom" / "mr_bigendian_philips")
    (scan,) = read_dicom_scans(shared_data / "dicom" / "bad_gap", Policies(gaps="fill"))
    data = scan.volume.data
    assert scan.stack.filled == (4,)
    assert scan.volume.source.warnings == (
        "slices lie unevenly (4 mm after slices 1 to 3, 8 mm after slice 4, 4 mm after slices 5 to 6 of 7); on the "
        "even grid every 4 mm these are interpolated from their neighbours: 5 of 8",
    )
    np.testing.assert_allclose(scan.volume.affine, whole.affine, atol=1e-4)
    measured = list(scan.stack.places)
    np.testing.assert_array_equal(data[:, :, measured], whole.data[:, :, measured])
    between = np.sort(data[:, :, [3, 4, 5]], axis=2)[:, :, 1]  # interpolation does not overshoot
    np.testing.assert_array_equal(data[:, :, 4], between)


@pytest.mark.parametrize(
    ("name", "sizes", "mm"), [("bad_gap", (4, 3), (4, 4)), ("bad_varying_spacing", (4, 4), (4, 7))]
)
def test_uneven_real_series_are_split_into_even_scans(shared_data, name, sizes, mm):
    volumes = read_dicom(shared_data / "dicom" / name, Policies(gaps="split"))
    assert tuple(volume.shape[2] for volume in volumes) == sizes
    np.testing.assert_allclose([volume.spacing_mm[2] for volume in volumes], mm, rtol=1e-5)
    assert len({volume.source.content_sha256 for volume in volumes}) == 2
    assert [volume.source.warnings[0][:11] for volume in volumes] == ["part 1 of 2", "part 2 of 2"]


@given(st.data())
def test_filling_gives_back_what_changes_evenly_from_slice_to_slice(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("gaps")
    n = data.draw(st.integers(8, 12))
    values = DATA[:, :, :1] + DATA[:, :, 1:2] // 100 * np.arange(n)
    paths = write_classic(folder, values.astype(np.int16), MATRIX)
    k = data.draw(st.integers(1, n - 2))
    for path in paths[k : min(k + data.draw(st.integers(1, 2)), n - 1)]:
        path.unlink()
    (volume,) = read_dicom(folder, Policies(gaps="fill"))
    np.testing.assert_allclose(volume.data, values, atol=1e-3)


def of_skull_base(values):
    """Edits that make 4 slices of 4 mm and then 4 of 6 mm, and their voxels: `values` (n_places) of a ramp every mm."""
    along = np.array([0, 4, 8, 12, 17, 23, 29, 35.0])

    def edit(dataset, k):
        dataset.SliceThickness = "4" if k < 4 else "6"
        place = MATRIX @ [0, 0, along[k] / 3, 1] * [-1, -1, 1, 1]
        dataset.ImagePositionPatient = [f"{x:.9f}"[:16] for x in place[:3]]

    return edit, np.repeat(values(along)[None, None], 36, axis=1).repeat(40, axis=0).astype(np.int16)


def test_a_head_with_thin_and_thick_slices_keeps_its_true_positions(tmp_path):
    edit, data = of_skull_base(lambda z: 10 * z)
    write_classic(tmp_path, data, MATRIX, modality="CT", edit=edit)
    (volume,) = read_dicom(tmp_path)
    assert volume.shape == (40, 36, 10)
    np.testing.assert_allclose(volume.spacing_mm[2], 4, rtol=1e-6)
    np.testing.assert_allclose(volume.data[20, 20, :9], 40 * np.arange(9), atol=1e-3)  # a ramp stays a ramp
    assert volume.data[20, 20, 9] == 350  # half a slice beyond the last one
    (warning,) = volume.source.warnings[:1]
    assert "4 mm after slices 1 to 3, 5 mm after slice 4, 6 mm after slices 5 to 7 of 8" in warning
    assert "interpolated from their neighbours: 5, 6, 7, 8, 9, 10 of 10" in warning


def test_interpolated_slices_stay_between_their_neighbours(tmp_path):
    edit, data = of_skull_base(lambda z: np.where(z < 20, -1000, 1000))
    write_classic(tmp_path, data, MATRIX, modality="CT", edit=edit)
    profile = read_dicom(tmp_path)[0].data[20, 20]
    assert np.all(np.diff(profile) >= 0)
    assert (profile.min(), profile.max()) == (-1000, 1000)


def test_a_tilted_real_series_is_put_upright(shared_data):
    (scan,) = read_dicom_scans(shared_data / "dicom" / "bad_gantry_tilt", Policies(tilt="resample"))
    volume = scan.volume
    assert volume.shape == (512, 519, 5)
    assert "--tilt resample" in volume.source.warnings[0]
    assert volume.spacing_mm[2] == pytest.approx(2.397, abs=1e-3)
    middle = np.array([[256, 256, k, 1] for k in range(5)]) @ scan.stack.affine.T
    places = middle @ np.linalg.inv(volume.affine).T
    np.testing.assert_allclose(places[:, 2], range(5), atol=1e-4)  # every slice keeps its plane
    assert volume.data.min() == -1024


@given(affines(), shapes(2, 6), st.booleans())
def test_every_voxel_comes_back_to_its_place(tmp_path_factory, matrix, shape, enhanced):
    folder = tmp_path_factory.mktemp("series")
    data = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    if enhanced:
        write_enhanced(folder / "a.dcm", data, matrix)
    else:
        write_classic(folder, data, matrix)
    (volume,) = read_dicom(folder)
    # slices come out ascending along row x column: reversed where the written axes are left-handed in LPS
    if np.linalg.det(matrix[:3, :3]) < 0:
        data, matrix = data[:, :, ::-1], matrix @ [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, shape[2] - 1], [0, 0, 0, 1]]
    np.testing.assert_array_equal(volume.data, data)
    np.testing.assert_allclose(volume.affine, matrix, atol=1e-5)


@given(st.permutations(range(4)), st.permutations(range(1, 5)))
def test_names_and_instance_numbers_do_not_order_slices(tmp_path_factory, order, numbers):
    folder = tmp_path_factory.mktemp("series")

    def renumber(dataset, k):
        dataset.InstanceNumber = numbers[k]
        dataset.SliceLocation = -numbers[k]
        dataset.SpacingBetweenSlices = 99

    paths = write_classic(folder, DATA, MATRIX, edit=renumber)
    for k, path in enumerate(paths):
        path.rename(folder / f"{order[k]}.dcm")
    (volume,) = read_dicom(folder)
    np.testing.assert_array_equal(volume.data, DATA)
    assert volume.spacing_mm[2] == pytest.approx(3)


@pytest.mark.parametrize(
    "syntax",
    [
        *NATIVE,
        "1.2.840.10008.1.2.1.99",  # deflated
        "1.2.840.10008.1.2.4.80",  # JPEG-LS
        "1.2.840.10008.1.2.4.90",  # JPEG 2000
        "1.2.840.10008.1.2.5",  # RLE
    ],
)
def test_transfer_syntaxes_change_nothing(tmp_path, syntax):
    write_classic(tmp_path, WIDE, MATRIX, syntax=syntax)
    np.testing.assert_array_equal(read_dicom(tmp_path)[0].data, WIDE)


HTJ2K = (  # (j, k) -> 40 j + 3 k**2, less 300 in every sixth row j: 18 rows, 20 columns; encoded by OpenJPH
    "|4;u>04YEK0000K0000I00000000000000K0000I000000000000EBy0sl|{2mk^A000XAQUDA90ssL31q1{@0smY86Cj9?kdTm&kdTm&kdTmw"
    "h=~7W02crOPjF>!N>E53R%LP^FfKASE;BCwkN^q*00001P5=S_lfVEbHv9sIbO68r6F>kH09yV6hjakS{Q`${0KfnfKmZc}yLSPLbO2Q903tL1"
    "zyK9+00m&*?`HG0`2(1OwE&`xq8ddT03ic@wgA8Y7W@DKbO3kn-Q77m-@SKnadF}7eDC7I`2a9p*?-`;!TK@000tWv)WBc^gAEKeFeuWXNP{8`"
    "iZm$l2MrK!5P%lB0Kfn){r~}cD795pRTT<cZf#XnRfPhVTU%9CRiVJ;)>c(jRVZ+|t=3xL{$W4+@9uNGdi`bRdiDCt&h_i{mk?TvYB9S3Dpgce"
    "R8&+{R8&+{s#K{`rHV?GDpgdfRH>p;rAif*DpjgfsZym%l`2)LR8di>qEbbrib|)`>2x}sPN(w#5xgM-e(;11_5J<#_dPu{^x84ZV*{Ttj1Fza"
    "G!TKU1R!cQ0{__"
)


@pytest.mark.parametrize("syntax", ["201", "203"])
def test_high_throughput_jpeg_2000_is_read(tmp_path, syntax):
    def encoded(dataset, _):
        dataset.file_meta.TransferSyntaxUID = UID(f"1.2.840.10008.1.2.4.{syntax}")
        dataset.PixelData = encapsulate([base64.b85decode(HTJ2K)])
        dataset["PixelData"].is_undefined_length = True

    write_classic(tmp_path, np.zeros((20, 18, 2), np.int16), MATRIX, edit=encoded)
    (volume,) = read_dicom(tmp_path)
    k, j = np.indices((20, 18))
    expected = 40 * j + 3 * k**2 - 300 * (j % 6 == 0)
    np.testing.assert_array_equal(volume.data, np.stack([expected, expected], -1))


@pytest.mark.parametrize(
    "syntax", ["4.57", "4.70", "4.80", "4.81", "4.90", "4.91", "4.201", "4.202", "4.203", "5", "1.99", "4.50"]
)
def test_a_decoder_is_installed_for_common_transfer_syntaxes(syntax):
    assert get_decoder(UID(f"1.2.840.10008.1.2.{syntax}")).is_available


def test_slope_and_intercept_are_those_of_each_slice(tmp_path):
    def rescale(dataset, k):
        dataset.RescaleSlope, dataset.RescaleIntercept = k + 1, -10 * k

    write_classic(tmp_path, DATA, MATRIX, edit=rescale)
    (volume,) = read_dicom(tmp_path)
    np.testing.assert_array_equal(volume.data, DATA * np.arange(1, 5) - 10 * np.arange(4))
    assert volume.source.dtype == "int16"


def test_slope_and_intercept_are_those_of_each_frame(tmp_path):
    def rescale(dataset, _):
        for k, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            frame.PixelValueTransformationSequence[0].RescaleSlope = 0.5 * (k + 1)

    (volume,) = read_dicom(write_enhanced(tmp_path / "a.dcm", DATA, MATRIX, edit=rescale))
    np.testing.assert_array_equal(volume.data, DATA * np.arange(1, 5) * 0.5)
    assert volume.source.dtype == "float32"


def test_monochrome1_keeps_its_values(tmp_path):
    def invert(dataset, _):
        dataset.PhotometricInterpretation = "MONOCHROME1"

    write_classic(tmp_path, DATA, MATRIX, edit=invert)
    np.testing.assert_array_equal(read_dicom(tmp_path)[0].data, DATA)


@pytest.mark.parametrize("signed", [0, 1])
def test_bits_above_the_stored_ones_are_not_read(tmp_path, signed):
    values = DATA // 2 if signed else np.abs(DATA)

    def overlay(dataset, k):
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, signed
        stored = np.ascontiguousarray(values[:, :, k].T).astype(np.uint16) & 0x0FFF
        dataset.PixelData = (stored | 0x5000).tobytes()

    write_classic(tmp_path, values, MATRIX, edit=overlay)
    np.testing.assert_array_equal(read_dicom(tmp_path)[0].data, values)


def test_hash_depends_on_contents_alone(tmp_path):
    for path in write_classic(tmp_path / "a", DATA, MATRIX):
        (tmp_path / "b").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "b" / f"{9 - int(path.stem[-1])}.dcm")
    first, second = read_dicom(tmp_path / "a")[0], read_dicom(tmp_path / "b")[0]
    assert first.source == second.source
    assert len(first.source.content_sha256) == 64


def test_different_thicknesses_are_no_known_thickness(tmp_path):
    def thicken(dataset, k):
        dataset.SliceThickness = 3 + k

    write_classic(tmp_path, DATA, MATRIX, edit=thicken)
    (volume,) = read_dicom(tmp_path)
    assert volume.thickness_mm is None
    assert "thickness" in volume.source.warnings[0]


@pytest.mark.parametrize(("said", "read"), [("2D", "2D"), ("3D", "3D"), ("", None), ("slab", None)])
def test_the_header_tells_slices_from_a_slab(tmp_path, said, read):
    write_classic(tmp_path, DATA, MATRIX, edit=lambda dataset, k: setattr(dataset, "MRAcquisitionType", said))
    assert read_dicom(tmp_path)[0].acquisition_type == read
    (found,) = triage(tmp_path).volumes
    assert found.stacks[0].acquisition_type == read


def moved(dataset: Dataset, mm: float, along: int = 2) -> None:
    rows, columns = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
    direction = (rows, columns, np.cross(rows, columns))[along]
    dataset.ImagePositionPatient = [f"{x:.8f}"[:16] for x in np.array(dataset.ImagePositionPatient) + mm * direction]


@pytest.mark.parametrize(("share", "accepted"), [(0.015, True), (0.1, False)])
def test_small_jitter_of_positions_is_allowed(tmp_path, share, accepted):
    write_classic(tmp_path, DATA, MATRIX, edit=lambda dataset, k: moved(dataset, 3 * share * (k == 1)))
    if accepted:
        np.testing.assert_allclose(read_dicom(tmp_path)[0].affine, MATRIX, atol=1e-5)
    else:
        with pytest.raises(GeometryError, match="distances between slices vary"):
            read_dicom(tmp_path)


@pytest.mark.parametrize("missing", [1, 2])
def test_a_missing_slice_is_noticed_in_a_long_series(tmp_path, missing):
    data = np.zeros((2, 2, 200), np.int16)
    for path in write_classic(tmp_path, data, MATRIX)[90 : 90 + missing]:
        path.unlink()
    with pytest.raises(GeometryError, match=rf"{missing} slice.* missing .*{3 * missing + 3} mm after slice 90,"):
        read_dicom(tmp_path)


def set_tag(name, value):
    return lambda dataset, k: setattr(dataset, name, value(k) if callable(value) else value)


def drop_tag(name):
    return lambda dataset, k: delattr(dataset, name)


def lookup_table(dataset, _):
    dataset.ModalityLUTSequence = Sequence([Dataset()])


def colour(dataset, _):
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData = bytes(6 * 5 * 3)


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        (lambda dataset, k: moved(dataset, 2.0 * k, along=1), GeometryError, "sheared by 33.7 degrees"),
        (lambda dataset, k: moved(dataset, 2.0 * (k == 1), along=0), GeometryError, "beside the line"),
        (lambda dataset, k: moved(dataset, -3.0 * (k == 2)), GeometryError, "2 different slices at one position"),
        (lambda dataset, k: moved(dataset, -3.0 * (k % 2)), GeometryError, "2 volumes of 2 slices"),
        (set_tag("EchoTime", lambda k: 10 + k), GeometryError, "differ in echo time"),
        (set_tag("ImageType", lambda k: ["ORIGINAL", "PRIMARY", "MP"[k % 2]]), GeometryError, "differ in image type"),
        (set_tag("ImageType", ["DERIVED", "PRIMARY", "LOCALIZER"]), GeometryError, "localizer"),
        (set_tag("ImageType", ["DERIVED", "PRIMARY", "M", "MOSAIC"]), GeometryError, "mosaic"),
        (set_tag("ImageType", ["DERIVED", "SECONDARY", "PROJECTION IMAGE"]), GeometryError, "projection"),
        (set_tag("PixelSpacing", lambda k: [1.5, 1 + k / 10]), GeometryError, "pixel spacing varies"),
        (set_tag("PixelSpacing", [1, 0]), GeometryError, "pixel spacing"),
        (set_tag("ImageOrientationPatient", [1, 0, 0, 1, 0, 0]), GeometryError, "not perpendicular unit"),
        (set_tag("ImageOrientationPatient", [2, 0, 0, 0, 1, 0]), GeometryError, "not perpendicular unit"),
        (set_tag("ImageOrientationPatient", [1, 0, 0]), GeometryError, "without valid"),
        (set_tag("FrameOfReferenceUID", lambda k: f"1.2.{k}"), GeometryError, "frames of reference"),
        (drop_tag("ImagePositionPatient"), GeometryError, "without valid position"),
        (drop_tag("PixelSpacing"), GeometryError, "without valid position"),
        (drop_tag("PixelData"), InputError, "no pixel data"),
        (set_tag("RescaleSlope", 0), InputError, "slope is 0"),
        (set_tag("HighBit", 11), InputError, "high bit"),
        (set_tag("BitsAllocated", 1), InputError, "bits per pixel"),
        (set_tag("NumberOfFrames", 3), InputError, "3 frames, but positions for 0"),
        (set_tag("Rows", 60000), InputError, "truncated"),
        (set_tag("Columns", 5), InputError, "matrix in the header"),
        (lookup_table, InputError, "lookup table"),
        (colour, InputError, "colour"),
    ],
)
def test_bent_series_are_refused_by_what_is_bent(tmp_path, edit, error, message):
    write_classic(tmp_path, DATA, MATRIX, edit=edit)
    with pytest.raises(error, match=message) as caught:
        read_dicom(tmp_path)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_slice_and_one_frame_are_no_volume(tmp_path):
    write_classic(tmp_path / "a", DATA[:, :, :1], MATRIX)
    write_enhanced(tmp_path / "b" / "a.dcm", DATA[:, :, :1], MATRIX)
    for name in "ab":
        with pytest.raises(GeometryError, match="one slice of 6 x 5"):
            read_dicom(tmp_path / name)


def test_nothing_that_names_a_patient_comes_out(tmp_path, caplog, capfd):
    def careless(dataset, k):
        dataset.add_new((0x0008, 0x0008), "CS", ["ORIGINAL", "PRIMARY", SECRET.lower()])
        dataset.add_new((0x0018, 0x0050), "DS", "3")
        dataset.PixelData += bytes(8)  # more than declared: pydicom would warn

    write_classic(tmp_path, DATA, MATRIX, edit=careless)
    caplog.clear()  # of what pydicom said while writing
    capfd.readouterr()
    (volume,) = read_dicom(tmp_path)
    assert SECRET not in repr(volume.source)
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"])
@given(data=st.data())
def test_truncated_files_are_refused_or_whole(tmp_path_factory, syntax, data):
    folder = tmp_path_factory.mktemp("cut")
    path = write_classic(folder, WIDE, MATRIX, syntax=syntax)[2]
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    try:
        (volume,) = read_dicom(folder)
    except MedsrError as error:
        assert "\n" not in str(error)
    else:  # only the marks after the last pixel were lost, or nothing was left that looks like DICOM
        n_left = 2 if volume.source.warnings == ("files that are not DICOM skipped: 1",) else 3
        np.testing.assert_array_equal(volume.data, WIDE[:, :, :n_left])


@given(data=st.data())
def test_damaged_headers_are_read_or_refused(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    enhanced = data.draw(st.booleans())
    path = write_enhanced(folder / "a.dcm", DATA, MATRIX) if enhanced else write_classic(folder, DATA, MATRIX)[1]
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(132, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        read_dicom(folder)
    except MedsrError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("name", ["ct_head_5mm_philips", "mr_oblique_4mm_hitachi", "mr_head_sag_4p8mm_siemens"])
def test_highdicom_builds_the_same_volume(shared_data, name):
    import highdicom

    (ours,) = read_dicom(shared_data / "dicom" / name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        headers = [dcmread(path) for path in sorted((shared_data / "dicom" / name).iterdir())]
        for header in headers:
            header.setdefault("FrameOfReferenceUID", "1.2.3")
        theirs = highdicom.get_volume_from_series(headers, apply_real_world_transform=False)
    turned = np.eye(4)[:, [2, 1, 0, 3]]  # their axes are slice, row, column
    affine_theirs = np.diag([-1.0, -1.0, 1.0, 1.0]) @ theirs.affine @ turned
    array_theirs = theirs.array.transpose(2, 1, 0)
    if affine_theirs[:3, 2] @ ours.affine[:3, 2] < 0:
        array_theirs = array_theirs[:, :, ::-1]
        affine_theirs[:3, 3] += (ours.shape[2] - 1) * affine_theirs[:3, 2]
        affine_theirs[:3, 2] *= -1
    np.testing.assert_allclose(ours.affine, affine_theirs, atol=1e-4)
    np.testing.assert_array_equal(ours.data, array_theirs)


@pytest.mark.parametrize(
    "tags, contrast",
    [
        ({"SeriesDescription": "3D TOF neck"}, "angio"),
        ({"AngioFlag": "Y"}, "angio"),
        ({"ProtocolName": "ep2d_DWI_b1000"}, "dwi"),
        ({"ImageType": ["DERIVED", "PRIMARY", "ASL"]}, "asl"),
        ({"SeriesDescription": "t1_mprage_sag", "AngioFlag": "N"}, ""),
    ],
)
def test_the_contrast_is_told_by_the_words_of_a_header(tmp_path, tags, contrast):
    def edit(dataset, k):
        for name, value in tags.items():
            setattr(dataset, name, value)

    write_classic(tmp_path, DATA, MATRIX, edit=edit)
    (volume,) = read_dicom(tmp_path)
    assert volume.source.contrast == contrast


@pytest.mark.parametrize("distance", [0.625, 1.25])
def test_positions_written_with_one_decimal_are_read_as_even(tmp_path, distance):
    def edit(dataset, k):
        dataset.ImagePositionPatient = ["-12.5", "30.0", f"{distance * k:.1f}"]

    data = np.arange(6 * 5 * 12, dtype=np.int16).reshape(6, 5, 12)
    write_classic(tmp_path, data, affine((1, 1, distance)), edit=edit)
    (volume,) = read_dicom(tmp_path)
    assert volume.spacing_mm[2] == pytest.approx(distance, rel=0.01)
    np.testing.assert_array_equal(volume.data, data)


@pytest.mark.parametrize(("modality", "n_volumes"), [("CT", 2), ("MR", 1)])
def test_two_passes_of_a_ct_are_two_volumes(tmp_path, modality, n_volumes):
    """MR slices are acquired in interleaved packages, which may be numbered as well."""

    def edit(dataset, k):
        dataset.AcquisitionNumber = 1 + k % 2

    write_classic(tmp_path, np.zeros((6, 5, 8), np.int16), affine((1, 1, 2)), modality=modality, edit=edit)
    assert len(triage(tmp_path).volumes) == n_volumes
    if n_volumes == 1:
        assert read_dicom(tmp_path)[0].shape == (6, 5, 8)
    else:
        with pytest.raises(GeometryError, match="2 acquisitions of 4, 4 slices"):
            read_dicom(tmp_path)


def test_a_series_that_goes_on_in_a_folder_below_is_read_whole(tmp_path):
    paths = write_classic(tmp_path, DATA, MATRIX)
    (tmp_path / "more").mkdir()
    for path in paths[len(paths) // 2 :]:
        path.rename(tmp_path / "more" / path.name)
    (volume,) = read_dicom(tmp_path)
    assert volume.shape == DATA.shape


def test_a_series_of_which_more_lies_below_is_not_read_in_part(tmp_path):
    """Where the tree holds another scan as well, no one chooses."""
    paths = write_classic(tmp_path, DATA, MATRIX)
    write_classic(tmp_path / "other", DATA, MATRIX, series_uid="1.2.3")
    paths[-1].rename(tmp_path / "other" / "last.dcm")
    with pytest.raises(GeometryError, match="1 more slices of the series lie in folders below"):
        read_dicom(tmp_path)


def test_another_series_below_is_warned_of(tmp_path):
    write_classic(tmp_path, DATA, MATRIX)
    others = write_classic(tmp_path / "other", DATA, MATRIX, series_uid="1.2.3")
    others[0].write_bytes(b"\0" * 128 + b"DICM" + b"damaged")
    (volume,) = read_dicom(tmp_path)
    n_left = DATA.shape[2] - 1
    assert volume.source.warnings == (f"DICOM slices of other series in folders below, not read: {n_left}",)


@pytest.mark.parametrize("length", [1, 128])
def test_a_slice_cut_to_nearly_nothing_is_damage_and_not_another_kind_of_file(tmp_path, length):
    paths = write_classic(tmp_path, DATA, MATRIX)
    paths[0].write_bytes(paths[0].read_bytes()[:length])
    with pytest.raises(InputError, match=f"{length} bytes, too few for DICOM"):
        read_dicom(tmp_path)
    assert triage(tmp_path).left_out[0].is_damaged


def localizer(dataset, _):
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]


def test_a_folder_of_one_scan_and_what_is_none_gives_the_scan(tmp_path):
    write_classic(tmp_path, DATA, MATRIX)
    write_classic(tmp_path / "deeper", DATA, MATRIX, prefix="scout", series_uid="1.2.3", edit=localizer)
    for path in (tmp_path / "deeper").iterdir():
        path.rename(tmp_path / path.name)
    (tmp_path / "deeper").rmdir()
    (volume,) = read_dicom(tmp_path)
    np.testing.assert_array_equal(volume.data, DATA)
    assert volume.source.warnings == (f"files left out: {DATA.shape[2]} x a localizer",)


def test_a_folder_of_two_scans_is_still_a_choice(tmp_path):
    write_classic(tmp_path, DATA, MATRIX)
    write_classic(tmp_path, DATA, MATRIX, prefix="other", series_uid="1.2.3")
    with pytest.raises(GeometryError, match="2 image series in one folder"):
        read_dicom(tmp_path)


def test_a_scan_is_not_read_without_a_slice_that_is_damaged(tmp_path):
    paths = write_classic(tmp_path, DATA, MATRIX)
    paths[-1].write_bytes(paths[-1].read_bytes()[:300])
    with pytest.raises(InputError):
        read_dicom(tmp_path)


def test_a_scan_some_folders_down_is_found(tmp_path):
    write_classic(tmp_path / "patient" / "study", DATA, MATRIX)
    np.testing.assert_array_equal(read_dicom(tmp_path)[0].data, DATA)


def test_a_scan_is_not_chosen_over_another_that_can_not_be_read(tmp_path):
    write_classic(tmp_path / "one", DATA, MATRIX)
    write_classic(tmp_path / "two", np.concatenate([DATA, DATA], axis=2), MATRIX, series_uid="1.2.3")[2].unlink()
    for policies in (Policies(), Policies(gaps="fill")):
        with pytest.raises(InputError):
            read_dicom(tmp_path, policies)


@pytest.mark.parametrize("tag", ["ImageOrientationPatient", "PixelSpacing", "FrameOfReferenceUID"])
def test_a_scan_is_not_read_without_a_slice_that_differs(tmp_path, tag):
    values = {"ImageOrientationPatient": [1, 0, 0, 0, 0, 1], "PixelSpacing": [9, 9], "FrameOfReferenceUID": "1.2.3"}
    paths = write_classic(tmp_path, DATA, MATRIX)
    dataset = dcmread(paths[-1])
    setattr(dataset, tag, values[tag])
    dataset.save_as(paths[-1])
    with pytest.raises(GeometryError):
        read_dicom(tmp_path)
