"""Progress without a terminal: lines with the share that is done and the time left, soon, then now and then."""

from __future__ import annotations

import pytest

from medsr.cli import progress
from medsr.cli.progress import FIRST_LINE_S, LINE_EVERY_S, estimated, reported
from medsr.enhancement.estimate import Estimate


def test_lines_say_how_much_is_done_and_how_long_the_rest_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with reported("scan.nii", quiet=False) as report:
        for after_s, done in ((FIRST_LINE_S / 2, 1), (FIRST_LINE_S, 2), (FIRST_LINE_S + 1, 3), (LINE_EVERY_S + 5, 5)):
            now[0] = 100.0 + after_s
            report("network", done, 10)
    assert capsys.readouterr().err.splitlines() == [
        "scan.nii: network 20%, about 8 s left",
        "scan.nii: network 50%, about 15 s left",
    ]


def test_who_asks_for_quiet_is_told_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress.time, "monotonic", iter(range(0, 1000, 100)).__next__)
    with reported("scan.nii", quiet=True) as report:
        report("network", 5, 10)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("n_blocks", "where"), [(1, ""), (6, " in 6 blocks")])
def test_what_a_run_needs_is_said_before_it(n_blocks: int, where: str, capsys: pytest.CaptureFixture[str]) -> None:
    needs = Estimate((200, 210, 220), (1.0, 1.0, 1.0), 2, n_blocks, 3 * 2**30, 400.0, ())
    estimated("scan.nii", quiet=False)(needs)
    estimated("scan.nii", quiet=True)(needs)
    assert capsys.readouterr().err == (f"scan.nii: 200 x 210 x 220 voxels{where}, about 7 min and 3.0 GiB of memory\n")
