"""`medsr validate --reading` and `medsr reading` as commands."""

from __future__ import annotations

import json

import pytest
from phantoms import head

from medsr.cli.app import run
from medsr.io import save
from medsr.validation.readers import COLUMNS
from medsr.validation.reading import read_key


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reading")
    save(head((28, 30, 28)), folder / "sub-a_T1w.nii.gz")
    out = folder / "out"
    arguments = ["validate", str(folder / "sub-a_T1w.nii.gz"), "--task", "iso2", "--task", "thick3", "--out", str(out)]
    assert run([*arguments, "--methods", "cubic,ibp", "--reading", "ibp,cubic", "-q"]) == 0
    return out


def answers(report, name, preference):
    key = read_key(report / "reading_key.json")
    path = report / f"{name}.csv"
    rows = [f"{key.study},{name},{pair.number},{preference},no,no" for pair in key.pairs]
    path.write_text("\n".join([",".join(COLUMNS), *rows, ""]))
    return path


def test_two_readers_are_compared(report, tmp_path, capsys):
    files = [answers(report, "r1", -1), answers(report, "r2", 1)]
    found = tmp_path / "f.json"
    assert run(["reading", str(report / "reading_key.json"), *map(str, files), "--json", str(found)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("r1: prefers ibp in 50%, cubic in 50%, neither in 0% of 2 pairs, 1 subjects")
    assert said[-1].startswith("r1 and r2: weighted kappa -1.00 on preference, kappa not defined")
    assert json.loads(found.read_text())["pairings"][0]["artefact_kappa"] is None


def test_the_overview_leads_to_the_page(report):
    assert 'href="reading.html"' in (report / "index.html").read_text()
    assert "Blinded reading" in (report / "reading.html").read_text()


def test_a_damaged_file_is_one_line_and_its_exit_code(report, capsys):
    path = report / "bad.csv"
    path.write_text("junk")
    assert run(["reading", str(report / "reading_key.json"), str(path)]) == 3
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "more, said",
    [
        (["--reading", "mean"], "expected two of cubic, ibp"),
        (["--reading", "cubic,cubic"], "expected two of cubic, ibp"),
        (["--reading", "mean,cubic"], "expected two of cubic, ibp"),
        (["--reading", "cubic,ibp"], "name its folder with --out"),
    ],
)
def test_a_reading_that_cannot_be_is_refused_before_anything_is_measured(report, capsys, more, said):
    assert run(["validate", str(report.parent), "--task", "iso2", "--methods", "cubic,ibp", *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
