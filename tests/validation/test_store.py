"""A finished case comes back as it was written, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_scores import made_score
from phantoms import head

from medsr.enhancement.settings import EnhanceSettings
from medsr.errors import OutputError
from medsr.physics.tasks import TASKS
from medsr.validation.findings import BlendPoint, Findings
from medsr.validation.hallucination import hallucination_tests, restorers
from medsr.validation.measure import Measured
from medsr.validation.store import Parts, write_part
from medsr.validation.trial import make_trial
from medsr.validation.view_files import read_views
from medsr.validation.views import views_of

FINE = head((24, 26, 24))
TRIAL = make_trial(FINE, TASKS["iso2"], EnhanceSettings())
VIEWS = views_of("sub-a_T1w", "iso2", TRIAL, {"ibp": np.array(TRIAL.reference.data)})
SCORE = made_score(method="ibp")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    found = Parts(tmp_path_factory.mktemp("out"))
    found.prepare()
    return found


@given(st.lists(st.floats(), min_size=3, max_size=3))
def test_numbers_come_back_bit_for_bit_also_those_that_json_has_not(parts, numbers):
    findings = Findings(
        (made_score(psnr_db=numbers[0], hfen=numbers[1]),),
        {"name": "tiny"},
        blend=(BlendPoint("sub-a_T1w", "iso2", 0.5, numbers[2], 1.0),),
    )
    write_part("0", Measured(findings, (), VIEWS), parts.folder)
    assert str(parts.read("0").findings.as_dict()) == str(findings.as_dict())


def test_hallucination_tests_and_views_come_back(parts):
    hallucination = hallucination_tests("sub-a_T1w", FINE, TASKS["iso2"], restorers(None, EnhanceSettings(), ["ibp"]))
    written = write_part("1", Measured(Findings((SCORE,), {}), hallucination, VIEWS), parts.folder)
    again = parts.read("1")
    assert str(again.findings.as_dict()) == str(written.findings.as_dict())
    assert again.hallucination == hallucination
    assert read_views(parts.views("1")).scan == "sub-a_T1w"


def test_a_part_counts_only_as_a_whole(parts):
    write_part("2", Measured(Findings((SCORE,), {}), (), VIEWS), parts.folder)
    text = (parts.folder / "2.json").read_text()
    assert parts.read("3") is None
    (parts.folder / "3.json").write_text(text)
    assert parts.read("3") is None  # no views, and another case's numbers
    (parts.folder / "3.npz").write_bytes(parts.views("2").read_bytes())
    assert parts.read("3") is None
    (parts.folder / "2.json").write_text(text.replace('"psnr_db": 20.0', '"psnr_db": "much"'))
    assert parts.read("2") is None
    (parts.folder / "2.json").write_text(text.replace('"comb"', '"forgotten"'))
    assert parts.read("2") is None  # of a version that measured less
    (parts.folder / "2.json").write_text(text.replace('"findings"', '"found"'))
    assert parts.read("2") is None


def test_drafts_of_a_killed_run_are_removed(parts):
    draft = parts.folder / ".part-0123.json"
    draft.write_text("{")
    parts.prepare()
    assert not draft.exists()


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError):
        Parts(tmp_path / "out").prepare()
