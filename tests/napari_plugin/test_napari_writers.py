"""What is written has the scan's own affine, and opens again on the same place."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from dicom_phantoms import write_classic
from medsr_napari.layers import layer_of
from medsr_napari.outcomes import Made
from medsr_napari.readers import read_layers
from medsr_napari.writers import write_dicom, write_file
from phantoms import affine, head
from tiny_models import tiny_model

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import InputError, MedsrError, UsageError
from medsr.io import load
from medsr.physics.acquisition import acquisition_of

OBLIQUE = affine((1.0, 1.0, 3.0), turn_deg=(20, -10, 35), axes=(2, 0, 1), flips=(-1, 1, -1), origin_mm=(-30, 12, 7))
SCAN = head((12, 14, 6), (1.0, 1.0, 3.0)).with_data(head((12, 14, 6), (1.0, 1.0, 3.0)).data, OBLIQUE)


def enhanced_layers(layer):
    """Enhanced scan and uncertainty of a layer, as the dock adds them."""
    from dataclasses import asdict

    from medsr_napari.layers import volume_of

    scan, keywords = volume_of(layer), layer[1]
    result = enhance(scan, tiny_model(), EnhanceSettings(mode="uncertainty", samples=2, steps=1), acquisition_of(scan))
    made = Made("scan", keywords["metadata"]["medsr"], keywords["contrast_limits"], "id")
    record = {"record": asdict(result.record)}
    return made.scan(result.volume, "enhanced", "mean", **record), made.uncertainty(result.uncertainty, **record)


@pytest.mark.parametrize("name", ["out.nii", "out.nii.gz"])
def test_a_scan_is_written_with_its_true_affine(tmp_path, name):
    data, keywords, _ = layer_of(SCAN, "scan")
    path = str(tmp_path / name)
    assert write_file(path, data, keywords) == [path]
    image = nib.load(path)
    np.testing.assert_allclose(image.affine, OBLIQUE, atol=1e-5)
    np.testing.assert_allclose(np.asarray(image.dataobj), SCAN.data, rtol=1e-6)


def test_results_are_written_with_their_record_and_open_on_the_scan_s_place(tmp_path):
    layer = layer_of(SCAN, "scan")
    for data, keywords, _ in enhanced_layers(layer):
        path = tmp_path / f"{keywords['metadata']['medsr']['role']}.nii.gz"
        written = write_file(str(path), data, keywords)
        assert [*map(str, sorted(tmp_path.glob(f"{path.name}*")))] == sorted(written)
        assert json.loads((tmp_path / f"{path.name}.json").read_text())["notice"]
        ((shown, back, _),) = read_layers(str(path))
        np.testing.assert_allclose(back["translate"], keywords["translate"], atol=1e-3)
        np.testing.assert_allclose(shown, data, rtol=1e-5)


def test_a_result_of_a_series_is_written_as_a_derived_series(tmp_path):
    rng = np.random.default_rng(0)
    write_classic(tmp_path / "series", rng.integers(0, 900, (12, 14, 6)).astype(np.int16), affine((1.0, 1.0, 3.0)))
    (layer,) = read_layers(str(tmp_path / "series"))
    for data, keywords, _ in enhanced_layers(layer):
        role = keywords["metadata"]["medsr"]["role"]
        files = write_dicom(str(tmp_path / f"{role}.dcm"), data, keywords)
        assert len(files) == 18
        back = load(tmp_path / role)
        np.testing.assert_allclose(back.affine, keywords["metadata"]["medsr"]["affine"], atol=1e-4)


def test_what_was_no_series_is_not_written_as_one(tmp_path):
    data, keywords, _ = layer_of(SCAN, "scan")
    with pytest.raises(UsageError, match="save as NIfTI"):
        write_dicom(str(tmp_path / "out"), data, keywords)
    assert not list(tmp_path.iterdir())


def test_a_layer_of_others_and_a_folder_that_is_missing_are_refused(tmp_path):
    data, keywords, _ = layer_of(SCAN, "scan")
    with pytest.raises(InputError, match="medsr reader"):
        write_file(str(tmp_path / "out.nii"), data, {"name": "cells", "metadata": {}})
    with pytest.raises(MedsrError):
        write_file(str(tmp_path / "gone" / "out.nii"), data, keywords)


def test_nothing_is_left_of_a_result_that_can_t_be_written(tmp_path):
    (data, keywords, _), _ = enhanced_layers(layer_of(SCAN, "scan"))
    (tmp_path / "out.nii").mkdir()
    with pytest.raises(MedsrError):
        write_file(str(tmp_path / "out.nii"), data, keywords)
    assert [path.name for path in tmp_path.iterdir()] == ["out.nii"]
