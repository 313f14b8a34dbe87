"""cards: data and model cards checked, rendered and exported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from medsr.cli import options
from medsr.cli.options import Command, Group, option
from medsr.cli.progress import reported
from medsr.errors import GateError, InputError
from medsr.model import DEFAULT_MODEL

CARDS = Path("data_cards")
DEFAULT_DATA = Path("../shared/data")

cards = typer.Typer(name="cards", cls=Group, help="Check, render and export data and model cards.")
Weights = Annotated[str, option("--weights", help="Packaged model, or a .safetensors file.", metavar="NAME")]


@cards.command("check", cls=Command)
def check(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="FOLDER", help="Cards; by default all of data_cards.")
    ] = None,
    data: Annotated[
        Path | None,
        option(
            "--data",
            help="Folder of the scans that manifests name; by default $MEDSR_DATA or ../shared/data.",
            metavar="FOLDER",
        ),
    ] = None,
    weights: Weights = DEFAULT_MODEL,
    quiet: Annotated[bool, options.quiet()] = False,
) -> None:
    """Check fields, ranges, licences, personal data, checksums, leakage between sets, and the weights' cards."""
    from medsr.cards.check import card_folders, check_cards
    from medsr.cards.weights import read_weights

    chosen = tuple(folders) if folders else card_folders(CARDS)
    scans = _scans(data)
    with reported("cards", quiet) as on_scan:
        problems = check_cards(chosen, scans, read_weights(_weights(weights)), on_scan)
    for problem in problems:
        typer.echo(f"{problem.card:<24}{problem.rule:<16}{problem.text}")
    if scans is None:
        typer.echo("scans are not at hand: checksums, headers and near-duplicates were not checked", err=True)
    if problems:
        raise GateError(f"{len(problems)} problems in {len(chosen)} cards; mend what is listed above")
    typer.echo(f"{len(chosen)} cards are in order")


@cards.command("render", cls=Command)
def render(
    folder: Annotated[Path, typer.Argument(help="Folder of the model card.")] = CARDS / "medsr-base",
    weights: Weights = DEFAULT_MODEL,
    results: Annotated[
        Path, option("--results", help="Folder of what pipelines and benchmarks measured.", metavar="FOLDER")
    ] = Path("results"),
) -> None:
    """Render a model card from its weights, its template and measured results."""
    from medsr.cards.model_card import RESULTS
    from medsr.cards.render import render_card

    card = render_card(folder, _weights(weights), results)
    typer.echo(
        f"{folder / 'card.md'}: {card.name} {card.version}, numbers from {', '.join(card.sources) or 'no results'}"
    )
    for name, maker in RESULTS.items():
        if f"{name}.json" not in card.sources:
            typer.echo(f"no {results / name}.json: run {maker}", err=True)


@cards.command("croissant", cls=Command)
def croissant(
    folder: Annotated[Path, typer.Argument(help="Folder of a data card.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="JSON file to write, beside the manifest.")],
) -> None:
    """Export a data card as Croissant JSON-LD."""
    from medsr.cards.croissant import write_croissant

    write_croissant(folder, target)
    typer.echo(str(target))


@cards.command("bundle", cls=Command)
def bundle(
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make.")],
    weights: Weights = DEFAULT_MODEL,
    card: Annotated[
        Path | None, option("--card", help="Model card that goes in as documentation.", metavar="FILE")
    ] = None,
) -> None:
    """Export weights as a MONAI bundle."""
    from medsr.cards.bundle import write_bundle
    from medsr.cards.weights import read_weights

    write_bundle(read_weights(_weights(weights)), target, card)
    typer.echo(str(target))


def _weights(name_or_file: str) -> Path:
    from medsr.model.packaged import packaged_models

    return packaged_models().get(name_or_file, Path(name_or_file))


def _scans(data: Path | None) -> Path | None:
    """The folder of scans, None where nothing was asked for and there is none."""
    if data is not None and not data.is_dir():
        raise InputError(f"{data}: no such folder; expected the folder of scans that the manifests name")
    found = data or Path(os.environ.get("MEDSR_DATA", DEFAULT_DATA))
    return found if found.is_dir() else None
