from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_reports import made_trial, made_views

from medsr.errors import InputError
from medsr.validation import Trial
from medsr.views import (
    CT_WINDOWS_HU,
    DIFFERENCE_SHARE,
    FULL,
    MOST_PIXELS,
    MOST_VOXELS,
    PLANES,
    REFERENCE,
    read_views,
    views_of,
    window_of,
    write_views,
)

BOUND = 2.2e6  # bytes of a file for a scan of nothing but noise
PLACE = (25, 30, 20)


@pytest.fixture(scope="module")
def trial() -> Trial:
    return made_trial()


def wrong_at(trial: Trial, place: tuple[int, int, int], by: float = 500.0) -> np.ndarray:
    x = np.array(trial.reference.data)
    x[tuple(slice(p - 1, p + 2) for p in place)] += np.float32(by)
    return x


def test_slices_run_through_the_largest_local_error_of_the_mean(trial: Trial) -> None:
    views = views_of("a", "t", trial, {"ibp": wrong_at(trial, (12, 15, 15)), "mean": wrong_at(trial, PLACE)})
    assert views.located_by == "mean"
    assert [plane.plane for plane in views.planes] == list(PLANES)
    for plane in views.planes:
        assert plane.differences["mean"][plane.place] == FULL
        assert plane.images[REFERENCE].shape == plane.images["mean"].shape == plane.differences["ibp"].shape


def test_without_a_mean_the_first_method_says_where(trial: Trial) -> None:
    views = views_of("a", "t", trial, {"tv": wrong_at(trial, PLACE), "wiener": wrong_at(trial, (12, 15, 15))})
    assert views.located_by == "tv"
    assert set(views.planes[0].differences) == set(views.volumes) - {REFERENCE} == {"tv", "wiener"}


def test_superior_and_anterior_are_on_top_and_right_and_anterior_on_the_left(trial: Trial) -> None:
    """A step towards R, A or S moves the place of the error left or up; nothing else moves it."""
    places = {}
    for name, step in {"here": (0, 0, 0), "R": (3, 0, 0), "A": (0, 3, 0), "S": (0, 0, 3)}.items():
        at = (PLACE[0] + step[0], PLACE[1] + step[1], PLACE[2] + step[2])
        places[name] = [plane.place for plane in views_of("a", "t", trial, {"mean": wrong_at(trial, at)}).planes]
    moves = {
        name: [tuple(np.subtract(p, q)) for p, q in zip(places[name], places["here"], strict=True)] for name in "RAS"
    }
    assert moves == {"R": [(0, 0), (0, -3), (0, -3)], "A": [(0, -3), (0, 0), (-3, 0)], "S": [(-3, 0), (-3, 0), (0, 0)]}


def test_differences_are_signed_shares_of_the_window_and_one_window_serves_all(trial: Trial) -> None:
    low, high = window_of(trial.reference, trial.mask, PLACE)
    by = DIFFERENCE_SHARE * (high - low) / 2
    views = views_of("a", "t", trial, {"cubic": wrong_at(trial, PLACE, -by), "mean": wrong_at(trial, PLACE, by)})
    plane = views.planes[0]
    assert views.window == (low, high)
    np.testing.assert_allclose(plane.differences["mean"][plane.place], FULL / 2, atol=1)
    np.testing.assert_array_equal(plane.differences["mean"], -plane.differences["cubic"])


def test_ct_is_shown_in_the_window_of_the_tissue_around_the_place(trial: Trial) -> None:
    for value, window in ((-800.0, "lung"), (40.0, "soft tissue"), (700.0, "bone")):
        flat = replace(trial.reference, data=np.full(trial.reference.shape, value, np.float32), modality="CT")
        assert window_of(flat, trial.mask, PLACE) == CT_WINDOWS_HU[window]


def test_the_volume_keeps_spacing_and_directions_but_not_where_the_patient_lay(trial: Trial) -> None:
    views = views_of("a", "t", trial, {"mean": wrong_at(trial, PLACE)})
    np.testing.assert_allclose(views.affine[:3, :3], trial.reference.affine[:3, :3])
    shape = np.array(views.volumes[REFERENCE].shape)
    np.testing.assert_allclose(views.affine @ [*(shape - 1) / 2, 1], [0, 0, 0, 1], atol=1e-9)


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


def test_a_large_scan_of_pure_noise_stays_small(tmp_path: Path, trial: Trial) -> None:
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
