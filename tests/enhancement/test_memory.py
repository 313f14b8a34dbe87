"""What is cut fits the memory, and takes no more work than it must."""

from __future__ import annotations

import dataclasses
from math import prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from phantoms import affine, blank, head
from tiny_models import tiny_model

from medsr.enhancement.enhancement import enhance
from medsr.enhancement.memory import (
    LEAST_BLOCK_VOX,
    PROCESS_BYTES,
    Sizes,
    block_for,
    free_memory,
    memory_of,
    seen_voxels,
    usable_memory,
)
from medsr.enhancement.posterior import WHOLE_VOXELS
from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import ResourceError
from medsr.model.weights import load_model
from medsr.physics.acquisition import acquisition_of

GIB = 2**30
MEAN = EnhanceSettings()
TINY = tiny_model()
SHIPPED = load_model(device="cpu")
MODELS = {
    (name, n_bytes): dataclasses.replace(model, dtype=dtype)
    for name, model in (("tiny", TINY), ("shipped", SHIPPED))
    for n_bytes, dtype in ((2, torch.bfloat16), (4, torch.float32))
}


def sizes(coarse, factor, most=5):
    solved = (coarse[0], coarse[1], coarse[2] * min(factor, most))
    return Sizes(coarse, solved, (coarse[0], coarse[1], coarse[2] * factor))


@given(st.tuples(*[st.integers(16, 400)] * 3), st.integers(1, 8), st.floats(0.6, 40), st.sampled_from(sorted(MODELS)))
def test_what_is_chosen_fits_and_less_memory_is_more_work(coarse, factor, gib, kind):
    model, found = MODELS[kind], sizes(coarse, factor)
    try:
        block = block_for(found, model, MEAN, int(gib * GIB))
    except ResourceError as error:
        assert "may be used" in str(error)
        return
    assert memory_of(found, block, model, MEAN) <= gib * GIB
    for side, n, n_solved in zip(block, coarse, found.solved, strict=True):
        assert side == n or side * n_solved / n >= LEAST_BLOCK_VOX / 2
    more = block_for(found, model, MEAN, int(2 * gib * GIB))
    assert seen_voxels(found, more, model, MEAN) <= seen_voxels(found, block, model, MEAN)


@pytest.mark.parametrize("n_bytes", [2, 4])
@pytest.mark.parametrize(
    ("coarse", "factor", "gib"), [((512, 512, 800), 2, 12), ((512, 512, 60), 5, 4), ((512, 512, 30), 10, 4)]
)
def test_large_scans_fit(n_bytes, coarse, factor, gib):
    model, found = MODELS["shipped", n_bytes], sizes(coarse, factor)
    block = block_for(found, model, MEAN, gib * GIB)
    assert memory_of(found, block, model, MEAN) <= gib * GIB
    assert seen_voxels(found, block, model, MEAN) < 4 * prod(found.solved)


def test_without_a_limit_large_scans_are_cut_into_pieces_that_take_little_more_work():
    found = sizes((512, 512, 400), 2)
    block = block_for(found, SHIPPED, MEAN, None)
    assert prod(block) * 2 <= WHOLE_VOXELS
    assert seen_voxels(found, block, SHIPPED, MEAN) < 1.7 * prod(found.solved)
    assert block_for(sizes((100, 100, 50), 2), SHIPPED, MEAN, None) == (100, 100, 50)


def test_axes_without_a_whole_number_factor_are_not_cut():
    found = Sizes((300, 300, 300), (300, 450, 600), (300, 450, 600))
    block = block_for(found, SHIPPED, MEAN, 6 * GIB)
    assert block[1] == 300
    assert min(block[0], block[2]) < 300
    with pytest.raises(ResourceError, match="whole-number factors"):
        block_for(Sizes((300, 300, 300), (450, 450, 450), (450, 450, 450)), SHIPPED, MEAN, 2 * GIB)


def test_a_result_finer_than_the_grid_of_the_network_takes_less_than_one_that_is_not():
    coarse = (200, 200, 20)
    capped, plain = sizes(coarse, 10), sizes(coarse, 10, most=10)
    assert memory_of(sizes(coarse, 5), coarse, SHIPPED, MEAN) < memory_of(capped, coarse, SHIPPED, MEAN)
    assert memory_of(capped, coarse, SHIPPED, MEAN) < memory_of(plain, coarse, SHIPPED, MEAN)


