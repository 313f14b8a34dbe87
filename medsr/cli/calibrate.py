"""calibrate: how far the stated uncertainty can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from medsr.validation.findings import Uncertainty


def calibrate(
    references: Annotated[
        list[Path], typer.Argument(metavar="REF...", help="Fine scans of subjects that were not trained on.")
    ],
    out: Annotated[Path, typer.Option(help="Weights file to write, with the factors in its metadata.")],
    task: Annotated[list[str], typer.Option(help="May be given several times.")] = ["iso2", "thick5"],  # noqa: B006
    model: Annotated[str, typer.Option("--model", help="Name of a packaged model, or a file.")] = "medsr-base",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    samples: Annotated[int, typer.Option(help="Draws behind each spread.")] = 8,
    steps: Annotated[int, typer.Option(help="Evaluations of the network per draw.")] = 6,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write everything as JSON.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Measure coverage of the stated uncertainty and write factors into the weights.

    Factors are taken by subject ("sub-01" of "sub-01_T1w.nii.gz"); what is printed as held out is each subject's
    coverage with factors of all the others.
    """
    from medsr.enhancement.settings import EnhanceSettings
    from medsr.io import files
    from medsr.model.allocator import keep_freed_memory
    from medsr.model.weights import load_model
    from medsr.physics.tasks import task_named
    from medsr.validation.calibrating import CalibrationCase, calibrate_files
    from medsr.validation.report.export import write_plain
    from medsr.validation.report.summary import calibration_of

    settings = EnhanceSettings(mode="uncertainty", samples=samples, steps=steps, seed=seed)
    case = CalibrationCase(tuple(task_named(name) for name in task), settings)
    if json is not None:
        files.check_writable(json)
    keep_freed_memory()

    def on_scan(scan: str, name: str, found: tuple[Uncertainty, Uncertainty]) -> None:
        if not quiet:
            values = ", ".join(f"{one.method} {one.coverage['90']:.3f}" for one in found)
            typer.echo(f"{scan} {name}: 90 % intervals cover {values}", err=True)

    report = calibrate_files(references, out, case, load_model(model, device), on_scan)
    typer.echo(calibration_of(report))
    typer.echo(f"{out}: calibrated on {report.calibration.subjects['all']} subjects")
    if json is not None:
        write_plain(report, json)
