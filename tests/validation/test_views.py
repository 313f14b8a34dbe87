from dataclasses import replace

import numpy as np
import pytest
from made_reports import made_trial

from medsr.validation.trial import Trial
from medsr.validation.views import CT_WINDOWS_HU, DIFFERENCE_SHARE, FULL, PLANES, REFERENCE, views_of, window_of

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
    views = views_of("a", "t", trial, {"linear": wrong_at(trial, PLACE), "wiener": wrong_at(trial, (12, 15, 15))})
    assert views.located_by == "linear"
    assert set(views.planes[0].differences) == set(views.volumes) - {REFERENCE} == {"linear", "wiener"}


def test_pictures_show_total_variation_between_the_linear_methods_and_the_learned_ones(trial: Trial) -> None:
    measured = ("nearest", "cubic", "ibp", "wiener", "tv", "mean", "sample", "band_limited")
    views = views_of("a", "t", trial, dict.fromkeys(measured, wrong_at(trial, PLACE)))
    for plane in views.planes:
        assert list(plane.images) == [REFERENCE, "cubic", "ibp", "tv", "mean", "sample"]
        assert list(plane.differences) == ["cubic", "ibp", "tv", "mean", "sample"]
    assert set(views.volumes) == {REFERENCE, "ibp", "mean"}  # which weigh the most


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
