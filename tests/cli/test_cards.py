"""`medsr cards` from the command line: exit codes and what is said."""

from __future__ import annotations

import json

import pytest
from card_folders import write_card, write_weights

from medsr.cli.app import run


@pytest.fixture(autouse=True)
def _no_scans(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDSR_DATA", str(tmp_path / "nowhere"))


def test_cards_in_order_end_with_0(tmp_path, capsys, monkeypatch):
    write_card(tmp_path)
    (tmp_path / "cards").rename(tmp_path / "data_cards")
    monkeypatch.chdir(tmp_path)
    assert run(["cards", "check", "-q", "--data", "data"]) == 0
    assert "1 cards are in order" in capsys.readouterr().out
    assert run(["cards", "check", "-q"]) == 0
    assert "not at hand" in capsys.readouterr().err


def test_problems_end_with_8_and_one_line_each(tmp_path, capsys):
    folder = write_card(tmp_path, facts={"volumes": 7, "subjects": 7})
    assert run(["cards", "check", str(folder), "-q"]) == 8
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 2
    assert "2 problems in 1 cards" in said.err


def test_a_folder_without_cards_or_scans_ends_with_3(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["cards", "check"]) == 3
    folder = write_card(tmp_path)
    assert run(["cards", "check", str(folder), "--data", str(tmp_path / "none")]) == 3
    assert "no such folder" in capsys.readouterr().err


def test_render_export_and_bundle(tmp_path, capsys):
    data = write_card(tmp_path)
    weights = str(write_weights(tmp_path / "tiny.safetensors", (data,)))
    folder = tmp_path / "cards" / "tiny"
    folder.mkdir()
    (folder / "template.md").write_text("# {{ card.name }}\n", encoding="utf-8")
    (folder / "goals.toml").write_text("over_tv_db = 0.3\n[gains]\n", encoding="utf-8")
    results = str(tmp_path / "results")
    assert run(["cards", "render", str(folder), "--weights", weights, "--results", results]) == 0
    assert "run benchmarks/speed.py" in capsys.readouterr().err
    assert run(["cards", "check", str(folder), str(data), "--weights", weights, "-q"]) == 0
    assert run(["cards", "croissant", str(data), str(tmp_path / "out.json")]) == 0
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["name"] == "made"
    assert run(["cards", "bundle", str(tmp_path / "bundle"), "--weights", weights]) == 0
    assert (tmp_path / "bundle" / "configs" / "inference.json").is_file()
    assert run(["cards", "bundle", str(tmp_path / "bundle"), "--weights", weights]) == 6
    assert run(["cards", "bundle", str(tmp_path / "other"), "--weights", "no-such"]) == 5
