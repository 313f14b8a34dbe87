"""`card.md` of a model from `card.json`, the goals and the prose in `template.md`."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined, TemplateError

from medsr.cards.model_card import CARD_JSON, GOALS, Level, ModelCard, collect, read_model_card
from medsr.cards.schema import CARD
from medsr.cards.weights import read_weights
from medsr.errors import InputError
from medsr.io import files
from medsr.metrics.judged import Restoration
from medsr.metrics.metric import Metric
from medsr.metrics.table import INTERIOR, WHOLE

TEMPLATE = "template.md"
CURVE = "curve.csv"
MISSING = "not measured"
POWER_RATIO = (0.75, 1.25)  # asked of a sample
KEPT = 0.9  # asked of planted lesions: their contrast over that in the IBP estimate
SHOWN = ("cubic", "IBP", "TV", "medsr")  # names of methods in the table of levels
SAMPLES = {  # numbers of benchmarks/quality.py: what they are, and what was asked for
    "high_frequency_power_ratio_mean": ("high-frequency power ratio of the mean", ""),
    "high_frequency_power_ratio_sample": (
        "high-frequency power ratio of a sample",
        "{:g} to {:g}".format(*POWER_RATIO),
    ),
    "blend_half_cost_db": ("blend 0.5 below the mean, dB", "at most 1.0"),
    "energy_score_over_white_noise": ("energy score of 8 samples over that of white noise", "below 1"),
    "crps_over_white_noise": ("CRPS of 8 samples over that of white noise", "below 1"),
    "coverage90_blocks": ("means of blocks of 4 voxels a side in the samples' 90 %", "0.9"),
    "coverage90_blocks_white_noise": ("the same for white noise", ""),
    "histogram_distance_percent": ("distance of the samples' histogram, % of the range", ""),
}


@dataclass(frozen=True)
class Goal:
    """A gain that was asked for.

    Attributes:
        scan: Name such as "bchadult01_T1w".
        task: Name such as "iso2".
        over_ibp_db: Gain over the IBP estimate.
    """

    scan: str
    task: str
    over_ibp_db: float


@dataclass(frozen=True)
class Goals:
    """What was asked for: gains per scan, and over total variation on every one of them."""

    gains: tuple[Goal, ...]
    over_tv_db: float


def render_card(folder: Path, weights: Path, results: Path) -> ModelCard:
    """Read weights and result files, write card.json and card.md of a model card's folder.

    Args:
        folder: Folder of the model card, with `template.md` and `goals.toml`.
        weights: Weights file.
        results: Folder of result files.

    Raises:
        InputError: A template or result file that can't be used.
        ModelError: The file is not a weights file.
        OutputError: The folder can't be written.
    """
    card = collect(read_weights(weights), results)
    text = rendered(card, folder)
    for name, content in ((CARD_JSON, card.model_dump_json(indent=1) + "\n"), (CARD, text)):
        with files.atomic(folder / name) as file:
            file.write(content.encode())
    return card


def is_rendering(folder: Path) -> bool:
    """Whether card.md is what card.json, goals and template give.

    Raises:
        InputError: One of them can't be read.
    """
    try:
        text = (folder / CARD).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder / CARD}: can't be read; make it with `medsr cards render`") from error
    return text == rendered(read_model_card(folder), folder)


def rendered(card: ModelCard, folder: Path) -> str:
    """The Markdown of a card, front matter included.

    Raises:
        InputError: A template or goals that can't be used.
    """
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"db": signed, "two": two_digits}
    goals = read_goals(folder / GOALS)
    tables = {"levels": levels_table(card, goals), "variants": variants_table(card), **_other_tables(card)}
    try:
        template = environment.from_string((folder / TEMPLATE).read_text(encoding="utf-8"))
        body = template.render(
            card=card,
            goals=goals,
            tables=tables,
            missed=missed(card, goals),
            curve=lambda *steps: curve_table(folder / CURVE, steps),
        )
    except (OSError, UnicodeDecodeError, TemplateError, TypeError) as error:
        raise InputError(f"{folder / TEMPLATE}: can't be rendered ({error}); mend the template") from error
    return f"---\n{yaml.safe_dump(front_matter(card), sort_keys=False, allow_unicode=True, width=120)}---\n{body}"


def front_matter(card: ModelCard) -> dict[str, Any]:
    """What machines read first; keys as on model hubs."""
    return {
        "kind": "model",
        "name": card.name,
        "version": card.version,
        "license": card.licence.lower(),
        "library_name": "medsr",
        "tags": ["super-resolution", "mri", "ct", "diffusion", "research-only"],
        "weights_sha256": card.weights["sha256"],
        "datasets": card.data_cards,
        "results": card.sources,
    }


def read_goals(path: Path) -> Goals:
    """The goals in a TOML file.

    Raises:
        InputError: No such file, not TOML, or not goals.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        gains = [Goal(scan, task, float(db)) for scan, tasks in content["gains"].items() for task, db in tasks.items()]
        return Goals(tuple(gains), float(content["over_tv_db"]))
    except (OSError, tomllib.TOMLDecodeError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{path}: can't be read as goals; expected over_tv_db and a table of gains") from error


def levels_table(card: ModelCard, goals: Goals) -> str:
    """PSNR of the interior per scan and task, and gains in the whole mask beside what was asked for.

    A card whose results were measured without an interior shows the PSNR of the whole mask, and its heads say so.
    """
    if not card.levels:
        return MISSING
    asked = {(goal.scan, goal.task): goal.over_ibp_db for goal in goals.gains}
    inside = any(_level(level, "mean", INTERIOR) is not None for level in card.levels)
    shown = INTERIOR if inside else WHOLE
    rows = []
    for level in card.levels:
        values = [_within(_level(level, name, shown), two_digits) for name in ("cubic", "ibp", "tv", "mean")]
        within = [_within(level.gain_db("mean", "ibp", shown.name), signed)] if inside else []
        over_ibp, over_tv = level.gain_db("mean", "ibp"), level.gain_db("mean", "tv")
        goal = asked.get((level.scan, level.task))
        wanted = "" if goal is None else f"{goal:g}{_verdict(over_ibp, goal)}"
        beyond = signed(over_tv) + ("" if goal is None else _verdict(over_tv, goals.over_tv_db, quiet=True))
        rows.append([level.scan, level.task, *values, *within, signed(over_ibp), wanted, beyond])
    heads = ["scan", "task", *(f"{name}, {'interior' if inside else 'whole mask'}" for name in SHOWN)]
    heads += ["over IBP, interior"] if inside else []
    return _table((*heads, "over IBP, whole mask", "asked of it", f"over TV (asked {goals.over_tv_db:g})"), rows)


def _level(level: Level, method: str, metric: Metric[Restoration]) -> float | None:
    return level.methods.get(method, {}).get(metric.name)


def _within(value: float | None, written: Callable[[float | None], str]) -> str:
    """A number of the interior; a dash where the scan has none."""
    return "–" if value is None else written(value)


def missed(card: ModelCard, goals: Goals) -> list[str]:
    """Which goals are not reached or were not measured, one phrase each."""
    found = []
    for goal in goals.gains:
        level = card.level(goal.scan, goal.task)
        gain = None if level is None else level.gain_db("mean", "ibp")
        if gain is None:
            found.append(f"{goal.scan} at {goal.task}: {MISSING}")
        elif not _reached(gain, goal.over_ibp_db):
            found.append(f"{goal.scan} at {goal.task}: {signed(gain)} of {goal.over_ibp_db:g} dB")
    return found


def variants_table(card: ModelCard) -> str:
    """Gain over the IBP estimate in the whole mask for other profiles and for noise, a column each."""
    rows: Sequence[dict[str, Any]] = card.measured.get("variants", {}).get("rows", ())
    tasks = list(dict.fromkeys(str(row["task"]) for row in rows))
    gains = {(row["scan"], row["task"]): row["gain_over_ibp_db"] for row in rows}
    scans = dict.fromkeys(str(row["scan"]) for row in rows)
    if not rows:
        return MISSING
    return _table(("scan", *tasks), [[scan, *(signed(gains.get((scan, task))) for task in tasks)] for scan in scans])


def curve_table(path: Path, steps: Sequence[int]) -> str:
    """Gains over the IBP estimate at some steps of a learning curve, a row per scan and task.

    Raises:
        InputError: No such curve, or a step that it does not hold.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            found = {int(row["step"]): row for row in csv.DictReader(file)}
        chosen = [found[step] for step in steps]
        names = [name for name in chosen[0] if name not in ("step", "loss")]
        rows = [[name.removeprefix("sub-"), *(signed(float(row[name])) for row in chosen)] for name in names]
    except (OSError, UnicodeDecodeError, ValueError, TypeError, LookupError, csv.Error) as error:
        raise InputError(f"{path}: no learning curve with steps {', '.join(map(str, steps))}") from error
    return _table(("scan and task", *(f"step {step}" for step in steps)), rows)


def signed(value: float | None) -> str:
    """Two digits and a sign, for gains."""
    return MISSING if value is None else f"{value:+.2f}"


def two_digits(value: float | None) -> str:
    """Two digits."""
    return MISSING if value is None else f"{value:.2f}"


def textures_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """High-frequency power ratio of one sample of every scan, bold where not as asked for."""
    if not rows:
        return MISSING
    lines = []
    for row in rows:
        ratio = float(row["high_frequency_power_ratio_sample"])
        lines.append(
            [
                str(row["scan"]).removeprefix("sub-"),
                _bold(ratio, asked=POWER_RATIO[0] <= round(ratio, 2) <= POWER_RATIO[1]),
            ]
        )
    return _table(("scan", "high-frequency power ratio of a sample"), lines)


def assumptions_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Least and median gain over cubic interpolation, and what is lost to being told, a row per scan and task."""
    if not rows:
        return MISSING
    lines = []
    for scan, task in dict.fromkeys((row["scan"], row["task"]) for row in rows):
        here = [row for row in rows if (row["scan"], row["task"]) == (scan, task)]
        gains = [float(row["over_cubic_db"]) for row in here]
        lost = [float(row["lost_db"]) for row in here if row["lost_db"] is not None]
        cells = signed(min(gains)), signed(median(gains)), two_digits(median(lost)), two_digits(max(lost))
        lines.append([str(scan).removeprefix("sub-"), str(task), str(len(here)), *cells])
    return _table(("scan", "task", "cases", "least over cubic", "median", "median lost", "most lost"), lines)


def _bold(value: float, *, asked: bool) -> str:
    return two_digits(value) if asked else f"**{two_digits(value)}**"


def lesions_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Contrast of planted lesions over that in the IBP estimate, worst and median, bold below what was asked for."""
    if not rows:
        return MISSING
    sizes = sorted({float(row["diameter_mm"]) for row in rows})
    kept = {(row["scan"], row["task"], float(row["diameter_mm"])): row for row in rows}
    lines = []
    for scan, task in dict.fromkeys((row["scan"], row["task"]) for row in rows):
        found = [kept.get((scan, task, size)) for size in sizes]
        cells = [MISSING if row is None else _lesion_cell(row) for row in found]
        lines.append([str(scan).removeprefix("sub-"), str(task), *cells])
    return _table(("scan", "task", *(f"{size:g} mm" for size in sizes)), lines)


def _lesion_cell(row: Mapping[str, Any]) -> str:
    worst, median = (_bold(row[key], asked=_reached(row[key], KEPT)) for key in ("worst", "median"))
    return f"{worst} / {median} of {row['n']}"


def _other_tables(card: ModelCard) -> dict[str, str]:
    quality = card.measured.get("quality", {})
    sampled = {name.removeprefix("sub-"): row for name, row in quality.items() if isinstance(row, Mapping)}
    known = [key for key in SAMPLES if any(key in row for row in sampled.values())]
    samples = [[*SAMPLES[key], *(two_digits(row.get(key)) for row in sampled.values())] for key in known]
    verdicts = card.measured.get("envelope", {}).get("summary", {})
    columns = ("cases", "inside", "edge", "outside", "auroc")
    return {
        "samples": _table(("", "asked", *sampled), samples) if sampled else MISSING,
        "textures": textures_table(quality.get("textures", ())),
        "lesions": lesions_table(quality.get("lesions", ())),
        "assumptions": assumptions_table(card.measured.get("wrong_assumptions", {}).get("rows", ())),
        "verdicts": _table(("scans", *columns), [[k, *(f"{row[c]:g}" for c in columns)] for k, row in verdicts.items()])
        if verdicts
        else MISSING,
    }


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(headings), *(list(row) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines).replace("|  |", "| |")


def _reached(value: float, goal: float) -> bool:
    return round(value, 2) >= goal


def _verdict(value: float | None, goal: float, *, quiet: bool = False) -> str:
    if value is None:
        return ""
    if _reached(value, goal):
        return "" if quiet else " reached"
    return " **not reached**"
