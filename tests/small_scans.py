"""Scans small enough to train on in a test."""

from __future__ import annotations

from phantoms import head

from medsr.training.packs import PackedScan, packed


def small_scans() -> list[PackedScan]:
    """One scan of each group: MR with three fine axes, MR in slices, CT."""
    return [
        packed(head((36, 40, 32)), "sub-a_T1w", "sub-a"),
        packed(head((36, 40, 10), (1.0, 1.0, 4.0)), "sub-b_T2w", "sub-b"),
        packed(head((36, 40, 32), modality="CT"), "sub-c_CT", "sub-c"),
    ]
