"""False blobs are those that the reference does not have."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medsr.metrics.blobs import false_lesions

SHAPE, SPACING = (40, 40, 40), (1.0, 1.0, 1.0)
MASK = np.ones(SHAPE, dtype=bool)


def ball(place, radius: float = 3.0) -> np.ndarray:
    axes = np.ogrid[tuple(slice(0, n) for n in SHAPE)]
    distance = np.sqrt(sum((a - p) ** 2.0 for a, p in zip(axes, place, strict=True)))
    return np.clip(radius - distance + 0.5, 0, 1)


def reference() -> np.ndarray:
    return 0.05 * ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(SHAPE), 1.0) + ball((10, 10, 10))


def test_the_reference_has_no_false_ones():
    assert false_lesions(reference(), reference(), MASK, SPACING, 6.0).per_litre == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_every_ball_that_was_added_is_counted(sign):
    x = reference() + sign * (ball((28, 28, 28)) + ball((28, 12, 28)))
    found = false_lesions(x, reference(), MASK, SPACING, 6.0)
    assert found.per_litre == pytest.approx(2 / 0.064)
    assert found.reference_per_litre >= 1 / 0.064


def test_a_ball_outside_the_mask_or_one_that_is_there_twice_as_bright_is_not_false():
    mask = MASK.copy()
    mask[20:] = False
    assert false_lesions(reference() + ball((28, 28, 28)), reference(), mask, SPACING, 6.0).per_litre == 0
    assert false_lesions(reference() + ball((10, 10, 10)), reference(), MASK, SPACING, 6.0).per_litre == 0


def test_size_is_in_mm():
    x = reference() + ball((28, 28, 28))
    same = false_lesions(x, reference(), MASK, SPACING, 6.0)
    larger = false_lesions(x, reference(), MASK, (2.0, 2.0, 2.0), 12.0)
    assert larger.per_litre == pytest.approx(same.per_litre / 8)