def test_smaller_tiles_take_less_and_an_uncertainty_more():
    found = sizes((200, 200, 40), 2)
    usual = memory_of(found, (100, 200, 40), SHIPPED, MEAN)
    assert memory_of(found, (100, 200, 40), SHIPPED, EnhanceSettings(tile=32)) < usual
    assert memory_of(found, (100, 200, 40), SHIPPED, EnhanceSettings(mode="uncertainty")) > usual


def test_freed_memory_is_returned_between_blocks_in_float32():
    """The block with its margins is the whole here, so that nothing else differs but the result beside it."""
    found = sizes((60, 60, 20), 2)
    for n_bytes, is_less in ((4, True), (2, False)):
        whole, cut = (memory_of(found, (n, 60, 20), MODELS["shipped", n_bytes], MEAN) for n in (60, 50))
        assert (cut < whole) == is_less


def test_finding_the_noise_and_writing_take_memory_however_small_the_blocks():
    large = (400, 400, 400)
    n = prod(large)
    assert memory_of(sizes(large, 1), (20, 20, 20), TINY, MEAN) > PROCESS_BYTES + 46 * n
    assert memory_of(sizes(large, 8, most=8), (20, 20, 20), TINY, MEAN) > PROCESS_BYTES + (10 * 8 + 8) * n


def test_the_grids_are_those_of_the_acquisition():
    scan = blank((20, 22, 10), affine((1.0, 1.0, 8.0)))
    assert Sizes.of(acquisition_of(scan)) == Sizes((20, 22, 10), (20, 22, 50), (20, 22, 80))


def test_a_region_that_does_not_fit_is_refused():
    scan, settings = head((40, 40, 20), (1.0, 1.0, 2.0)), EnhanceSettings(flips=0, region=((0, 0, 0), (40, 40, 20)))
    need = memory_of(sizes((40, 40, 20), 2), (40, 40, 20), TINY, settings)
    enhance(scan, TINY, settings, memory_bytes=need)
    with pytest.raises(ResourceError, match="choose a smaller region"):
        enhance(scan, TINY, settings, memory_bytes=need - 1)


def test_what_does_not_fit_is_refused_before_its_needs_are_told(monkeypatch):
    monkeypatch.setattr("medsr.enhancement.enhancement.LONG_VOXELS", 1)
    told = []
    with pytest.raises(ResourceError, match="may be used"):
        enhance(head((32, 32, 16), (1.0, 1.0, 2.0)), TINY, EnhanceSettings(), memory_bytes=1, on_estimate=told.append)
    assert told == []


def test_nobody_need_say_how_much_memory_there_is(monkeypatch):
    scan = head((32, 32, 16), (1.0, 1.0, 2.0))
    monkeypatch.setattr("medsr.enhancement.memory.free_memory", lambda: 2**20)
    with pytest.raises(ResourceError, match="may be used"):
        enhance(scan, TINY, EnhanceSettings(flips=0))


def test_free_memory_is_a_number_or_unknown():
    found = free_memory()
    assert found is None or found > 0


@pytest.mark.parametrize(
    ("device", "free", "usable"),
    [("cpu", 1000, 800), ("mps", 1000, 800), ("cpu", None, None), ("cuda", 1000, None)],
)
def test_most_of_the_free_memory_may_be_used_where_it_is_that_of_the_device(monkeypatch, device, free, usable):
    monkeypatch.setattr("medsr.enhancement.memory.free_memory", lambda: free)
    assert usable_memory(device) == usable


def test_gradients_through_a_network_need_what_its_layers_keep():
    model, found = MODELS["shipped", 2], sizes((64, 64, 16), 4)
    sample = EnhanceSettings(mode="sample")
    pulled = EnhanceSettings(mode="sample", data_step="gradient")
    led = dataclasses.replace(model, classifier=TINY)
    need = {
        name: memory_of(found, found.coarse, one, asked)
        for name, one, asked in (
            ("plain", model, sample),
            ("pulled", model, pulled),
            ("led", led, sample),
            ("mean", led, EnhanceSettings(data_step="gradient")),
        )
    }
    assert need["plain"] == need["mean"] < need["led"] < need["pulled"]
    measured = 597 - 435  # MiB more on a scan of 64 x 64 x 16 voxels, made 64^3
    assert measured <= (need["pulled"] - need["plain"]) / 2**20 < 2 * measured
