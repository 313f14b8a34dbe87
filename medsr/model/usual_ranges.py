"""Usual ranges of the scan statistics in a set of scans, as they are and as degraded by named tasks."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from medsr.errors import InputError, UsageError
from medsr.model.scan_statistics import MEASURES, Statistics, statistics_of
from medsr.physics.tasks import TASKS, degrade
from medsr.volume import Volume

SEEN_THROUGH = ("iso2", "iso4", "thick5", "plane2", "noisy2")


def statistics_seen(volume: Volume) -> list[Statistics]:
    """The statistics of a training scan as it is and as degraded by the named tasks that fit it.

    Raises:
        InputError: a constant image.
    """
    found = [statistics_of(volume)]
    for name in SEEN_THROUGH:
        with suppress(UsageError):  # too coarse or too small for this task
            found.append(statistics_of(degrade(volume, TASKS[name])[0]))
    return found


def ranges_of(found: Iterable[Statistics]) -> dict[str, tuple[float, float]]:
    """Smallest and largest value of every statistic over a set of scans.

    Raises:
        InputError: no scans.
    """
    rows = list(found)
    if not rows:
        raise InputError("no scans given to take usual ranges from; give the training scans")
    return {
        name: (round(min(row[name] for row in rows), 5), round(max(row[name] for row in rows), 5)) for name in MEASURES
    }


def usual_ranges(volumes: Iterable[Volume]) -> dict[str, dict[str, tuple[float, float]]]:
    """Ranges of the statistics of training scans, by modality, for `medsr.model.spec.Envelope.statistics`.

    Args:
        volumes: Training scans; taken one at a time, since they may be many.

    Raises:
        InputError: a constant image.
    """
    found: dict[str, list[Statistics]] = {}
    for volume in volumes:
        found.setdefault(volume.modality, []).extend(statistics_seen(volume))
    return {modality: ranges_of(rows) for modality, rows in found.items()}
