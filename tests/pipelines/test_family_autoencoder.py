"""What the autoencoder of latent diffusion costs: nothing where nothing is lost, and what is written down of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from phantoms import head
from tiny_models import space_to_depth

from medsr.io import save
from medsr.model.conditioning import roughness
from medsr.physics.tasks import TASKS, degrade


@pytest.fixture
def script(family):
    return family("autoencoder_cost")


@pytest.fixture
def page(family):
    return family("family_page")


@pytest.fixture(scope="module")
def reference():
    return head((41, 40, 43))


@pytest.mark.parametrize("task", ["iso2", "thick5"])
def test_an_autoencoder_that_loses_nothing_costs_nothing(script, reference, task):
    found = script.decoded(space_to_depth(), reference, TASKS[task], 0.01)
    np.testing.assert_allclose(found, reference.data, atol=1e-4 * np.ptp(reference.data))
    cost = script.cost(space_to_depth(), reference, TASKS[task])
    assert cost["mask_psnr_db"] > 80 and cost["mask_gain_db"] > 40
    assert cost["lesions"] == pytest.approx(1, abs=1e-3) == cost["smallest_lesions"]
    assert cost["residual"] < 0.05


def test_one_that_decodes_nothing_leaves_the_estimate_that_details_are_added_to(script, reference, tmp_path):
    silent = space_to_depth()
    silent.detail.weight.zero_()
    scan, acquisition = degrade(reference, TASKS["iso2"])
    y = torch.from_numpy(np.array(scan.data))[None, None]
    expected = acquisition.op.ibp(y, roughness(0.01))[0, 0].numpy()
    found = script.decoded(silent, reference, TASKS["iso2"], 0.01)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.ptp(reference.data))
    save(reference, tmp_path / "sub-x_T1w.nii.gz")
    (found,) = script.costs(silent, [tmp_path / "sub-x_T1w.nii.gz"], ["iso2"])
    assert found["task"] == "iso2" and found["scans"] == 1
    assert found["mask_gain_db"] < 1
    assert found["smallest_lesions"] < found["lesions"] < 1


def test_the_page_tells_the_cost_or_that_it_is_not_measured(page):
    row = dict.fromkeys(page.AUTOENCODER, 0.5)
    text = page._table(page._left({"name": "latent", "autoencoder": [{"task": "iso2", **row}]}), "left")
    assert text.splitlines()[-2] == "| iso2 | 0.50 | 0.50 | +0.50 | 0.50 | 0.50 | 0.50 |"
    assert page._coded({"autoencoder": [row]}) and not page._coded({"name": "edm"})
