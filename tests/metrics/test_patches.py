"""Patches that contradict the reference are flagged, and only those."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from medsr.metrics.patches import SIDE_VOX, flagged_patches

SHAPE = (48, 48, 48)
EVERYWHERE = np.ones(SHAPE, dtype=bool)
COARSE = (48, 48, 12)


def texture(seed: int = 0) -> np.ndarray:
    return ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(SHAPE), 1.5)


def test_the_reference_itself_has_none():
    assert flagged_patches(2 * texture() + 5, texture(), EVERYWHERE, (2,), COARSE) == (0, 27)


def test_another_scan_is_flagged_everywhere():
    flagged, n = flagged_patches(texture(1), texture(), EVERYWHERE, (2,), COARSE)
    assert flagged == n


def test_one_wrong_corner_flags_the_patches_there():
    x = texture()
    x[:20, :20, :20] = texture(1)[:20, :20, :20]
    flagged, n = flagged_patches(x, texture(), EVERYWHERE, (2,), COARSE)
    assert 1 <= flagged < n / 2


def test_what_differs_beyond_the_measured_band_alone_is_not_flagged():
    spectrum = np.fft.fft(texture(), axis=2)
    spectrum[:, :, np.abs(np.fft.fftfreq(48)) > 0.25] *= -1
    x = np.fft.ifft(spectrum, axis=2).real
    assert flagged_patches(x, texture(), EVERYWHERE, (2,), COARSE)[0] == 0


def test_patches_outside_the_mask_do_not_count_and_thin_scans_have_one_layer():
    mask = np.zeros(SHAPE, dtype=bool)
    mask[:SIDE_VOX, :SIDE_VOX, :SIDE_VOX] = True
    assert flagged_patches(texture(1), texture(), mask, (2,), COARSE) == (1, 1)
    thin = [a[:, :, :10] for a in (texture(), texture(), EVERYWHERE)]
    assert flagged_patches(*thin, (2,), (48, 48, 3))[1] == 9
