"""What napari gets from the reader; the viewer's own open is tested in viewer/."""

from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np
import pytest
from dicom_phantoms import SECRET, write_classic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from medsr_napari.readers import get_reader, read_layers, sample_layers

from medsr.errors import MedsrError

AFFINE = np.array([[0, 0, -2, 30], [0.9, 0, 0, -40], [0, 1.1, 0, 10], [0, 0, 0, 1]], dtype=float)


@pytest.fixture
def write_nifti(tmp_path):
    """A function that writes voxels (I, J, K) or (I, J, K, T) under a name and returns the path as napari gives it."""

    def write(name, shape, kind=nib.Nifti1Image):
        path = tmp_path / name
        data = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
        nib.save(kind(data, AFFINE), path)
        return str(path)

    return write


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("name", ["head.nii", "head.nii.gz"])
def test_a_scan_becomes_one_layer_named_after_its_file(write_nifti, name, kind):
    path = write_nifti(name, (4, 5, 6), kind)
    ((data, keywords, layer_type),) = get_reader(path)(path)
    assert (data.shape, keywords["name"], layer_type) == ((5, 4, 6), "head", "image")
    np.testing.assert_allclose(keywords["scale"], (1.1, 0.9, 2.0), rtol=1e-6)
    np.testing.assert_allclose(keywords["translate"], (10, -40, 30 - 2 * 5), rtol=1e-6)


def test_a_series_of_volumes_becomes_one_layer_each(write_nifti):
    path = write_nifti("run.nii.gz", (4, 5, 6, 3))
    layers = get_reader(path)(path)
    assert [keywords["name"] for _, keywords, _ in layers] == ["run [1]", "run [2]", "run [3]"]
    assert all(data.shape == (5, 4, 6) for data, _, _ in layers)
    assert len({float(data.sum()) for data, _, _ in layers}) == 3


def test_several_files_become_layers_in_their_order(write_nifti):
    paths = [write_nifti("b.nii", (2, 3, 4)), write_nifti("a.nii", (4, 3, 2))]
    assert [keywords["name"] for _, keywords, _ in get_reader(paths)(paths)] == ["b", "a"]


def test_the_sample_is_a_thick_scan_and_its_truth():
    truth, thick = sample_layers()
    assert [layer[1]["name"] for layer in (truth, thick)] == ["brain, truth", "brain, 5 mm slices"]
    assert thick[1]["scale"][0] == pytest.approx(5.04, abs=0.01)
    for layer in (truth, thick):
        assert layer[0].shape[1:] == (150, 130)
    np.testing.assert_allclose(faces(truth), faces(thick), atol=1e-3)


def faces(layer):
    """Outer faces of a layer's box in its world."""
    data, keywords, _ = layer
    index = np.array([[-0.5] * 3, np.array(data.shape) - 0.5])
    return np.array(keywords["translate"]) + np.array(keywords["scale"]) * index


SERIES = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


def test_a_folder_or_any_file_of_a_series_is_one_layer(tmp_path):
    files = write_classic(tmp_path / "series", SERIES, AFFINE)
    for path in (tmp_path / "series", files[0], files[3]):
        ((data, keywords, _),) = get_reader(str(path))(str(path))
        assert (data.shape, keywords["name"]) == ((5, 4, 6), "series")


def test_files_of_one_series_dropped_as_a_stack_are_one_layer(tmp_path):
    files = [str(path) for path in write_classic(tmp_path / "series", SERIES, AFFINE)]
    assert len(get_reader(files)(files)) == 1


def test_a_folder_of_several_series_is_one_layer_each(tmp_path):
    for prefix in ("a", "b"):
        write_classic(tmp_path / "study", SERIES, AFFINE, prefix=prefix)
    (tmp_path / "study" / "Thumbs.db").write_bytes(b"foreign")
    layers = get_reader(str(tmp_path / "study"))(str(tmp_path / "study"))
    assert [keywords["name"] for _, keywords, _ in layers] == ["study [1]", "study [2]"]
    assert len({keywords["metadata"]["medsr"]["series"] for _, keywords, _ in layers}) == 2


def test_a_good_series_is_opened_where_another_one_is_bad(tmp_path):
    write_classic(tmp_path / "study", SERIES, AFFINE, prefix="good")
    bad = write_classic(tmp_path / "study", SERIES, AFFINE, prefix="holed")
    bad[2].unlink()
    layers = read_layers(str(tmp_path / "study"))
    assert len(layers) == 1


def test_a_folder_opens_its_scans_of_every_format_and_names_the_rest(tmp_path, write_nifti, monkeypatch):
    said = []
    monkeypatch.setattr("medsr_napari.readers._warn", said.append)
    folder = tmp_path / "study"
    write_classic(folder / "series", SERIES, AFFINE)
    for name in ("a.nii.gz", "b.nii", ".hidden.nii", "sub-1_part-phase_T1w.nii"):
        write_nifti(f"study/{name}", (4, 5, 6))
    (folder / "broken.nii").write_text("no scan")
    layers = get_reader(str(folder))(str(folder))
    assert [keywords["name"] for _, keywords, _ in layers] == ["study", "a", "b"]
    assert len(said) == 3
    assert all(text.startswith("study: files left out: 1 x ") for text in said)
    assert any("not a scan that medsr can read" in text for text in said)


def test_a_folder_without_dicom_opens_as_well_and_only_its_first_files(tmp_path, write_nifti, monkeypatch):
    said = []
    monkeypatch.setattr("medsr_napari.readers._warn", said.append)
    (tmp_path / "scans").mkdir()
    for number in range(10):
        write_nifti(f"scans/{number:02d}.nii", (2, 3, 4))
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "elsewhere").symlink_to(tmp_path / "scans")
    for folder in ("scans", "linked"):
        layers = get_reader(str(tmp_path / folder))(str(tmp_path / folder))
        assert [keywords["name"] for _, keywords, _ in layers] == [f"{number:02d}" for number in range(8)]
    assert said == [
        f"{name}: the first 8 of 10 files are opened; a batch takes them all" for name in ("scans", "linked")
    ]


def test_nothing_of_the_patient_is_in_a_layer(tmp_path):
    write_classic(tmp_path / "series", SERIES, AFFINE)
    ((_, keywords, _),) = read_layers(str(tmp_path / "series"))
    assert SECRET not in repr(keywords)


def test_nothing_else_is_claimed(tmp_path, write_nifti):
    (tmp_path / "text.nii").write_text("not a scan, but long enough to hold a header" * 20)
    (tmp_path / "folder.nii").mkdir()
    (tmp_path / "cut.nii.gz").write_bytes(gzip.compress(b"\0" * 1000)[:12])
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    scan = write_nifti("scan.nii", (2, 3, 4))
    for name in ("text.nii", "folder.nii", "cut.nii.gz", "photo.png", "missing.nii"):
        assert get_reader(str(tmp_path / name)) is None
        assert get_reader([scan, str(tmp_path / name)]) is None
    assert get_reader([]) is None


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=600), is_gzip=st.booleans())
def test_asking_for_a_reader_never_raises(tmp_path, content, is_gzip):
    path = tmp_path / "fuzzed.nii.gz"
    path.write_bytes(b"\x1f\x8b\x08" + content if is_gzip else content)
    reader = get_reader(str(path))
    assert reader is None or callable(reader)


def test_a_scan_that_is_no_volume_is_refused_in_one_line(write_nifti):
    path = write_nifti("flat.nii", (8, 8, 1))
    with pytest.raises(MedsrError) as refusal:
        read_layers(path)
    assert "\n" not in str(refusal.value)
