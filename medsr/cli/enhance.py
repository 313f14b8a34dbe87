"""enhance, degrade: the commands that make scans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsr.cli.options import (
    FORMAT_NAMES,
    compression_named,
    format_named,
    modality_named,
    numbers,
    policies_named,
    profile_named,
)
from medsr.cli.progress import reported
from medsr.io.formats import endings, readable

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
ModelName = Annotated[str, typer.Option("--model", help="Name of a packaged model, or a .safetensors file.")]
ProfileName = Annotated[str, typer.Option("--profile", help="gaussian, box, trapezoid or kspace.")]
Noise = Annotated[float | None, typer.Option(help="Noise of the scan in its own unit; estimated where not given.")]


def enhance(
    source: Annotated[Path, typer.Argument(metavar="IN", help=f"{readable()}.")],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help=f"Name ending in {endings()}, or a folder for a DICOM series.")
    ],
    spacing: Annotated[str | None, typer.Option(help="Wanted spacing in mm: 1 or 1,1,1.")] = None,
    factor: Annotated[str | None, typer.Option(help="Wanted voxels per voxel instead: 2 or 1,1,5.")] = None,
    mode: Annotated[str, typer.Option(help="mean (least error), sample (one plausible draw) or spread.")] = "mean",
    blend: Annotated[float, typer.Option(help="Mode sample: 0 (mean) to 1 (draw).")] = 1.0,
    samples: Annotated[int, typer.Option(help="Mode uncertainty: draws behind the map.")] = 8,
    steps: Annotated[int, typer.Option(help="Evaluations of the network per draw.")] = 6,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    flips: Annotated[int, typer.Option(help="Axes over whose flips the mean is averaged; 0 is quickest.")] = 1,
    profile: ProfileName = "gaussian",
    thickness: Annotated[
        float | None, typer.Option(help="Slice thickness in mm; from the header where it is there.")
    ] = None,
    noise: Noise = None,
    modality: Annotated[str, typer.Option(help="auto, MR or CT.")] = "auto",
    model: ModelName = "medsr-base",
    device: Device = "auto",
    tile: Annotated[int | None, typer.Option(help="Side of a tile in voxels; chosen by size where not given.")] = None,
    dtype: Annotated[str | None, typer.Option(help="NIfTI: stored type, such as float32 or int16.")] = None,
    gaps: Annotated[str, typer.Option(help="DICOM with missing slices: refuse, fill or split.")] = "refuse",
    tilt: Annotated[str, typer.Option(help="DICOM with tilted slices: refuse or resample.")] = "refuse",
    volume: Annotated[
        str | None, typer.Option(help="DICOM tree: the volume that medsr inspect lists as this.", metavar="NUMBER")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help=f"{' or '.join(FORMAT_NAMES)}; as the input where not given.")
    ] = None,
    like: Annotated[
        Path | None, typer.Option(help="NIfTI to DICOM: the series that the file was made of.", metavar="SERIES")
    ] = None,
    compress: Annotated[str, typer.Option(help="DICOM, lossless: none, j2k, rle or jpegls.")] = "none",
    keep_private: Annotated[bool, typer.Option("--keep-private", help="DICOM: keep private elements.")] = False,
    parametric_map: Annotated[
        bool, typer.Option("--parametric-map", help="DICOM: the spread as a Parametric Map as well.")
    ] = False,
    force: Annotated[bool, typer.Option(help="Go on outside what the model was validated on.")] = False,
    quiet: Quiet = False,
) -> None:
    """Make a finer scan out of a coarse one; its run record goes beside it."""
    from medsr.affine import axes_text
    from medsr.enhancement.enhancement import EnhanceSettings, mode_named
    from medsr.enhancement.files import EnhanceCase, Output, check_target, enhance_file, names_of, record_path
    from medsr.io.dicom.derived import DicomOptions
    from medsr.model.allocator import keep_freed_memory
    from medsr.model.weights import load_model

    settings = EnhanceSettings(mode_named(mode), blend, samples, steps, seed, flips, noise, tile, force)
    dicom = DicomOptions(compression_named(compress), keep_private)
    case = EnhanceCase(
        spacing_mm=numbers(spacing, "--spacing"),
        factors=numbers(factor, "--factor"),
        profile=profile_named(profile),
        thickness_mm=thickness,
        modality=modality_named(modality),
        dtype=dtype,
        settings=settings,
        policies=policies_named(gaps, tilt),
        volume=volume,
        output=Output(format_named(format), like, dicom, parametric_map),
    )
    check_target(target, source, case.output, uncertainty=settings.mode == "uncertainty")
    keep_freed_memory()
    loaded = load_model(model, device)
    with reported(source.name, quiet) as on_progress:
        records = enhance_file(source, target, case, loaded, on_progress)
    for record in records:
        for warning in record.warnings:
            typer.echo(f"warning: {warning}", err=True)
    spacings = axes_text(records[0].task["fine_spacing_mm"])
    for path in names_of(target, case, len(records)):
        typer.echo(
            f"{path}: {spacings} mm, residual {records[0].residual or 0:.2f} noise units; record {record_path(path)}"
        )


def degrade(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A fine scan.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help=f"Name ending in {endings()}.")],
    task: Annotated[str, typer.Option(help="iso2, iso4, thick3, thick5, thick6, gap, plane2 or noisy2.")],
    profile: Annotated[str | None, typer.Option(help="Another profile than the task's.")] = None,
    seed: Annotated[int, typer.Option(help="Of the noise.")] = 0,
) -> None:
    """Degrade a fine scan by a named task."""
    from medsr.affine import axes_text
    from medsr.enhancement.files import degrade_file
    from medsr.physics.tasks import task_named

    chosen = task_named(task, None if profile is None else profile_named(profile))
    coarse = degrade_file(source, target, chosen, seed)
    spacings = axes_text(coarse.spacing_mm)
    typer.echo(f"{target}: {spacings} mm")
