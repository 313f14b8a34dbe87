"""enhance, degrade, validate: the commands that make or measure scans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsr.cli.options import modality_named, numbers, profile_named
from medsr.cli.progress import reported

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
ModelName = Annotated[str, typer.Option("--model", help="Name of a packaged model, or a .safetensors file.")]
ProfileName = Annotated[str, typer.Option("--profile", help="gaussian, box, trapezoid or kspace.")]
Noise = Annotated[float | None, typer.Option(help="Noise of the scan in its own unit; estimated where not given.")]


def enhance(
    source: Annotated[Path, typer.Argument(metavar="IN", help="NIfTI file, DICOM folder, or any file of a series.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Name ending in .nii or .nii.gz.")],
    spacing: Annotated[str | None, typer.Option(help="Wanted spacing in mm: 1 or 1,1,1.")] = None,
    factor: Annotated[str | None, typer.Option(help="Wanted voxels per voxel instead: 2 or 1,1,5.")] = None,
    mode: Annotated[str, typer.Option(help="mean (least error), sample (one plausible draw) or spread.")] = "mean",
    dial: Annotated[float, typer.Option(help="Mode sample: 0 (mean) to 1 (draw).")] = 1.0,
    draws: Annotated[int, typer.Option(help="Mode spread: draws behind the map.")] = 8,
    steps: Annotated[int, typer.Option(help="Evaluations of the network per draw.")] = 6,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    flips: Annotated[int, typer.Option(help="Axes over whose flips the mean is averaged; 0 is quickest.")] = 2,
    profile: ProfileName = "gaussian",
    thickness: Annotated[
        float | None, typer.Option(help="Slice thickness in mm; from the header where it is there.")
    ] = None,
    noise: Noise = None,
    modality: Annotated[str, typer.Option(help="auto, MR or CT.")] = "auto",
    model: ModelName = "medsr-base",
    device: Device = "auto",
    tile: Annotated[int | None, typer.Option(help="Side of a tile in voxels; chosen by size where not given.")] = None,
    dtype: Annotated[str | None, typer.Option(help="Stored type of the output, such as float32 or int16.")] = None,
    force: Annotated[bool, typer.Option(help="Go on outside what the model was validated on.")] = False,
    quiet: Quiet = False,
) -> None:
    """Make a finer scan out of a coarse one; its run record goes beside it."""
    from medsr.allocator import keep_freed_memory
    from medsr.enhancement import EnhanceSettings, mode_named
    from medsr.models import load_model
    from medsr.runs.case import EnhanceCase, check_target, enhance_file, record_path

    settings = EnhanceSettings(mode_named(mode), dial, draws, steps, seed, flips, noise, tile, force)
    case = EnhanceCase(
        spacing_mm=numbers(spacing, "--spacing"),
        factors=numbers(factor, "--factor"),
        profile=profile_named(profile),
        thickness_mm=thickness,
        modality=modality_named(modality),
        dtype=dtype,
        settings=settings,
    )
    check_target(target, source)
    keep_freed_memory()
    loaded = load_model(model, device)
    with reported(source.name, quiet) as on_progress:
        records = enhance_file(source, target, case, loaded, on_progress)
    for record in records:
        for warning in record.warnings:
            typer.echo(f"warning: {warning}", err=True)
    spacings = " x ".join(f"{h:g}" for h in records[0].task["fine_spacing_mm"])
    typer.echo(
        f"{target}: {spacings} mm, residual {records[0].residual or 0:.2f} noise units; record {record_path(target)}"
    )


def degrade(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A fine scan.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Name ending in .nii or .nii.gz.")],
    task: Annotated[str, typer.Option(help="iso2, iso4, thick3, thick5, thick6, gap, plane2 or noisy2.")],
    profile: Annotated[str | None, typer.Option(help="Another profile than the task's.")] = None,
    seed: Annotated[int, typer.Option(help="Of the noise.")] = 0,
) -> None:
    """Degrade a fine scan by a named task."""
    from medsr.acquisition import task_named
    from medsr.runs.case import degrade_file

    chosen = task_named(task, None if profile is None else profile_named(profile))
    coarse = degrade_file(source, target, chosen, seed)
    spacings = " x ".join(f"{h:.4g}" for h in coarse.spacing_mm)
    typer.echo(f"{target}: {spacings} mm")


def validate(
    references: Annotated[list[Path], typer.Argument(metavar="REF...", help="Fine scans.")],
    task: Annotated[list[str], typer.Option(help="May be given several times.")],
    profile: Annotated[str | None, typer.Option(help="Another profile than the tasks'.")] = None,
    methods: Annotated[str | None, typer.Option(help="Names separated by commas; all where not given.")] = None,
    model: ModelName = "medsr-base",
    device: Device = "auto",
    dial: Annotated[float, typer.Option(help="Of the method sample.")] = 1.0,
    steps: Annotated[int, typer.Option(help="Evaluations of the network per draw.")] = 6,
    noise: Noise = None,
    seed: Annotated[int, typer.Option(help="Of noise and draws.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write everything as JSON.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write one row per score as CSV.")] = None,
    quiet: Quiet = False,
) -> None:
    """Degrade references, restore them by every method, and measure."""
    from medsr.acquisition import task_named
    from medsr.allocator import keep_freed_memory
    from medsr.enhancement import EnhanceSettings
    from medsr.io import files, load
    from medsr.models import load_model
    from medsr.report import tables
    from medsr.validation import ALL_METHODS, LEARNED, Score
    from medsr.validation import validate as run

    shape = None if profile is None else profile_named(profile)
    tasks = [task_named(name, shape) for name in task]
    chosen = ALL_METHODS if methods is None else tuple(methods.split(","))
    for path in (json, csv):
        if path is not None:
            files.check_writable(path)
    keep_freed_memory()
    loaded = load_model(model, device) if set(chosen) & set(LEARNED) else None

    def on_score(score: Score) -> None:
        if not quiet:
            typer.echo(f"{score.scan} {score.task} {score.method}: {score.psnr_db:.2f} dB", err=True)

    scans = ((path.name.removesuffix(".gz").removesuffix(".nii"), load(path)) for path in references)
    settings = EnhanceSettings(dial=dial, steps=steps, seed=seed, noise=noise)
    findings = run(scans, tasks, loaded, chosen, settings, on_score)
    typer.echo(tables.text_of(findings), nl=False)
    if json is not None:
        tables.write_json(findings, json)
    if csv is not None:
        tables.write_csv(findings, csv)
