"""The table of docs/explanation/family.md, between two comments, out of family.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from members import MEMBERS

from medsr.io import files
from medsr.report.text import written_between

PAGE = Path("docs/explanation/family.md")
PICTURE = PAGE.parents[1] / "images" / "family.png"
RESULT = Path("results/family.json")
BEGIN = "<!-- family: make family writes the lines up to the next comment -->"
END = "<!-- end of family -->"
NOT_MEASURED = "Not measured yet: `make family` writes the table here.\n"

QUALITY = {
    "interior_gain_db": ("interior: mean over ibp, dB", "+.2f"),
    "mask_gain_db": ("mask: mean over ibp, dB", "+.2f"),
    "sample_mask_gain_db": ("mask: sample over ibp, dB", "+.2f"),
    "ssim": ("SSIM", ".4f"),
    "residual": ("residual", ".2f"),
    "sample_high_frequency_power_ratio": ("high-frequency power of a sample", ".2f"),
    "crps": ("CRPS", ".4f"),
    "coverage90_blocks": ("blocks in 90 %", ".2f"),
    "dice_mean": ("Dice, mean", ".3f"),
    "dice_sample": ("Dice, sample", ".3f"),
}
AUTOENCODER = {
    "interior_psnr_db": ("interior: PSNR, dB", ".2f"),
    "mask_psnr_db": ("mask: PSNR, dB", ".2f"),
    "mask_gain_db": ("mask: over ibp, dB", "+.2f"),
    "lesions": ("contrast left of lesions", ".2f"),
    "smallest_lesions": ("of those of 2 mm", ".2f"),
    "residual": ("residual", ".2f"),
}
STAGES = {
    "one_step": ("one step", "+.2f"),
    "cascade": ("cascade, 0", "+.2f"),
    "cascade_noisy": ("cascade, 0.02", "+.2f"),
}
COST = (
    "member",
    "evaluations: mean, sample",
    "s per million voxels: mean, sample",
    "parameters",
    "training: minutes, steps",
    "seeds",
    "loss",
    "gain on the probes, dB",
)


def rewritten(page: str, content: Mapping[str, Any] | None, pictured: bool = False) -> str:
    """The page with the tables of what was measured, or the line that nothing was.

    Args:
        page: The page as it is.
        content: What family.json holds; None: nothing was measured.
        pictured: Whether the picture is there.

    Raises:
        InputError: the two marker comments are not there.
    """
    return written_between(page, BEGIN, END, NOT_MEASURED if content is None else tables(content, pictured))


def tables(content: Mapping[str, Any], pictured: bool = False) -> str:
    """What was measured, by task, and what it cost; below it the picture, if it is there."""
    members, baselines = content["members"], content.get("baselines", [])
    devices = sorted({run["device"] for member in members for run in member["training"]})
    scans = ", ".join(name.removesuffix(".nii.gz") for name in content["scans"])
    told = (
        f"Medians over {len(content['scans'])} scans ({scans}), of each the middle {content['side']} voxels a side; "
        f"trained on: {', '.join(devices)}.\n\n"
    )
    tasks = [one["task"] for one in members[0]["tasks"]]
    parts = [_table(_quality([*baselines, *members], number), task) for number, task in enumerate(tasks)]
    measured = {member["name"] for member in members}
    missing = [one.name for one in MEMBERS if one.name not in measured]
    told += f"Not measured yet: {'; '.join(missing)}.\n\n" if missing else ""
    parts += [_table(_cost(members), "Cost and stability"), in_stages(members)]
    parts += [_table(_left(one), f"What the autoencoder of {one['name']} leaves") for one in members if _coded(one)]
    told += "" if any(map(_coded, members)) else "What an autoencoder leaves of details isn't measured yet.\n\n"
    return told + "".join(parts) + (_picture(content["shown"].removesuffix(".nii.gz")) if pictured else "")


def _picture(scan: str) -> str:
    return (
        f"![{scan}: the reference, cubic, ibp, and mean and one sample of each member](../images/{PICTURE.name})\n\n"
        f"One plane through the middle of {scan}, across the slices of 5 mm that were made of it; one grey window for "
        "all.\n\n"
    )


def in_stages(members: Sequence[Mapping[str, Any]]) -> str:
    """The table of what was measured in one step and in stages; nothing where nothing was."""
    rows = {
        f"{member['name']}, {part}": {way: gains[f"{part}_gain_db"] for way, gains in member["stages"].items()}
        for member in members
        if member.get("stages")
        for part in ("interior", "mask")
    }
    title = "thick8: mean over ibp, dB, in one step and in stages"
    return _table(_lines("recipe", STAGES, rows), title) if rows else ""


def _table(lines: Iterator[str], title: str) -> str:
    return f"**{title}**\n\n" + "".join(f"{line}\n" for line in lines) + "\n"


def _quality(rows: list[dict[str, Any]], number: int) -> Iterator[str]:
    return _lines("member", QUALITY, {row["name"]: row["tasks"][number] for row in rows})


def _coded(member: Mapping[str, Any]) -> bool:
    return member.get("autoencoder") is not None


def _left(member: Mapping[str, Any]) -> Iterator[str]:
    return _lines("task", AUTOENCODER, {row["task"]: row for row in member["autoencoder"]})


def _lines(first: str, columns: Mapping[str, tuple[str, str]], rows: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield f"| {first} | {' | '.join(head for head, _ in columns.values())} |"
    yield f"|---|{'---|' * len(columns)}"
    for name, values in rows.items():
        yield f"| {name} | {' | '.join(_shown(values.get(key), form) for key, (_, form) in columns.items())} |"


def _cost(members: list[dict[str, Any]]) -> Iterator[str]:
    yield f"| {' | '.join(COST)} |"
    yield f"|{'---|' * len(COST)}"
    for member in members:
        seconds, runs = member["seconds_per_million_voxels"], member["training"]
        cells = [
            member["name"],
            "{mean}, {sample}".format(**member["evaluations"]),
            f"{_shown(seconds['mean'], '.3g')}, {_shown(seconds['sample'], '.3g')}",
            f"{member['parameters'] / 1e6:.2f} M",
            f"{runs[0]['spent_minutes']:.3g}, {runs[0]['step']} of {runs[0]['steps']}",
            str(len(runs)),
            _span([run["loss"] for run in runs], ".3f"),
            _span([run["gain_db"] for run in runs], "+.2f"),
        ]
        yield f"| {' | '.join(cells)} |"


def _span(values: list[float | None], form: str) -> str:
    """The value of the one seed, or the least and the most of several."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return _shown(known[0] if known else None, form)
    return f"{min(known):{form}} to {max(known):{form}}"


def _shown(value: float | None, form: str) -> str:
    return "none" if value is None else f"{value:{form}}"


if __name__ == "__main__":
    found = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else None
    text = rewritten(PAGE.read_text(encoding="utf-8"), found, PICTURE.is_file())
    with files.atomic(PAGE) as file:
        file.write(text.encode())
