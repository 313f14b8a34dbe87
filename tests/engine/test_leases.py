"""Leases on cases: one holder at a time, and no holder that is gone keeps a case for ever."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from medsr.engine import leases
from medsr.engine.leases import EMPTY_S, Lease, sweep_leases


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that a test adds to what leases take for the time."""
    added, now = [0.0], time.monotonic
    monkeypatch.setattr(leases.time, "monotonic", lambda: now() + added[0])
    return added


def test_a_case_has_one_holder(tmp_path: Path) -> None:
    first, second = Lease(tmp_path, "a"), Lease(tmp_path, "a")
    assert first.take()
    assert not second.take()
    first.give_back()
    assert second.take()
    second.give_back()


def test_a_lease_that_its_holder_died_before_writing_is_taken_over(tmp_path: Path, clock: list[float]) -> None:
    (tmp_path / "a.lock").touch()
    lease = Lease(tmp_path, "a")
    assert not lease.take()  # its holder may be about to write
    clock[0] += EMPTY_S / 2
    assert not lease.take()
    clock[0] += EMPTY_S
    assert lease.take()
    assert not Lease(tmp_path, "a").take()
    lease.give_back()


def test_another_empty_lease_counts_from_when_it_was_seen(tmp_path: Path, clock: list[float]) -> None:
    (tmp_path / "a.lock").touch()
    lease = Lease(tmp_path, "a")
    assert not lease.take()
    clock[0] += 2 * EMPTY_S
    (tmp_path / "b.lock").touch()
    (tmp_path / "b.lock").replace(tmp_path / "a.lock")
    assert not lease.take()


def test_leases_of_killed_holders_on_ended_cases_are_swept(tmp_path: Path) -> None:
    for name in ("ended", "open"):
        (tmp_path / f"{name}.lock").touch()
    sweep_leases(tmp_path, lambda case: case == "ended")
    assert [path.name for path in tmp_path.iterdir()] == ["open.lock"]
