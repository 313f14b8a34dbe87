"""Front matter is checked field by field."""

from __future__ import annotations

import pytest
from card_folders import write_card

from medsr.cards.schema import HEADINGS, missing_headings, read_card
from medsr.errors import InputError


def test_a_card_is_read(tmp_path):
    card, body = read_card(write_card(tmp_path))
    assert card.name == "made"
    assert card.spacing_mm == (1.0, 2.0)
    assert missing_headings(body) == []
    assert missing_headings("## Origin\n") == list(HEADINGS[1:])


@pytest.mark.parametrize(
    "facts, said",
    [
        ({"purpose": "fun"}, "purpose"),
        ({"consent": ""}, "consent"),
        ({"subjects": "many"}, "subjects"),
        ({"colour": "red"}, "colour"),
        ({"personal_data": {"deidentified": "yes"}}, "personal_data"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, facts, said):
    with pytest.raises(InputError, match=said):
        read_card(write_card(tmp_path, facts=facts))


@pytest.mark.parametrize("text, said", [("# no front matter\n", "front matter"), ("---\n: [\n---\nx", "not YAML")])
def test_a_card_without_readable_front_matter_is_refused(tmp_path, text, said):
    folder = write_card(tmp_path)
    (folder / "card.md").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_card(folder)
