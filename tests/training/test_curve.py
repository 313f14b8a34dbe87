"""The learning curve as numbers, file and picture."""

from __future__ import annotations

import pytest
import torch
from small_scans import small_scans
from tiny_models import CODED, space_to_depth, tiny_net

from medsr.diffusion.processes import PROCESSES
from medsr.model.nets import network_of
from medsr.training.curve import TASKS, append_row, by_task, gains_db, make_probes, plot_curve, read_curve, restored

CPU = torch.device("cpu")
NAMES = [f"sub-{s}_T1w {task}" for s in ("a", "b") for task in TASKS]


def gains(value):
    return {name: value + 0.1 * number for number, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def probes():
    return make_probes(small_scans()[:2], CPU)


def test_every_scan_is_probed_under_every_task(probes):
    assert [probe.name for probe in probes] == [f"sub-{s} {task}" for s in ("a_T1w", "b_T2w") for task in TASKS]
    for probe in probes:
        assert probe.ibp.shape == probe.truth.shape
        assert probe.name.endswith(probe.task)


def test_probes_degrade_the_axes_of_their_task(probes):
    factors = {
        probe.name: [1 if axis is None else axis.n_fine / axis.n_coarse for axis in probe.op.axes] for probe in probes
    }
    assert factors["sub-a_T1w iso2"] == [2, 2, 2]
    assert factors["sub-b_T2w iso4"] == [4, 4, 1]
    assert factors["sub-a_T1w thick5"] == [1, 1, pytest.approx(5, rel=0.1)]
    assert factors["sub-b_T2w thick5"] == [pytest.approx(5, rel=0.1), 1, 1]


def test_a_network_that_says_nothing_gains_nothing(probes):
    found = gains_db(tiny_net(silent=True), probes)
    assert list(found) == [probe.name for probe in probes]
    assert all(abs(gain) < 1e-3 for gain in found.values())


def test_a_network_of_chance_gains_something_else(probes):
    found = gains_db(tiny_net(), probes)
    assert all(abs(gain) > 1e-4 for gain in found.values())


def test_an_autoencoder_gains_what_it_keeps_of_the_truth(probes):
    assert all(gain > 60 for gain in gains_db(space_to_depth(), probes, PROCESSES["autoencoder"]).values())
    silent = space_to_depth()
    silent.detail.weight.zero_()
    assert all(abs(gain) < 1e-3 for gain in gains_db(silent, probes, PROCESSES["autoencoder"]).values())


def test_samples_of_codes_are_projected_onto_the_scan(probes):
    torch.manual_seed(0)
    net = network_of(CODED, CODED)
    found = restored(net, probes[0], PROCESSES["latent"])
    assert found.shape == probes[0].truth.shape
    torch.testing.assert_close(probes[0].op(found), probes[0].y, atol=1e-4, rtol=0)


def test_probes_can_be_seen_through_another_profile_than_is_told(probes):
    wrong = make_probes(small_scans()[:2], CPU, ("box", 1.25))
    for told, seen in zip(probes, wrong, strict=True):
        assert (seen.name, seen.op) == (told.name, told.op)
        assert torch.equal(seen.truth, told.truth)
        assert torch.equal(seen.numbers, told.numbers)
        assert seen.y.shape == told.y.shape
        assert not torch.equal(seen.y, told.y)
        torch.testing.assert_close(seen.op(seen.ibp), seen.y, atol=1e-4, rtol=0)
    assert all(abs(gain) < 1e-3 for gain in gains_db(tiny_net(silent=True), wrong).values())


def test_gains_are_averaged_per_task():
    assert by_task(gains(1.0)) == {task: pytest.approx(1.0 + 0.1 * n + 0.15) for n, task in enumerate(TASKS)}


def test_rows_come_back(tmp_path):
    path = tmp_path / "curve.csv"
    append_row(path, 100, 0.98765, gains(0.0))
    append_row(path, 200, 0.9, gains(0.5))
    header, rows = read_curve(path)
    assert header == ["step", "loss", *NAMES]
    assert rows[0] == pytest.approx([100, 0.9877, *gains(0.0).values()])
    assert rows[1] == pytest.approx([200, 0.9, *gains(0.5).values()])


def test_of_a_step_written_twice_the_later_row_counts(tmp_path):
    """After a kill a run goes back to its checkpoint and writes the steps since then again."""
    path = tmp_path / "curve.csv"
    for step, value in ((100, 0.1), (200, 0.2), (300, 0.3), (200, 2.2), (300, 3.3), (400, 4.4)):
        append_row(path, step, value, gains(value))
    _, rows = read_curve(path)
    assert [row[0] for row in rows] == [100, 200, 300, 400]
    assert [row[1] for row in rows] == [0.1, 2.2, 3.3, 4.4]


def test_the_curve_is_plotted(tmp_path):
    from matplotlib import pyplot

    for step in (100, 200):
        append_row(tmp_path / "curve.csv", step, 0.9, gains(step / 100))
    plot_curve(tmp_path / "curve.csv", tmp_path / "curve.png")
    height, width, _ = pyplot.imread(tmp_path / "curve.png").shape
    assert width > height > 300
    assert pyplot.get_fignums() == []
