"""Sentences that the docks show, from plain values; and napari's notifications."""

from __future__ import annotations

from html import escape
from typing import Any

from medsr.duration import duration
from medsr.record import assumption_text, stack_text

NOTICE = "Research software, not a medical device. Structures finer than the slices may be missing or invented."
GIB = 2**30
DEVICES = {"cpu": "the processor", "cuda": "the graphics card"}
RESIDUAL = "Residual: the result, blurred and sampled as its scan was, minus the scan, in units of the scan's noise"
OVERLAP = ("#e69f00", "#56b4e9", "#009e73")  # told apart by the colour-blind too (Okabe & Ito)
COLOURS = {"inside": "#3fae6b", "at the edge of": "#c8b040", "outside": "#e0a030"}


def plan(content: dict[str, Any]) -> str:
    """What a run will come to: voxels, spacing, memory, time; of several stacks, their number and the time."""
    if content["n_stacks"] > 1:
        on = DEVICES.get(content["device"], content["device"])
        return f"{content['n_stacks']} stacks, one scan; {duration(content['seconds'])} on {on}"
    shape = " x ".join(str(n) for n in content["result_shape"])
    spacing = " x ".join(f"{h:.3g}" for h in content["spacing_mm"])
    free = content["free_memory"]
    memory = f"about {content['memory_bytes'] / GIB:.1f} GB of memory"
    if free is not None and content["memory_bytes"] > free:
        memory += f", but only {free / GIB:.1f} GB are free: choose a region"
    device = DEVICES.get(content["device"], content["device"])
    blocks = "" if content["n_blocks"] == 1 else f", in {content['n_blocks']} blocks"
    return f"{shape} voxels of {spacing} mm; {memory}; {duration(content['seconds'])} on {device}{blocks}"


def verdict(model: str, objections: list[str], notices: list[str]) -> str:
    """The envelope's verdict, as rich text."""
    level = "outside" if objections else "at the edge of" if notices else "inside"
    reasons = "; ".join(objections or notices)
    text = f"{level} what {model} was validated on" + (f": {reasons}" if reasons else "")
    return f'<span style="color:{COLOURS[level]}">{escape(text, quote=False)}</span>'


def overlap_colours(n_stacks: int) -> list[str]:
    """Colours of what one stack covers, what several do, and what all do, for 1 to `n_stacks` of them."""
    one, several, every = OVERLAP
    return [one, *[several] * (n_stacks - 2), every]


def overlap(shares: list[float]) -> str:
    """How much of the result 0, 1, 2 and so on of the stacks cover, as rich text; what nothing falls to is left out."""
    n_stacks = len(shares) - 1
    colours = ["", *overlap_colours(n_stacks)]
    said = []
    for count in range(n_stacks, -1, -1):
        who = f"all {n_stacks}" if count == n_stacks else f"{count} of them" if count else "none"
        square = f'<span style="color:{colours[count]}">&#9632;</span> ' if count else ""
        if shares[count] > 0:
            said.append(f"{square}{who}: {shares[count]:.0%}")
    return f"stacks that cover the result, by their headers: {', '.join(said)}"


def progress(content: dict[str, Any]) -> str:
    """How far a run is."""
    left = duration(content["seconds_left"])
    return f"part {content['done']} of {content['total']}, {left} left"


def done(record: dict[str, Any]) -> str:
    """How a run ended."""
    seconds = sum(record["seconds"].values())
    warnings = "".join(f"; {text}" for text in record["warnings"])
    assumed = assumption_text(record["task"]["assumed"])
    stacks = "".join(f"\nstack {n}: {stack_text(one)}" for n, one in enumerate(record["stacks"], start=1))
    scan = record["input"]
    guessed = f"; taken for {scan['modality']}, guessed from the values" if scan["modality_guessed"] else ""
    return (
        f"done in {duration(seconds)}{guessed}; assumed slice profile: {assumed}; differs from the scan by "
        f"{record['residual']:.2f} times its noise (near 1 is right, above 1.3 contradicts the scan){warnings}{stacks}"
    )


def warn(text: str) -> None:
    """A notification that something is missing."""
    from napari.utils.notifications import show_warning

    show_warning(text)


def error(text: str) -> None:
    """A notification that something went wrong."""
    from napari.utils.notifications import show_error

    show_error(text)


def values(found: dict[str, Any], modality: str) -> str:
    """Values of several layers at one place."""
    unit = " HU" if modality == "CT" else ""
    words = [f"{name} {value:.4g}{unit}" for name, value in found.items() if value is not None]
    return ", ".join(words) or "outside the scan"


def fidelity(content: dict[str, Any]) -> str:
    """How well a result reproduces its scan."""
    place = ", ".join(f"{value:.0f}" for value in content["worst_mm"])
    return (
        f"The result differs from its scan by {content['residual']:.2f} times the noise (up to 1: as the truth would; "
        f"above 1.3: it contradicts the scan). Worst place: {content['worst']:.2f} times, at ({place}) mm right, "
        "anterior, superior."
    )


def cell(key: str, value: Any) -> str:
    """A number of the table of checks as text."""
    if isinstance(value, str):
        return value
    if key.startswith("over"):
        return f"{value:+.2f}"
    return f"{value:.4f}" if key == "ssim" else f"{value:.2f}"


def case_cell(case: dict[str, Any], key: str) -> str:
    """A field of a batch's case as text."""
    value = case[key]
    if value is None:
        return ""
    return f"{value:.2f}" if key == "residual" else f"{value:.0f}" if key == "seconds" else str(value)


def batch_end(kind: str, content: dict[str, Any]) -> str:
    """How a batch ended."""
    if kind != "done":
        return "cancelled; finished results stay" if kind == "cancelled" else str(content["message"])
    failed = f", {content['failed']} failed: double-click a row for the reason" if content["failed"] else ""
    return f"{content['done']} done{failed}"
