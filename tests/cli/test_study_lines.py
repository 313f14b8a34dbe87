"""What `medsr validate` prints of a study."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_scores import made_score

from medsr.cli.study_lines import print_study
from medsr.validation.findings import Findings
from medsr.validation.scores import PairFit
from medsr.validation.study import Study

FIT = PairFit("sub-a_T1w", "pair", 2.0, 1.0, 0.9, 0.2, 1.0, 0.5, "R")


def test_a_pair_says_how_the_scans_lie_and_what_registration_moved(capsys: pytest.CaptureFixture[str]) -> None:
    moved = replace(FIT, scan="sub-b_T1w", moved_mm=2.7, moved_deg=4.1, registration_error_mm=0.12)
    scores = tuple(made_score(scan, method, 20.0) for scan in ("sub-a_T1w", "sub-b_T1w") for method in ("ibp", "mean"))
    print_study(Study(Findings(scores, {}, fits=(FIT, moved)), failures=("sub-c_T1w, pair: lost",)))
    said = capsys.readouterr()
    plain, registered = said.out.splitlines()[-2:]
    assert plain == ("sub-a_T1w: low scan times 2 plus 1, correlation 0.900, 0.20 mm off; interpolated along R")
    assert registered.startswith(
        "sub-b_T1w: high scan moved by 2.70 mm and 4.10 degrees, estimated error 0.12 mm; low scan times 2 plus 1"
    )
    assert said.err == "not measured: sub-c_T1w, pair: lost\n"
