from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_reports import made_trial, made_views

from medsr.errors import InputError
from medsr.validation.view_files import read_views, write_views
from medsr.validation.views import MOST_PIXELS, MOST_VOXELS, REFERENCE, views_of

BOUND = 2.2e6  # bytes of a file for a scan of nothing but noise


def test_what_is_written_is_read_again_and_the_same_bytes_come_out(tmp_path: Path) -> None:
    views = made_views()
    paths = [tmp_path / "a.npz", tmp_path / "b.npz"]
    for path in paths:
        write_views(views, path)
    again = read_views(paths[0])
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert (again.scan, again.task, again.window, again.located_by) == (
        views.scan,
        views.task,
        views.window,
        views.located_by,
    )
    np.testing.assert_array_equal(again.affine, views.affine)
    for one, two in zip(views.planes, again.planes, strict=True):
        assert (one.plane, one.spacing_mm, one.place) == (two.plane, two.spacing_mm, two.place)
        assert list(one.images) == list(two.images)
        for name in one.images:
            np.testing.assert_array_equal(one.images[name], two.images[name])
        for name in one.differences:
            np.testing.assert_array_equal(one.differences[name], two.differences[name])
    for name in views.volumes:
        np.testing.assert_array_equal(views.volumes[name], again.volumes[name])


def test_a_large_scan_of_pure_noise_stays_small(tmp_path: Path) -> None:
    trial = made_trial()
    shape = (360, 340, 120)
    noise = 100 + 10 * np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    large = replace(trial, reference=trial.reference.with_data(noise), mask=np.ones(shape, bool))
    views = views_of("a", "t", large, {name: noise + np.float32(1) for name in ("ibp", "mean")})
    write_views(views, tmp_path / "a.npz")
    assert max(max(plane.images[REFERENCE].shape) for plane in views.planes) == MOST_PIXELS
    assert all(volume.size <= MOST_VOXELS for volume in views.volumes.values())
    assert (tmp_path / "a.npz").stat().st_size < BOUND


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("views") / "a.npz"
    write_views(made_views((24, 26, 20)), path)
    return path.read_bytes()


@given(content=st.binary(max_size=64), cut=st.floats(0, 1), flip=st.integers(0, 255))
def test_junk_is_refused_in_one_line(
    content: bytes, cut: float, flip: int, written: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("junk") / "a.npz"
    place = int(cut * (len(written) - 1))
    for junk in (content, written[:place], written[:place] + bytes([flip]) * 40 + written[place + 40 :]):
        path.write_bytes(junk)
        try:
            read_views(path)  # a flipped byte may fall where nothing is checked
        except InputError as error:
            assert "\n" not in str(error)


def test_other_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", meta=np.zeros(3))
    np.savez(tmp_path / "b.npz", meta=np.array([{"a": 1}], dtype=object))
    np.savez(tmp_path / "c.npz", meta=np.frombuffer(b'{"schema": 99}', np.uint8))
    for name in ("a.npz", "b.npz", "c.npz", "missing.npz"):
        with pytest.raises(InputError):
            read_views(tmp_path / name)
