"""NIfTI there and back, and every way in which a header may lie."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from dataclasses import replace
from itertools import pairwise

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import affine, affines, head, shapes

from medsr.errors import GeometryError, InputError, MedsrError, OutputError, UsageError
from medsr.io import Policies, bids, files, formats
from medsr.io.formats import WRITABLE
from medsr.io.nifti import outline_nifti, read_nifti, write_nifti
from medsr.volume import Source, Volume

OBLIQUE = affine((0.9, 1.1, 3.0), turn_deg=(10, -20, 30), axes=(2, 0, 1), flips=(-1, 1, -1), origin_mm=(3, -70, 42))


def nifti(path, data, *, matrix=OBLIQUE, code=1, kind=nib.Nifti1Image, zipped=False, **fields):
    """A NIfTI file as nibabel makes it, with header fields overwritten afterwards."""
    image = kind(data, matrix, dtype=data.dtype)
    image.set_sform(matrix, code)
    image.set_qform(matrix, code)
    content = bytearray(image.to_bytes())
    header = type(image.header)(bytes(content[: image.header.template_dtype.itemsize]), check=False)
    for name, value in fields.items():
        header[name] = value
    content[: len(header.binaryblock)] = header.binaryblock
    path.write_bytes(gzip.compress(bytes(content)) if zipped else bytes(content))
    return path


def volume_of(data, matrix=OBLIQUE, **source):
    return Volume(np.asarray(data, np.float32), matrix, source=Source(**source))


@given(affines(), shapes(2, 6), st.sampled_from([".nii", ".nii.gz", ".NII.GZ"]), st.integers(0, 2**32 - 1))
def test_written_and_read_again_keeps_voxels_and_place(tmp_path_factory, matrix, shape, suffix, seed):
    path = tmp_path_factory.getbasetemp() / f"round{suffix}"
    volume = volume_of(np.random.default_rng(seed).normal(0, 1e3, shape), matrix)
    write_nifti([volume], path)
    (again,) = read_nifti(path)
    np.testing.assert_array_equal(again.data, volume.data)
    np.testing.assert_allclose(again.affine, matrix, atol=1e-4)  # NIfTI-1 stores float32


@given(affines(), shapes(2, 6))
def test_other_readers_find_sform_and_qform_alike(tmp_path_factory, matrix, shape):
    path = tmp_path_factory.getbasetemp() / "forms.nii"
    write_nifti([volume_of(np.zeros(shape), matrix)], path)
    header = nib.load(path).header
    np.testing.assert_allclose(header.get_sform(), matrix, atol=1e-4)
    np.testing.assert_allclose(header.get_qform(), matrix, atol=1e-3)
    assert (header["sform_code"], header["qform_code"]) == (1, 1)
    assert header.get_xyzt_units()[0] == "mm"
    assert bytes(header["descrip"]).rstrip(b"\0") == b"medsr research use only"


def test_equal_volumes_give_equal_bytes(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti([head()], tmp_path / name)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_a_long_axis_becomes_nifti_2(tmp_path):
    write_nifti([volume_of(np.zeros((32768, 2, 2)))], tmp_path / "long.nii")
    assert files.nifti_version(files.read_head(tmp_path / "long.nii")) == 2
    assert read_nifti(tmp_path / "long.nii")[0].shape == (32768, 2, 2)
    write_nifti([volume_of(np.zeros((32767, 2, 2)))], tmp_path / "short.nii")
    assert files.nifti_version(files.read_head(tmp_path / "short.nii")) == 1


@pytest.mark.parametrize(
    ("source", "low", "high", "stored"),
    [
        ("float32", 0, 100, "float32"),
        ("int16", -1024, 3000, "int16"),
        ("int16", -1024, 40000, "int32"),
        ("uint16", 0, 30000, "int16"),
        ("uint16", 0, 60000, "int32"),
        ("uint8", 0, 255, "uint8"),
        ("uint8", -3, 255, "int16"),
        ("uint8", 0, 256, "int16"),
        ("int64", 0, 2**40, "float32"),
    ],
)
def test_whole_numbers_stay_whole_in_the_type_that_holds_them(tmp_path, source, low, high, stored):
    data = np.linspace(low, high, 64).reshape(4, 4, 4)
    write_nifti([volume_of(data, dtype=source)], tmp_path / "a.nii")
    image = nib.load(tmp_path / "a.nii")
    assert image.get_data_dtype().name == stored
    assert image.dataobj.slope == 1
    assert image.dataobj.inter == 0
    expected = data.astype(np.float32) if stored == "float32" else np.rint(data.astype(np.float32))
    np.testing.assert_array_equal(image.get_fdata(), expected)


def test_halves_are_rounded_to_even(tmp_path):
    write_nifti(
        [volume_of(np.array([0.5, 1.5, 2.5, -0.5, -1.5, 3.5, 0, 0]).reshape(2, 2, 2), dtype="int16")],
        tmp_path / "a.nii",
    )
    np.testing.assert_array_equal(read_nifti(tmp_path / "a.nii")[0].data.ravel(), [0, 2, 2, 0, -2, 4, 0, 0])


@pytest.mark.parametrize("dtype", WRITABLE)
def test_the_type_that_is_asked_for_is_written(tmp_path, dtype):
    write_nifti(
        [head(source=Source(dtype="int16")).with_data(np.full((4, 4, 4), 7, np.float32))],
        tmp_path / "a.nii",
        dtype=dtype,
    )
    assert nib.load(tmp_path / "a.nii").get_data_dtype().name == dtype


@pytest.mark.parametrize(
    ("volumes", "name", "dtype"),
    [
        ([head()], "a.nii", "complex64"),
        ([head()], "a.nii", "uint8"),
        ([], "a.nii", None),
        ([head(), head((4, 4, 4))], "a.nii", None),
        ([head(), head(turn_deg=(1, 0, 0))], "a.nii", None),
    ],
)
def test_requests_that_make_no_sense_write_nothing(tmp_path, volumes, name, dtype):
    with pytest.raises(UsageError):
        write_nifti(volumes, tmp_path / name, dtype=dtype)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="make its folder first"):
        write_nifti([head()], tmp_path / "none" / "a.nii.gz")


def test_several_volumes_go_into_one_4d_file_and_come_out_in_turn(tmp_path):
    volumes = [volume_of(np.full((3, 4, 5), t)) for t in range(3)]
    write_nifti(volumes, tmp_path / "a.nii.gz")
    assert nib.load(tmp_path / "a.nii.gz").shape == (3, 4, 5, 3)
    assert [float(v.data.mean()) for v in read_nifti(tmp_path / "a.nii.gz")] == [0, 1, 2]


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("dtype", ["u1", "i1", "<i2", ">i2", "<u2", ">i4", "<u4", "i8", "u8", "<f4", ">f4", "<f8"])
@pytest.mark.parametrize("zipped", [False, True])
def test_every_stored_type_and_byte_order_is_read(tmp_path, kind, dtype, zipped):
    data = np.arange(60).reshape(3, 4, 5).astype(dtype)
    image = kind(data, OBLIQUE, header=kind.header_class(endianness=">" if dtype[0] == ">" else "<"), dtype=data.dtype)
    content = image.to_bytes()
    (tmp_path / "a").write_bytes(gzip.compress(content) if zipped else content)
    (volume,) = read_nifti(tmp_path / "a")
    np.testing.assert_array_equal(volume.data, data.astype(np.float32))
    np.testing.assert_allclose(volume.affine, image.affine, atol=1e-4)
    assert volume.source.dtype == data.dtype.newbyteorder("=").name
    assert volume.source.content_sha256 == files.sha256_file(tmp_path / "a")


@pytest.mark.parametrize(
    ("shape", "n_volumes"),
    [((3, 4, 5), 1), ((3, 4, 5, 1), 1), ((3, 4, 5, 2), 2), ((3, 4, 5, 2, 1), 2), ((3, 4, 5, 1, 1), 1)],
)
def test_time_points_come_in_turn_and_trailing_single_axes_are_dropped(tmp_path, shape, n_volumes):
    data = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    volumes = read_nifti(nifti(tmp_path / "a.nii", data))
    assert len(volumes) == n_volumes
    for t, volume in enumerate(volumes):
        np.testing.assert_array_equal(volume.data, data.reshape(3, 4, 5, -1)[..., t])


@pytest.mark.parametrize(
    ("step", "code", "unit", "kept"),
    [(2.5, 8, "sec", 2.5), (720.0, 16, "msec", 720.0), (3.0, 0, "unknown", 3.0), (4.0, 40, "ppm", 4.0)],
)
def test_the_time_between_volumes_and_its_unit_are_kept(tmp_path, step, code, unit, kept):
    data = np.arange(120, dtype=np.int16).reshape(3, 4, 5, 2)
    path = nifti(tmp_path / "a.nii", data, xyzt_units=2 + code, pixdim=[1, 0.9, 1.1, 3, step, 0, 0, 0])
    volumes = read_nifti(path)
    write_nifti([replace(v, data=v.data[:2]) for v in volumes], tmp_path / "b.nii.gz")
    header = nib.load(tmp_path / "b.nii.gz").header
    assert float(header["pixdim"][4]) == kept
    assert header.get_xyzt_units() == ("mm", unit)


@pytest.mark.parametrize("step", [0.0, np.nan, np.inf])
def test_no_time_between_volumes_is_none(tmp_path, step):
    data = np.arange(120, dtype=np.int16).reshape(3, 4, 5, 2)
    path = nifti(tmp_path / "a.nii", data, pixdim=[1, 0.9, 1.1, 3, step, 0, 0, 0])
    assert {volume.source.time_step for volume in read_nifti(path)} == {None}
    (single,) = read_nifti(nifti(tmp_path / "b.nii", data[..., 0], pixdim=[1, 0.9, 1.1, 3, 7, 0, 0, 0]))
    assert single.source.time_step is None


def test_slope_and_intercept_are_applied(tmp_path):
    data = np.arange(27, dtype=np.int16).reshape(3, 3, 3)
    (scaled,) = read_nifti(nifti(tmp_path / "a.nii", data, scl_slope=0.5, scl_inter=-7))
    np.testing.assert_array_equal(scaled.data, data * 0.5 - 7)
    assert scaled.source.dtype == "float32"
    (whole,) = read_nifti(nifti(tmp_path / "b.nii", data, scl_slope=1, scl_inter=-1024))
    assert (whole.source.dtype, whole.modality) == ("int16", "CT")
    for slope in (0, np.nan):
        np.testing.assert_array_equal(read_nifti(nifti(tmp_path / "c.nii", data, scl_slope=slope))[0].data, data)


def test_the_sform_is_believed_before_the_qform_and_both_before_nothing(tmp_path):
    data = np.zeros((3, 4, 5), np.int16)
    other = affine((2, 2, 2), origin_mm=(9, 9, 9))
    image = nib.Nifti1Image(data, OBLIQUE)
    for s_code, q_code, expected in [(1, 1, OBLIQUE), (2, 0, OBLIQUE), (0, 1, other)]:
        image.set_sform(OBLIQUE, s_code)
        image.set_qform(other, q_code)
        (tmp_path / "a.nii").write_bytes(image.to_bytes())
        (volume,) = read_nifti(tmp_path / "a.nii")
        np.testing.assert_allclose(volume.affine, expected, atol=1e-4)
        assert volume.source.warnings == ()
    (volume,) = read_nifti(nifti(tmp_path / "b.nii", data, code=0))
    assert "no orientation" in volume.source.warnings[0]
    np.testing.assert_allclose(volume.spacing_mm, [0.9, 1.1, 3.0], rtol=1e-6)


@pytest.mark.parametrize(("unit", "factor"), [(0, 1.0), (1, 1000.0), (2, 1.0), (3, 0.001), (8 + 2, 1.0)])
def test_units_become_mm(tmp_path, unit, factor):
    matrix = affine(np.array([1.0, 1.5, 2.0]) / factor, origin_mm=np.array([10.0, 20.0, 30.0]) / factor)
    (volume,) = read_nifti(nifti(tmp_path / "a.nii", np.zeros((3, 4, 5), np.int16), matrix=matrix, xyzt_units=unit))
    np.testing.assert_allclose(volume.affine, affine((1, 1.5, 2), origin_mm=(10, 20, 30)), rtol=1e-6)
    assert len(volume.source.warnings) == (factor != 1)


@pytest.mark.parametrize(
    ("name", "contrast", "modality"),
    [
        ("sub-01_T1w.nii.gz", "T1w", "MR"),
        ("sub-01_ses-2_FLAIR.nii", "FLAIR", "MR"),
        ("sub-01_CT.nii", "CT", "CT"),
        ("T1w_mean.nii", "", "MR"),
        ("scan.nii", "", "MR"),
    ],
)
def test_a_bids_name_tells_the_contrast(tmp_path, name, contrast, modality):
    write_nifti([head((8, 8, 8))], tmp_path / name)
    (volume,) = read_nifti(tmp_path / name)
    assert (volume.source.contrast, volume.modality) == (contrast, modality)
    assert bids.contrast_of_name(name) == contrast


@pytest.mark.parametrize(
    ("sidecar", "thickness", "n_warnings"),
    [
        ({"SliceThickness": 4, "SpacingBetweenSlices": 9}, 4.0, 0),
        ({"RepetitionTime": 2}, None, 0),
        ({"SliceThickness": -1}, None, 1),
        ({"SliceThickness": "thick"}, None, 1),
        ([1], None, 1),
    ],
)
def test_a_sidecar_tells_the_thickness_along_the_coarse_axis(tmp_path, sidecar, thickness, n_warnings):
    write_nifti([head((8, 8, 8), (1, 5, 1))], tmp_path / "a.nii.gz")
    (tmp_path / "a.json").write_text(json.dumps(sidecar))
    (volume,) = read_nifti(tmp_path / "a.nii.gz")
    assert (volume.thickness_mm, volume.slice_axis, len(volume.source.warnings)) == (thickness, 1, n_warnings)


@pytest.mark.parametrize(("said", "read"), [("3D", "3D"), ("2D", "2D"), ("4D", None), (3, None), ([], None)])
def test_a_sidecar_tells_slices_from_a_slab(tmp_path, said, read):
    write_nifti([head((8, 8, 8))], tmp_path / "a.nii.gz")
    (tmp_path / "a.json").write_text(json.dumps({"MRAcquisitionType": said}))
    (volume,) = read_nifti(tmp_path / "a.nii.gz")
    assert (volume.acquisition_type, volume.source.warnings) == (read, ())


def test_no_axis_is_the_slice_axis_of_nearly_isotropic_voxels(tmp_path):
    write_nifti([head((8, 8, 8), (1, 1, 1.15))], tmp_path / "a.nii")
    assert read_nifti(tmp_path / "a.nii")[0].slice_axis is None


def dims(*shape):
    return [len(shape), *shape, *[1] * (7 - len(shape))]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"dim": dims(32767, 32767, 32767)}, InputError),
        ({"dim": dims(3, -4, 5)}, InputError),
        ({"dim": dims(0, 4, 5)}, InputError),
        ({"dim": [9, 3, 4, 5, 1, 1, 1, 1]}, InputError),
        ({"dim": [-1, 3, 4, 5, 1, 1, 1, 1]}, InputError),
        ({"dim": dims(12, 5)}, InputError),
        ({"dim": dims(12, 5, 1)}, InputError),
        ({"dim": dims(3, 4, 1, 1, 5)}, InputError),
        ({"dim": dims(3, 4, 6)}, InputError),
        ({"dim": dims(2, 2, 2, 32767, 32767, 32767)}, InputError),
        ({"datatype": 0}, InputError),
        ({"datatype": 1}, InputError),
        ({"datatype": 32}, InputError),
        ({"datatype": 128}, InputError),
        ({"datatype": 2304}, InputError),
        ({"datatype": 1536}, InputError),
        ({"datatype": 9999}, InputError),
        ({"vox_offset": -5}, InputError),
        ({"vox_offset": 3e38}, InputError),
        ({"vox_offset": np.nan}, InputError),
        ({"vox_offset": 360}, InputError),
        ({"scl_slope": 1, "scl_inter": np.inf}, InputError),
        ({"scl_slope": 3e38, "scl_inter": 0}, InputError),
        ({"srow_x": [0, 0, 0, 0]}, GeometryError),
        ({"srow_x": [np.nan, 0, 0, 0]}, GeometryError),
        ({"srow_x": 0, "srow_y": 0, "srow_z": 0, "qform_code": 0}, GeometryError),
        ({"srow_z": [0.3, 0.3, 1e9, 0]}, GeometryError),
        ({"srow_z": [0.3, 0.3, 3e38, 0]}, GeometryError),
        ({"sform_code": 0, "quatern_b": 9}, GeometryError),
        ({"sform_code": 0, "pixdim": [1, -1, 1, 1, 1, 1, 1, 1]}, GeometryError),
        ({"sform_code": 0, "qform_code": 0, "pixdim": [1, 0, 1, 1, 1, 1, 1, 1]}, GeometryError),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_headers_that_lie_are_refused_in_one_line(tmp_path, fields, error, zipped):
    path = nifti(tmp_path / "a.nii", np.full((3, 4, 5), 100, np.int16), zipped=zipped, **fields)
    with pytest.raises(error) as caught:
        read_nifti(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_a_header_that_declares_terabytes_costs_no_memory(tmp_path):
    whole = nifti(tmp_path / "a.nii", np.zeros((3, 4, 5), np.float64), dim=dims(1290, 1290, 1290)).read_bytes()
    for content in (whole[:352], gzip.compress(whole)):
        (tmp_path / "b.nii").write_bytes(content)
        tracemalloc.start()
        with pytest.raises(InputError, match="declares"):
            read_nifti(tmp_path / "b.nii")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        tracemalloc.stop()


def test_no_more_is_inflated_than_the_header_declares(tmp_path):
    whole = nifti(tmp_path / "a.nii", np.ones((3, 4, 5), np.int16)).read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(whole + bytes(64 << 20)))
    tracemalloc.start()
    (volume,) = read_nifti(tmp_path / "b.nii.gz")
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
    assert volume.data.min() == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_voxels_that_are_not_finite_are_refused(tmp_path, bad):
    data = np.zeros((3, 4, 5), np.float32)
    data[1, 2, 3] = bad
    with pytest.raises(InputError, match="1 of 60 voxels"):
        read_nifti(nifti(tmp_path / "a.nii", data))


def test_nan_becomes_background_where_that_is_asked_for(tmp_path):
    data = np.arange(60, dtype=np.float32).reshape(3, 4, 5) - 7
    data[2, 1:3] = np.nan
    path = nifti(tmp_path / "a.nii", data)
    with pytest.raises(InputError, match="10 of 60 voxels are NaN; where they are background, --nan lowest"):
        read_nifti(path)
    (volume,) = read_nifti(path, Policies(nan="lowest"))
    np.testing.assert_array_equal(volume.data, np.where(np.isnan(data), -7, data))
    assert volume.source.warnings == ("voxels that were NaN set to the lowest value: 10 (--nan lowest)",)
    data[0, 0, 0] = np.inf
    with pytest.raises(InputError, match="infinite"):
        read_nifti(nifti(path, data), Policies(nan="lowest"))


def test_a_scan_of_nothing_but_nan_is_refused_whatever_is_asked(tmp_path):
    path = nifti(tmp_path / "a.nii", np.full((3, 4, 5), np.nan, np.float32))
    with pytest.raises(InputError, match=r"60 of 60 voxels are NaN$"):
        read_nifti(path, Policies(nan="lowest"))


def test_values_too_large_for_float32_are_refused(tmp_path):
    with pytest.raises(InputError, match="infinite"):
        read_nifti(nifti(tmp_path / "a.nii", np.full((3, 4, 5), 1e300)))


def test_a_constant_image_is_read(tmp_path):
    assert read_nifti(nifti(tmp_path / "a.nii", np.full((3, 4, 5), 7, np.int16)))[0].data.max() == 7


def test_sizes_of_axes_that_are_not_there_may_be_zero(tmp_path):
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    (volume,) = read_nifti(nifti(tmp_path / "a.nii", data, dim=[4, 3, 4, 5, 0, 0, 0, 0]))
    np.testing.assert_array_equal(volume.data, data)


@pytest.mark.parametrize("parts", [(0,), (100,), (352, 360)], ids=["empty first", "small first", "three"])
@pytest.mark.parametrize("tail", [b"", b"\r\n", bytes(7)], ids=["no tail", "CR LF", "zeros"])
def test_gzip_in_several_members_and_with_a_tail_is_read(tmp_path, parts, tail):
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    whole = nifti(tmp_path / "a.nii", data).read_bytes()
    bounds = [0, *parts, len(whole)]
    members = [gzip.compress(whole[a:b]) for a, b in pairwise(bounds)]
    (tmp_path / "b.nii.gz").write_bytes(b"".join(members) + tail)
    (volume,) = formats.by_content(tmp_path / "b.nii.gz").read(tmp_path / "b.nii.gz", Policies())
    np.testing.assert_array_equal(volume.data, data)


def test_damaged_gzip_is_told_from_truncated(tmp_path):
    content = bytearray(
        nifti(tmp_path / "a.nii.gz", np.arange(60, dtype=np.int16).reshape(3, 4, 5), zipped=True).read_bytes()
    )
    for cut in (1, 8, 40):
        (tmp_path / "b.nii.gz").write_bytes(content[:-cut])
        with pytest.raises(InputError, match="truncated"):
            read_nifti(tmp_path / "b.nii.gz")
    content[-6] ^= 1  # a bit of the check sum
    (tmp_path / "c.nii.gz").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read_nifti(tmp_path / "c.nii.gz")


@given(st.data(), st.booleans())
def test_truncated_anywhere_is_refused(tmp_path_factory, data, zipped):
    path = tmp_path_factory.getbasetemp() / "cut.nii"
    content = nifti(path, np.arange(60, dtype=np.int16).reshape(3, 4, 5), zipped=zipped).read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(InputError):
        read_nifti(path)


@given(
    st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=6), st.booleans(), st.booleans()
)
def test_damaged_headers_are_read_or_refused(tmp_path_factory, changes, zipped, second):
    path = tmp_path_factory.getbasetemp() / "damaged.nii"
    kind = nib.Nifti2Image if second else nib.Nifti1Image
    content = bytearray(nifti(path, np.arange(60, dtype=np.int16).reshape(3, 4, 5), kind=kind).read_bytes())
    for place, value in changes:
        content[place] = value
    path.write_bytes(gzip.compress(bytes(content)) if zipped else bytes(content))
    try:
        volumes = read_nifti(path)
    except MedsrError as error:
        assert "\n" not in str(error)
    else:
        assert all(np.isfinite(volume.data).all() for volume in volumes)


@given(st.binary(max_size=600))
def test_random_bytes_after_a_good_magic_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "random.nii"
    start = bytearray(content.ljust(352, b"\0"))
    start[344:348] = b"n+1\0"
    path.write_bytes(bytes(start))
    with pytest.raises(MedsrError):
        read_nifti(path)


def test_real_scans_are_read_as_nibabel_reads_them(shared_data):
    paths = sorted((shared_data / "validation").glob("*.nii.gz"), key=lambda path: path.stat().st_size)[:6]
    assert paths
    for path in paths:
        (volume,) = read_nifti(path)
        image = nib.load(path)
        np.testing.assert_array_equal(volume.data, image.get_fdata(dtype=np.float32))
        np.testing.assert_array_equal(volume.affine, image.affine)
        assert volume.modality == ("CT" if "_CT" in path.name else "MR")
        assert volume.source.dtype == "int16"


def test_a_real_scan_written_again_is_the_same_scan(shared_data, tmp_path):
    (volume,) = read_nifti(shared_data / "validation" / "sub-openms20_FLAIR.nii.gz")
    write_nifti([volume], tmp_path / "a_FLAIR.nii.gz")
    (again,) = read_nifti(tmp_path / "a_FLAIR.nii.gz")
    np.testing.assert_array_equal(again.data, volume.data)
    np.testing.assert_array_equal(again.affine, volume.affine)
    assert replace(again.source, content_sha256="") == replace(volume.source, content_sha256="")


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.Nifti2Pair])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_pair_is_what_its_single_file_is(tmp_path, kind, zipped):
    scan = head((6, 7, 8), (1, 1.5, 2), turn_deg=(3, 4, 5))
    kind(scan.data, scan.affine).to_filename(tmp_path / "scan.hdr")
    if zipped:
        (tmp_path / "scan.img.gz").write_bytes(gzip.compress((tmp_path / "scan.img").read_bytes()))
        (tmp_path / "scan.img").unlink()
    (found,) = read_nifti(tmp_path / "scan.hdr")
    np.testing.assert_array_equal(found.data, scan.data)
    np.testing.assert_allclose(found.affine, scan.affine, atol=1e-5)
    assert outline_nifti(tmp_path / "scan.hdr").shape == scan.shape


def test_the_header_of_a_pair_alone_names_what_is_missing(tmp_path):
    scan = head((6, 7, 8))
    nib.Nifti1Pair(scan.data, scan.affine).to_filename(tmp_path / "scan.hdr")
    (tmp_path / "scan.img").unlink()
    with pytest.raises(InputError, match=r"of the same name in \.img, is not there"):
        read_nifti(tmp_path / "scan.hdr")


def test_the_voxels_of_a_pair_count_for_its_hash(tmp_path):
    scan = head((6, 7, 8))
    nib.Nifti1Pair(scan.data, scan.affine).to_filename(tmp_path / "scan.hdr")
    (before,) = read_nifti(tmp_path / "scan.hdr")
    content = (tmp_path / "scan.img").read_bytes()
    (tmp_path / "scan.img").write_bytes(content[:-4] + b"\0\0\x80\x3f")
    (after,) = read_nifti(tmp_path / "scan.hdr")
    assert before.source.content_sha256 != after.source.content_sha256


def test_a_modality_that_is_told_is_not_guessed_and_nothing_is_taken_for_padding(tmp_path):
    """An MR that looks like a CT with padding keeps its lowest values."""
    data = head((20, 20, 20), modality="CT").data.copy()
    data[:2] = -3024
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / "scan.nii")
    (guessed,), (told,) = (read_nifti(tmp_path / "scan.nii", Policies(modality=asked)) for asked in (None, "MR"))
    assert (guessed.modality, guessed.data.min()) == ("CT", -1000)
    assert (told.modality, told.data.min(), told.source.modality_guessed) == ("MR", -3024, False)
