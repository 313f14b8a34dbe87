"""Weights and the cards that they name belong together; those that are shipped do."""

from __future__ import annotations

from pathlib import Path

import pytest
from card_folders import write_card, write_weights

from medsr.cards.check import card_folders, check_cards
from medsr.cards.weights import card_mismatches, check_shipped, read_weights
from medsr.errors import ModelError
from medsr.model.packaged import packaged_models
from medsr.model.weights import DEFAULT_MODEL

CARDS = Path(__file__).resolve().parents[2] / "data_cards"


def test_weights_are_described(tmp_path):
    folder = write_card(tmp_path)
    weights = read_weights(write_weights(tmp_path / "tiny.safetensors", (folder,)))
    assert weights.spec.name == "tiny"
    assert weights.parameters > 1000
    assert weights.size_bytes == weights.path.stat().st_size
    assert list(weights.named_cards) == ["made"]
    check_shipped(weights, (folder,))


def test_a_card_that_changed_or_is_not_there_does_not_match(tmp_path):
    folder = write_card(tmp_path)
    weights = read_weights(write_weights(tmp_path / "tiny.safetensors", (folder,)))
    assert "not here" in card_mismatches(weights, ())[0]
    with (folder / "manifest.tsv").open("a", encoding="utf-8") as file:
        file.write("\n")
    assert "SHA-256" in card_mismatches(weights, (folder,))[0]
    with pytest.raises(ModelError, match="made"):
        check_shipped(weights, (folder,))


def test_weights_without_cards_do_not_match(tmp_path):
    weights = read_weights(write_weights(tmp_path / "tiny.safetensors"))
    with pytest.raises(ModelError, match="name no data card"):
        check_shipped(weights, ())


def test_the_shipped_weights_name_the_cards_of_the_repository():
    for path in packaged_models().values():
        check_shipped(read_weights(path), card_folders(CARDS))


def test_the_cards_of_the_repository_are_in_order():
    weights = read_weights(packaged_models()[DEFAULT_MODEL])
    assert check_cards(card_folders(CARDS), None, weights) == ()
