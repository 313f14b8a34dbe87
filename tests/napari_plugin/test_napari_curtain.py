"""The curtain shows one image on either side of its line, however napari asks for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from medsr_napari.curtain import Curtain

SHAPE = (4, 5, 6)
BEFORE, AFTER, LINE = np.zeros(SHAPE, np.float32), np.ones(SHAPE, np.float32), 9.0

one_key = st.one_of(st.integers(0, 3), st.just(slice(None)), st.builds(lambda a: slice(a, a + 1), st.integers(0, 3)))


@given(st.sampled_from([0, 1, 2, -1]), st.floats(0, 1), st.booleans(), st.tuples(one_key, one_key, one_key))
def test_any_part_is_that_of_the_whole(axis, share, mirrored, key):
    curtain = Curtain(BEFORE, AFTER, LINE)
    curtain.axis, curtain.share, curtain.mirrored = axis, share, mirrored
    np.testing.assert_array_equal(curtain[key], np.asarray(curtain)[key])
    np.testing.assert_array_equal(curtain[key[0]], np.asarray(curtain)[key[0]])


def test_before_is_on_one_side_and_after_on_the_other():
    curtain = Curtain(BEFORE, AFTER, LINE)
    assert np.asarray(curtain)[0, 0].tolist() == [0, 0, 0, 9, 1, 1]
    curtain.mirrored = True
    assert np.asarray(curtain)[0, 0].tolist() == [1, 1, 1, 9, 0, 0]
    curtain.axis = 0
    assert np.asarray(curtain)[:, 0, 0].tolist() == [1, 1, 9, 0]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("index", [0, 2, 5])
def test_the_line_goes_where_the_mouse_is(mirrored, index):
    curtain = Curtain(BEFORE, AFTER, LINE)
    curtain.mirrored = mirrored
    curtain.move_to(index)
    assert np.argmax(np.asarray(curtain)[0, 0]) == index
    curtain.move_to(-3)
    curtain.move_to(99)
    assert 0 <= curtain.share <= 1


def test_images_of_two_grids_are_refused():
    with pytest.raises(ValueError, match="shapes differ"):
        Curtain(BEFORE, AFTER[1:], LINE)
