"""Weights may rest on permissive data alone."""

from __future__ import annotations

import pytest

from medsr.cards.licences import licence_id, objection


@pytest.mark.parametrize(
    "text, name",
    [
        ("CC-BY 3.0 (TCIA collection PROSTATEx); repository Apache-2.0 (LICENSE)", "CC-BY 3.0"),
        ("CC-BY (longitudinal/LICENSE.txt)", "CC-BY"),
        ("BSD-2-Clause (LICENSE in the package)", "BSD-2-Clause"),
        ("PDDL", "PDDL"),
        ("CC-BY-NC 4.0", "CC-BY-NC 4.0"),
    ],
)
def test_the_identifier_begins_the_text(text, name):
    assert licence_id(text) == name


@pytest.mark.parametrize("name", ["PDDL", "MIT", "CC-BY 4.0", "Apache-2.0"])
def test_permissive_data_permits_free_weights(name):
    assert objection(name, "Apache-2.0") is None


@pytest.mark.parametrize("name", ["CC-BY-NC 4.0", "CC-BY-SA 4.0", "CC-BY-ND 4.0", "GPL-3.0", "unknown"])
def test_other_data_does_not(name):
    assert name in objection(name, "Apache-2.0")


def test_weights_under_an_unknown_licence_are_refused():
    assert "Proprietary" in objection("MIT", "Proprietary")
