"""References to findings, harm and verdicts."""

from __future__ import annotations

import json

import pytest
from phantoms import head
from tiny_models import tiny_model

from medsr.acquisition import TASKS
from medsr.enhancement import EnhanceSettings
from medsr.errors import GateError, UsageError
from medsr.gates import parse_gates
from medsr.io import save
from medsr.runs.validating import ValidationCase, check_gates, validate_files

QUICK = EnhanceSettings(draws=2, steps=2, flips=0)


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    path = tmp_path_factory.mktemp("references") / "sub-a_T1w.nii.gz"
    save(head((30, 32, 28)), path)
    return path


def case(gates: str = "", **changes) -> ValidationCase:
    chosen = {"tasks": (TASKS["thick5"],), "methods": ("ibp", "mean"), "settings": QUICK, "gates": parse_gates(gates)}
    return ValidationCase(**{**chosen, **changes})


def test_a_gate_on_coverage_has_the_draws_made_and_the_verdicts_are_kept(scan):
    facts = {"sub-a_T1w": {"scanner": "one"}}
    found = validate_files([scan], case("psnr>=0, coverage90 in [2,3]", facts=facts), tiny_model())
    assert [u.method for u in found.findings.uncertainties] == ["draws", "variance"]
    assert [verdict.passed for verdict in found.verdicts] == [True, False]
    assert found.findings.cases[0].facts == {"scanner": "one"}
    with pytest.raises(GateError, match=r"1 of 2 gates failed: coverage90 in \[2,3\]") as raised:
        check_gates(found.verdicts)
    assert raised.value.exit_code == 8


def test_without_gates_nothing_is_drawn_and_nothing_fails(scan):
    found = validate_files([scan], case(), tiny_model())
    assert (found.findings.uncertainties, found.verdicts) == ((), ())
    check_gates(found.verdicts)


def test_a_gate_on_what_is_not_measured_is_refused(scan):
    with pytest.raises(UsageError, match="lpips"):
        validate_files([scan], case("lpips<=1", methods=("ibp",)), None)


def test_harm_is_measured_for_the_methods_asked_for_and_is_plain(scan):
    found = validate_files([scan], case(harm=True, methods=("ibp", "wiener")), None)
    assert [one.method for one in found.harms] == ["ibp"]
    assert json.loads(json.dumps(found.further()))["harm"][0]["task"] == "thick5"
