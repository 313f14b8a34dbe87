"""Series that hold several volumes: what tells them apart, and what is left together because nothing does."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_phantoms import make_frame
from hypothesis import given
from hypothesis import strategies as st

from medsr.io.dicom.splitting import split_volumes

SAGITTAL = np.array([[0.0, 1, 0], [0, 0, 1]])


def volume(n=4, first=0, **labels):
    """Axial frames 3 mm apart; a label that is a function tells its value for slice k."""
    return [
        make_frame(
            (0, 0, 3 * k),
            index=first + k,
            labels={name.replace("_", " "): str(v(k) if callable(v) else v) for name, v in labels.items()},
        )
        for k in range(n)
    ]


def sizes(parts):
    return sorted([len(frames) for frames in times] for times in parts)


def indices(times):
    return [sorted(frame.index for frame in frames) for frames in times]


@given(st.data())
def test_every_frame_is_in_one_volume_whatever_the_order(data):
    echoes, times = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    frames = [
        frame
        for e in range(echoes)
        for t in range(times)
        for frame in volume(first=100 * e + 10 * t, echo_time=5 * (e + 1), time_point=t + 1)
    ]
    parts = split_volumes(data.draw(st.permutations(frames)))
    assert sizes(parts) == [[4] * times] * echoes
    found = {tuple(map(tuple, indices(part))) for part in parts}
    assert found == {tuple(tuple(100 * e + 10 * t + k for k in range(4)) for t in range(times)) for e in range(echoes)}


def test_planes_matrices_and_origins_are_always_apart():
    sagittal = [make_frame((3 * k, 0, 0), directions=SAGITTAL) for k in range(4)]
    small = [make_frame((0, 0, 3 * k), shape=(3, 3)) for k in range(4)]
    assert sizes(split_volumes([*volume(), *sagittal, *small])) == [[4], [4], [4]]


@pytest.mark.parametrize("name", ["echo_time", "image_type", "b-value"])
def test_labels_that_are_never_mixed_make_volumes(name):
    frames = [*volume(**{name: 1}), *volume(first=10, **{name: 2})]
    assert sorted(indices(times)[0][0] for times in split_volumes(frames)) == [0, 10]


def test_labels_that_change_along_one_stack_do_not_split_it():
    assert sizes(split_volumes(volume(echo_time=lambda k: 5 + k % 2))) == [[4]]


def test_volumes_that_would_share_out_every_second_slice_are_not_made():
    first, second = volume(echo_time=lambda k: 5 + k % 2), volume(first=10, echo_time=lambda k: 5 + k % 2)
    assert sizes(split_volumes([*first, *second])) == [[8]]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("time_point", (lambda k: 9, lambda k: 10)),
        ("trigger_time", (lambda k: 100 + k, lambda k: 900 + 3 * k)),
        ("direction", (lambda k: "[0, 0, 1]", lambda k: "[1, 0, 0]")),
        ("acquisition", (lambda k: 9, lambda k: 10)),
        ("acquisition_time", (lambda k: 100000.5 + k, lambda k: 100900 + k)),
        ("instance_number", (lambda k: 9 - k, lambda k: 20 - k)),
    ],
)
def test_time_points_come_in_order_of_what_tells_them_apart(name, values):
    later, earlier = volume(**{name: values[1]}), volume(first=10, **{name: values[0]})
    (times,) = split_volumes([*later, *earlier])
    assert sorted(indices(times)) == [[0, 1, 2, 3], [10, 11, 12, 13]]
    if name != "direction":
        assert indices(times) == [[10, 11, 12, 13], [0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("time_point", (1, lambda k: 2 + k // 2)),
        ("acquisition", (1, 1)),
        ("instance_number", (lambda k: 2 * k, lambda k: 2 * k + 1)),
    ],
)
def test_what_no_label_tells_apart_stays_together(name, values):
    frames = [*volume(**{name: values[0]}), *volume(first=10, **{name: values[1]})]
    assert sizes(split_volumes(frames)) == [[8]]


def test_an_unfinished_time_point_keeps_the_whole_together():
    assert sizes(split_volumes([*volume(time_point=1), *volume(3, first=10, time_point=2)])) == [[7]]
