"""The checks of a result that need no reference: what the record holds of them, and when a result fails them."""

from __future__ import annotations

from dataclasses import dataclass

from medsr.enhancement.flat_tissue import MOST_ROUGHNESS, InFlatTissue, in_flat_tissue, most_ripple
from medsr.enhancement.overshoot import most_overshoot, overshoot
from medsr.model.intensity import Scale
from medsr.physics.acquisition import Acquisition
from medsr.record import Record
from medsr.volume import Volume

ADVICE = "give the true --profile, --thickness and --noise"


@dataclass(frozen=True)
class Checks:
    """What a record holds of them (`medsr.record.Record`)."""

    overshoot: float
    flat: InFlatTissue


def measured(scan: Volume, result: Volume, acquisition: Acquisition, noise: float, scale: Scale) -> Checks:
    """Overshoot, ripple and roughness of a result.

    Args:
        scan: Input (i, j, k).
        result: Result (I, J, K), same unit.
        acquisition: Acquisition of the input, and the fine grid.
        noise: Standard deviation of the scan's noise, same unit.
        scale: Range of the scan's intensities.
    """
    return Checks(
        overshoot(scan, result, acquisition, noise, scale.width),
        in_flat_tissue(scan, result, acquisition, noise, scale),
    )


def faults(record: Record, acquisition: Acquisition) -> tuple[str, ...]:
    """What a result shows that a right one does not, one phrase each.

    Args:
        record: Its record.
        acquisition: Acquisition that it was made with.
    """
    found = []
    if (record.overshoot or 0.0) > most_overshoot(acquisition):
        found.append(f"{record.overshoot:.0%} of the voxels lie beyond all values around them in the scan")
    if (record.ripple or 0.0) > most_ripple(acquisition):
        found.append(f"flat tissue varies {record.ripple:.1f} times as much within a slice as in cubic interpolation")
    if (record.roughness or 0.0) > MOST_ROUGHNESS:
        found.append(f"flat tissue is {record.roughness:.1f} times as rough in the plane as in cubic interpolation")
    return tuple(found)


def warnings_of(record: Record, acquisition: Acquisition) -> tuple[str, ...]:
    """The faults of a result as a warning that says what to do."""
    found = faults(record, acquisition)
    return (f"{'; '.join(found)}: it is sharpened too much; {ADVICE}",) if found else ()
