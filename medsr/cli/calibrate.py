"""calibrate: how far the stated uncertainty can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsr.cli import options
from medsr.cli.options import ACQUISITION, MODEL, OUTPUT, SAMPLING, TaskName, option
from medsr.enhancement.settings import MEASURED_SAMPLES, EnhanceSettings

if TYPE_CHECKING:
    from medsr.validation.findings import Uncertainty

DEFAULT = EnhanceSettings()
TASKS = [TaskName.iso2, TaskName.thick5]


def calibrate(
    references: Annotated[
        list[Path], typer.Argument(metavar="REF", help="High-resolution scans of subjects that were not trained on.")
    ],
    *,
    task: Annotated[list[TaskName], options.task(ACQUISITION, several=True)] = TASKS,
    samples: Annotated[
        int, option("--samples", help="Posterior samples behind each uncertainty.", panel=SAMPLING)
    ] = MEASURED_SAMPLES,
    steps: Annotated[int, option("--steps", help="Sampler steps per sample.", panel=SAMPLING)] = DEFAULT.steps,
    seed: Annotated[int, option("--seed", help="Random seed for sampling.", panel=SAMPLING)] = DEFAULT.seed,
    model: Annotated[str, options.model(MODEL)] = DEFAULT.model,
    device: Annotated[str, options.device(MODEL)] = DEFAULT.device,
    out: Annotated[
        Path,
        option("--out", help="Weights file to write, with the factors in its metadata.", panel=OUTPUT, metavar="FILE"),
    ],
    json: Annotated[
        Path | None, option("--json", help="Write everything as JSON.", panel=OUTPUT, metavar="FILE")
    ] = None,
    quiet: Annotated[bool, options.quiet(OUTPUT)] = False,
) -> None:
    """Measure coverage of the stated uncertainty and write factors into the weights.

    Factors come from whole subjects ("sub-01" of "sub-01_T1w.nii.gz").
    Coverage "held out" is that of each subject with the factors of all others.
    It is an average over voxels: no subject, region or voxel has a guarantee.
    """
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

    def on_scan(scan: str, name: str, found: tuple[Uncertainty, ...]) -> None:
        if not quiet:
            values = ", ".join(f"{one.method} {one.coverage['90']:.3f}" for one in found)
            typer.echo(f"{scan} {name}: 90 % intervals cover {values}", err=True)

    report = calibrate_files(references, out, case, load_model(model, device), on_scan)
    typer.echo(calibration_of(report))
    typer.echo(f"{out}: calibrated on {report.calibration.subjects['all']} subjects")
    if json is not None:
        write_plain(report, json)
