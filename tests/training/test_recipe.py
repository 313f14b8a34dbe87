from pathlib import Path

import pytest

from medsr.errors import UsageError
from medsr.training.recipe import read_recipe

RECIPE = Path(__file__).parents[2] / "pipelines" / "train" / "recipe.toml"


def changed(tmp_path: Path, old: str, new: str) -> Path:
    path = tmp_path / "recipe.toml"
    text = RECIPE.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_shipped_recipe_reads_and_its_paths_hang_on_its_folder() -> None:
    recipe = read_recipe(RECIPE)
    assert recipe.name == "medsr-base"
    assert recipe.packs.resolve() == (RECIPE.parents[2] / "packs" / "train").resolve()
    assert recipe.training.net.width == 96


@pytest.mark.parametrize(
    ("start", "expected"),
    [("medsr-base", "medsr-base"), ("runs/mine.safetensors", str(Path("FOLDER") / "runs" / "mine.safetensors"))],
)
def test_a_run_starts_from_a_packaged_model_or_from_a_file_beside_the_recipe(
    tmp_path: Path, start: str, expected: str
) -> None:
    path = changed(tmp_path, "version =", f'start = "{start}"\nversion =')
    assert read_recipe(path).start == expected.replace("FOLDER", str(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("curve_every", "curve_evry", "curve_evry"),
        ("warmup", "warmupp", "training.warmupp"),
        ("deep_width", "depth", "training.net.depth"),
        ("batch = 16", 'batch = "many"', "batch"),
        ("[training]", "[training", "TOML"),
    ],
)
def test_what_is_not_a_recipe_is_refused_by_name(tmp_path: Path, old: str, new: str, word: str) -> None:
    with pytest.raises(UsageError, match=word.replace(".", r"\.")):
        read_recipe(changed(tmp_path, old, new))


def test_a_missing_recipe_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"recipe\.toml"):
        read_recipe(tmp_path / "recipe.toml")
