"""The file of a plan: what it gives back, and whose it is."""

from __future__ import annotations

import pytest

from medsr.engine.plan_file import SCHEMA, Head, PlannedCase, lines_of, planned, read_lines
from medsr.errors import InputError

CASE = PlannedCase("0" * 16, ("/in/a.nii",), "a.nii", "", "f", 10, 40, given={"number": 2})


def test_a_plan_comes_back_with_what_each_case_is_given_and_only_for_its_own_command(tmp_path):
    path = tmp_path / ".medsr" / "plan.jsonl"
    path.parent.mkdir()
    head = Head("batch", {"workers": 2}, {}, {"layout": "bids"}, {})
    path.write_bytes(b"".join(lines_of(head, [CASE])))
    found, rows = read_lines(path, "batch")
    assert (found, [planned(row) for row in rows]) == (head, [CASE])
    assert read_lines(path)[0] == head
    with pytest.raises(InputError, match="holds a run of medsr batch, not of medsr validate"):
        read_lines(path, "validate")
    path.write_text(path.read_text().replace(f'"schema": {SCHEMA}', '"schema": 2'))
    with pytest.raises(InputError, match="of schema 2; plan again"):
        read_lines(path, "batch")
