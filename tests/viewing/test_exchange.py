"""A volume arrives as it was sent, and leaves nothing behind."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from phantoms import affines, shapes

from medsr.errors import ResourceError
from medsr.viewing.exchange import facts_of, outline, packed, unpacked
from medsr.volume import Forms, Source, Volume


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(affines(), shapes())
def test_a_volume_arrives_as_it_was_sent(tmp_path, matrix, shape):
    data = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    source = Source("dicom", "ab", "int16", "T1w", ("gap filled",), forms=Forms(4, 1, ((1.0, 0.0), (0.0, 1.0))))
    volume = Volume(data, matrix, "CT", 4.0, 1, source=source)
    back = unpacked(json.loads(json.dumps(packed(volume, tmp_path))))
    np.testing.assert_array_equal(back.data, data)
    np.testing.assert_array_equal(back.affine, volume.affine)
    same = {field.name for field in dataclasses.fields(Volume)} - {"data", "affine"}
    assert all(getattr(back, name) == getattr(volume, name) for name in same)
    assert not list(tmp_path.iterdir())


def test_an_outline_is_the_grid_without_voxels():
    volume = Volume(np.ones((4, 5, 6), np.float32), np.diag([1.0, 2.0, 3.0, 1.0]))
    found = outline(json.loads(json.dumps(facts_of(volume))))
    assert found.shape == volume.shape
    assert found.data.strides == (0, 0, 0)
    np.testing.assert_array_equal(found.affine, volume.affine)


def test_voxels_that_are_gone_are_said_to_be(tmp_path):
    message = packed(Volume(np.ones((2, 2, 2), np.float32), np.eye(4)), tmp_path)
    unpacked(dict(message))
    with pytest.raises(ResourceError, match="try again"):
        unpacked(message)


def test_a_folder_that_is_gone_is_said_to_be(tmp_path):
    with pytest.raises(ResourceError, match="free some disk space"):
        packed(Volume(np.ones((2, 2, 2), np.float32), np.eye(4)), tmp_path / "gone")
