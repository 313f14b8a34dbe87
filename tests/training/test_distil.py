"""Laws of distillation: what a teacher tells is the end of its probability flow."""

from __future__ import annotations

import pytest
import torch
from tiny_models import tiny_model

from medsr.errors import UsageError
from medsr.model.inputs import N_MAPS, N_SCAN_CONDITIONS
from medsr.training.distil import Distil, Teacher, flow_end, teacher_of
from medsr.training.recipe import read_recipe

MEANS = torch.tensor([0.5, -1.0, 0.0], dtype=torch.float64)
VARIANCES = torch.tensor([0.2, 0.6, 1.0], dtype=torch.float64)
LEVELS = torch.tensor([2.65, 0.5], dtype=torch.float64)


def white(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def wide(sigma):
    return sigma[:, None, None, None, None]


def denoise(x, sigma):
    return MEANS + VARIANCES / (VARIANCES + wide(sigma) ** 2) * (x - MEANS)


@pytest.mark.parametrize(("n_steps", "tolerance"), [(4, 0.1), (60, 2e-3)])
def test_the_flow_of_a_gaussian_ends_where_it_must(n_steps, tolerance):
    """Each patch walks from a level of its own."""
    x = MEANS + torch.sqrt(VARIANCES + wide(LEVELS) ** 2) * white((2, 1, 1, 50, 3))
    ends = MEANS + torch.sqrt(VARIANCES / (VARIANCES + wide(LEVELS) ** 2)) * (x - MEANS)
    found = flow_end(denoise, x, LEVELS, n_steps)
    assert torch.sqrt(((found - ends) ** 2).mean()) < tolerance


def test_one_step_is_the_teachers_answer_and_each_more_is_two_evaluations():
    asked = []

    def counting(x, sigma):
        asked.append(sigma)
        return denoise(x, sigma)

    x = white((2, 1, 1, 4, 3))
    torch.testing.assert_close(flow_end(denoise, x, LEVELS, 1), denoise(x, LEVELS))
    flow_end(counting, x, LEVELS, 4)
    assert len(asked) == 2 * 4 - 1
    with pytest.raises(ValueError, match="at least 1"):
        flow_end(denoise, x, LEVELS, 0)


def test_a_teacher_tells_the_truth_of_the_mean_and_its_flow_elsewhere():
    model = tiny_model()
    detail, noise = (white((2, 1, 12, 12, 12), seed).float() for seed in (1, 2))
    maps, scan = torch.zeros(2, N_MAPS - 1, 12, 12, 12), torch.zeros(2, N_SCAN_CONDITIONS)
    found = Teacher(model, 2)(detail, maps, scan, torch.tensor([torch.inf, 0.5]), noise)
    assert torch.equal(found[0], detail[0])
    assert torch.isfinite(found).all() and not torch.equal(found[1], detail[1])


def test_a_teachers_file_lies_beside_the_recipe(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(
        'name = "few"\nversion = "0"\npacks = "p"\nvalidation_packs = "v"\nrun = "r"\n[training]\nprocess = "edm_few"\n'
        '[training.distil]\nteacher = "mine.safetensors"\n'
    )
    assert read_recipe(path).training.distil == Distil(str(tmp_path / "mine.safetensors"))
    path.write_text(path.read_text().replace("mine.safetensors", "medsr-base"))
    recipe = read_recipe(path)
    assert recipe.training.distil == Distil("medsr-base")
    assert teacher_of(recipe.training.distil, "detail", torch.device("cpu")).model.spec.name == "medsr-base"
    with pytest.raises(UsageError, match="can't teach"):
        teacher_of(recipe.training.distil, "scan", torch.device("cpu"))
    path.write_text(path.read_text() + "steps = 0\n")
    with pytest.raises(UsageError, match="at least 1"):
        read_recipe(path)
