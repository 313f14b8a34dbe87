"""A model card's numbers come from result files of the same weights, or it says that they are missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from card_folders import write_card, write_weights

from medsr.cards.check import check_cards
from medsr.cards.model_card import collect, read_model_card
from medsr.cards.render import (
    Goal,
    Goals,
    assumptions_table,
    curve_table,
    is_rendering,
    lesions_table,
    levels_table,
    missed,
    render_card,
    rendered,
    textures_table,
)
from medsr.cards.weights import read_weights
from medsr.errors import InputError

GOALS = 'over_tv_db = 0.3\n[gains]\n"x_T1w" = { iso2 = 1.0, thick5 = 0.5 }\n'
TEMPLATE = "# {{ card.name }}\n\n{{ tables.levels }}\n{{ missed | join('; ') }}\n{{ tables.variants }}\n"
SHIPPED = Path(__file__).resolve().parents[2] / "data_cards" / "medsr-base"


@pytest.fixture
def made(tmp_path):
    """Folder of a model card, weights, results measured on them, and the data card that they name."""
    data = write_card(tmp_path)
    weights = write_weights(tmp_path / "tiny.safetensors", (data,))
    folder = tmp_path / "cards" / "tiny"
    folder.mkdir()
    (folder / "template.md").write_text(TEMPLATE, encoding="utf-8")
    (folder / "goals.toml").write_text(GOALS, encoding="utf-8")
    results = tmp_path / "results"
    results.mkdir()
    model = {"name": "tiny", "version": "1.0.0", "sha256": read_weights(weights).sha256}
    levels = {"cubic": 20.0, "ibp": 21.0, "tv": 21.5, "mean": 22.25}
    scores = [
        {"scan": "sub-x_T1w", "task": "iso2", "method": name, "psnr_db": level, "ssim": None}
        for name, level in levels.items()
    ]
    write(results / "validation.json", {"model": model, "scores": scores})
    rows = [{"scan": "x_T1w", "task": "iso2, box", "gain_over_ibp_db": 1.125}]
    write(results / "variants.json", {"model": model, "rows": rows})
    return folder, weights, results, data


def write(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")


def test_numbers_are_read_from_the_results(made):
    folder, weights, results, _ = made
    card = render_card(folder, weights, results)
    text = (folder / "card.md").read_text(encoding="utf-8")
    assert card.levels[0].gain_db("mean", "ibp") == pytest.approx(1.25)
    assert "| x_T1w | iso2 | 20.00 | 21.00 | 21.50 | 22.25 | +1.25 | 1 reached | +0.75 |" in text
    assert "x_T1w at thick5: not measured" in text
    assert "+1.12" in text
    assert set(card.sources) == {"validation.json", "variants.json"}
    assert read_model_card(folder) == card
    assert is_rendering(folder)


def test_what_was_not_measured_says_so(made):
    folder, weights, results, _ = made
    for path in results.iterdir():
        path.unlink()
    render_card(folder, weights, results)
    assert (folder / "card.md").read_text(encoding="utf-8").count("not measured") == 4


def test_a_result_of_other_weights_or_of_unknown_ones_is_refused(made):
    folder, weights, results, _ = made
    write(results / "speed.json", {"model": {"sha256": "0" * 64}, "seconds": {}})
    with pytest.raises(InputError, match=r"speed\.json measured weights 0000"):
        render_card(folder, weights, results)
    write(results / "speed.json", {"seconds": {}})
    with pytest.raises(InputError, match="does not say which weights"):
        collect(read_weights(weights), results)
    assert not (folder / "card.md").exists()


def test_a_typed_number_is_found(made):
    folder, weights, results, data = made
    render_card(folder, weights, results)
    assert check_cards((folder, data), None, read_weights(weights)) == ()
    text = (folder / "card.md").read_text(encoding="utf-8")
    (folder / "card.md").write_text(text.replace("22.25", "25.25"), encoding="utf-8")
    assert [problem.rule for problem in check_cards((folder, data), None, read_weights(weights))] == ["rendering"]


def test_a_card_of_other_weights_is_found(made, tmp_path):
    folder, weights, results, data = made
    render_card(folder, weights, results)
    other = read_weights(write_weights(tmp_path / "other.safetensors", (data,), licence="MIT"))
    found = {problem.text.split()[0] for problem in check_cards((folder, data), None, other)}
    assert found == {"weights", "licence"}


@pytest.mark.parametrize("text", ["{{ card.colour }}", "{{ unknown }}", "{% if %}"])
def test_a_template_with_a_slip_is_refused(made, text):
    folder, weights, results, _ = made
    (folder / "template.md").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"template\.md"):
        render_card(folder, weights, results)


def test_a_goal_counts_as_reached_at_two_digits(made):
    _, weights, results, _ = made
    card = collect(read_weights(weights), results)
    reached = Goals((Goal("x_T1w", "iso2", 1.25),), 0.75)
    not_reached = Goals((Goal("x_T1w", "iso2", 1.26),), 0.76)
    assert missed(card, reached) == []
    assert missed(card, not_reached) == ["x_T1w at iso2: +1.25 of 1.26 dB"]
    assert "not reached" not in levels_table(card, reached)
    assert levels_table(card, not_reached).count("not reached") == 2


def test_lesions_below_what_was_asked_for_are_bold():
    rows = [
        {"scan": "sub-a_T1w", "task": "thick5", "diameter_mm": size, "n": 13, "worst": worst, "median": 0.987}
        for size, worst in ((4.0, 0.904), (8.0, 0.88))
    ]
    *_, line = lesions_table(rows).splitlines()
    assert line == "| a_T1w | thick5 | 0.90 / 0.99 of 13 | **0.88** / 0.99 of 13 |"
    assert lesions_table([]) == "not measured"


def test_samples_that_are_not_what_was_asked_for_are_bold():
    rows = [
        {"scan": "sub-a_T1w", "high_frequency_power_ratio_sample": 1.254},
        {"scan": "sub-b_CT", "high_frequency_power_ratio_sample": 4.47},
    ]
    *_, first, second = textures_table(rows).splitlines()
    assert first == "| a_T1w | 1.25 |"
    assert second == "| b_CT | **4.47** |"
    assert textures_table([]) == "not measured"


def test_the_shipped_card_is_what_its_parts_give():
    text = (SHIPPED / "card.md").read_text(encoding="utf-8")
    assert text == rendered(read_model_card(SHIPPED), SHIPPED)
    assert "not measured" not in text


def test_the_learning_curve_is_read_at_the_steps_that_are_named(tmp_path):
    (tmp_path / "curve.csv").write_text("step,loss,sub-x_T1w iso2\n100,0.5,0.125\n200,0.4,-0.25\n", encoding="utf-8")
    table = curve_table(tmp_path / "curve.csv", (100, 200))
    assert table.splitlines()[0] == "| scan and task | step 100 | step 200 |"
    assert table.splitlines()[2] == "| x_T1w iso2 | +0.12 | -0.25 |"


@pytest.mark.parametrize("content", [None, "", "step,loss\n", "step,loss,x iso2\n100,0.5,much\n"])
def test_a_curve_without_its_step_is_refused(tmp_path, content):
    path = tmp_path / "curve.csv"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="no learning curve with steps 100"):
        curve_table(path, (100,))


def test_wrong_assumptions_are_told_by_scan_and_task_and_without_a_truth_they_lose_nothing():
    rows = [
        {"scan": "sub-x_T1w", "task": "iso2", "over_cubic_db": gain, "lost_db": lost}
        for gain, lost in ((1.0, 0.25), (3.0, 0.75), (2.0, None))
    ]
    assert assumptions_table(rows).splitlines()[2] == "| x_T1w | iso2 | 3 | +1.00 | +2.00 | 0.50 | 0.75 |"
    assert assumptions_table([]) == "not measured"
