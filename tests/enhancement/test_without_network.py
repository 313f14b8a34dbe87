"""Where the network's answer lies beyond all that a scan shows, one without the network is given and said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import head
from tiny_models import tiny_model

from medsr.enhancement.assumed import told_by_voxels
from medsr.enhancement.enhancement import enhance
from medsr.enhancement.overshoot import MOST
from medsr.enhancement.settings import EnhanceSettings
from medsr.physics.tasks import Task, degrade

FINE = head((64, 64, 64), (1.0, 1.0, 1.0))
SCAN = degrade(FINE, Task("plain", factor=2, profile="kspace"))[0]
THICK = replace(degrade(FINE, Task("thick", thick_mm=4.0, profile="trapezoid"))[0], thickness_mm=None)
QUICK = EnhanceSettings(flips=0, noise=1.0)


def loud_model():
    """A model whose detail is far larger than any scan's."""
    model = tiny_model()
    with torch.no_grad():
        model.net.tail.weight *= 200.0
    return model


LOUD = loud_model()


def left_out(record):
    return [text for text in record.warnings if "the network was left out" in text]


@pytest.mark.parametrize("scan", [SCAN, THICK], ids=["3D", "slices"])
def test_the_network_is_left_out_where_its_detail_lies_beyond_the_scan(scan):
    loud = enhance(scan, LOUD, replace(QUICK, profile="kspace"))
    assert loud.record.overshoot > MOST
    (said,) = left_out(enhance(scan, LOUD, QUICK).record)
    assert "back-projection" in said
    result, silent = (
        enhance(scan, LOUD, QUICK),
        enhance(scan, tiny_model(silent=True), replace(QUICK, profile="kspace")),
    )
    np.testing.assert_array_equal(result.volume.data, silent.volume.data)
    assert result.record.overshoot <= MOST
    assert {one["profile"] for one in result.record.task["assumed"] if one} == {"kspace"}


def test_a_region_is_only_warned_of():
    record = enhance(SCAN, LOUD, replace(QUICK, region=((8, 8, 8), (24, 24, 24)))).record
    assert not left_out(record)
    assert any("sharpened too much" in text for text in record.warnings)


def test_what_is_told_or_sampled_or_uncertain_is_not_replaced():
    assert not left_out(enhance(SCAN, LOUD, replace(QUICK, profile="kspace")).record)
    assert not left_out(enhance(SCAN, LOUD, QUICK, told_by_voxels(SCAN, QUICK)[1]).record)
    assert not left_out(enhance(SCAN, LOUD, replace(QUICK, mode="uncertainty", samples=2, steps=1)).record)
    assert not left_out(enhance(SCAN, tiny_model(silent=True), QUICK).record)
