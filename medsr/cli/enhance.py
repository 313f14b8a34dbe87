"""enhance, degrade: the commands that make scans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsr.cli import options
from medsr.cli.options import (
    ACQUISITION,
    GRID,
    INPUT,
    MODEL,
    OUTPUT,
    SAMPLING,
    ModalityChoice,
    TaskName,
    box,
    bytes_of,
    numbers,
    option,
)
from medsr.cli.progress import estimated, reported
from medsr.enhancement.settings import DataStep, EnhanceSettings, Input, Mode, Output, SamplerName
from medsr.io.dicom.options import Compression, Gaps, NaN, Tilt
from medsr.io.formats import FormatName, endings, readable
from medsr.physics.profiles import PROFILES, Profile, ProfileChoice

DEFAULT = EnhanceSettings()


def enhance(
    source: Annotated[Path, typer.Argument(metavar="IN", help=f"{readable()}.")],
    further: Annotated[
        list[Path],
        typer.Argument(
            metavar="[IN...] OUT",
            help="More stacks of the same body, which become one scan with the first; then the output, a name ending "
            f"in {endings()}, or a folder for a DICOM series.",
        ),
    ],
    modality: Annotated[
        ModalityChoice, option("--modality", help="Against what the headers say.", panel=INPUT)
    ] = "auto",
    gaps: Annotated[Gaps, option("--gaps", help="DICOM with missing slices.", panel=INPUT)] = DEFAULT.input.gaps,
    tilt: Annotated[Tilt, option("--tilt", help="DICOM with tilted slices.", panel=INPUT)] = DEFAULT.input.tilt,
    nan: Annotated[NaN, option("--nan", help="NIfTI with voxels that are no number.", panel=INPUT)] = DEFAULT.input.nan,
    volume: Annotated[
        str | None,
        option(
            "--volume",
            help="DICOM tree: number that medsr inspect gives; several, such as 1,3, are fused.",
            panel=INPUT,
            metavar="NUMBER",
        ),
    ] = DEFAULT.input.volume,
    region: Annotated[
        str | None,
        option(
            "--region",
            help="Only these voxels of the input, such as 10:60,0:90,20:40.",
            panel=INPUT,
            metavar="A:B,C:D,E:F",
        ),
    ] = None,
    spacing: Annotated[
        str | None,
        option(
            "--spacing",
            help="Target spacing, 1 or 1,1,1; else the finest on every axis; isotropic: half of it.",
            panel=GRID,
            metavar="MM",
        ),
    ] = None,
    grid: Annotated[
        Path | None,
        option(
            "--grid",
            help="Several stacks: the voxels of this image of the same patient instead.",
            panel=GRID,
            metavar="FILE",
        ),
    ] = None,
    factor: Annotated[
        str | None,
        option("--factor", help="Result voxels per input voxel instead: 2 or 1,1,5.", panel=GRID, metavar="N"),
    ] = None,
    profile: Annotated[
        ProfileChoice,
        option(
            "--profile",
            help=f"Slice profile of every axis: {', '.join(PROFILES)}; auto: by the headers, else what harms no scan.",
            panel=ACQUISITION,
            metavar="PROFILE",
        ),
    ] = DEFAULT.profile,
    thickness: Annotated[
        float | None,
        option("--thickness", help="Slice thickness; else from the header.", panel=ACQUISITION, metavar="MM"),
    ] = DEFAULT.thickness_mm,
    noise: Annotated[
        float | None,
        option(
            "--noise",
            help="Standard deviation of the noise in the scan's unit; else estimated.",
            panel=ACQUISITION,
            metavar="SIGMA",
        ),
    ] = DEFAULT.noise,
    mode: Annotated[
        Mode,
        option("--mode", help="Least error, one posterior sample, or the mean and its uncertainty.", panel=SAMPLING),
    ] = DEFAULT.mode,
    strength: Annotated[
        float,
        option("--strength", help="Share of the network's detail, 0 (iterative back-projection) to 1.", panel=SAMPLING),
    ] = DEFAULT.strength,
    blend: Annotated[
        float, option("--blend", help="Mode sample: from the mean (0) to the sample (1).", panel=SAMPLING)
    ] = DEFAULT.blend,
    samples: Annotated[
        int,
        option(
            "--samples",
            help="Mode uncertainty: number of posterior samples that are compared; 0: the network's own estimate.",
            panel=SAMPLING,
        ),
    ] = DEFAULT.samples,
    steps: Annotated[int, option("--steps", help="Sampler steps per sample.", panel=SAMPLING)] = DEFAULT.steps,
    sampler: Annotated[
        SamplerName, option("--sampler", help="Sampler of the diffusion model.", panel=SAMPLING)
    ] = DEFAULT.sampler,
    data_step: Annotated[
        DataStep,
        option("--data-step", help="What ties samples to the scan: near, exactly, or by gradient.", panel=SAMPLING),
    ] = DEFAULT.data_step,
    guidance: Annotated[
        float,
        option(
            "--guidance", help="Samples led beyond the posterior (above 1); for models trained for it.", panel=SAMPLING
        ),
    ] = DEFAULT.guidance,
    classifier: Annotated[
        str | None,
        option("--classifier", help="Weights of a classifier that leads samples.", panel=SAMPLING, metavar="FILE"),
    ] = DEFAULT.classifier,
    classifier_scale: Annotated[
        float, option("--classifier-scale", help="How far it leads them.", panel=SAMPLING)
    ] = DEFAULT.classifier_scale,
    cascade: Annotated[
        float | None,
        option(
            "--cascade",
            help="Large factors in stages of 2, with noise of this share of the range between them; else in one.",
            panel=SAMPLING,
            metavar="SHARE",
        ),
    ] = DEFAULT.cascade,
    seed: Annotated[int, option("--seed", help="Random seed for sampling.", panel=SAMPLING)] = DEFAULT.seed,
    flips: Annotated[
        int, option("--flips", help="Axes over whose flips the mean is averaged; 0 is quickest.", panel=SAMPLING)
    ] = DEFAULT.flips,
    model: Annotated[str, options.model(MODEL)] = DEFAULT.model,
    device: Annotated[str, options.device(MODEL)] = DEFAULT.device,
    tile: Annotated[
        int | None,
        option("--tile", help="Side of a tile in voxels; else chosen by size.", panel=MODEL, metavar="VOXELS"),
    ] = DEFAULT.tile,
    memory: Annotated[
        str | None,
        option("--memory", help="What may be used, such as 4GiB; else most that is free.", panel=MODEL, metavar="SIZE"),
    ] = None,
    force: Annotated[
        bool, option("--force", help="Go on outside what the model was validated on.", panel=MODEL)
    ] = DEFAULT.force,
    format: Annotated[
        FormatName | None, option("--format", help="Else by the name of OUT, or as the input.", panel=OUTPUT)
    ] = DEFAULT.output.format,
    dtype: Annotated[
        str | None,
        option("--dtype", help="NIfTI: voxel type, such as float32 or int16.", panel=OUTPUT, metavar="TYPE"),
    ] = DEFAULT.output.dtype,
    like: Annotated[
        Path | None,
        option("--like", help="NIfTI to DICOM: the series that the file was made of.", panel=OUTPUT, metavar="SERIES"),
    ] = DEFAULT.output.like,
    compress: Annotated[
        Compression, option("--compress", help="DICOM: lossless compression.", panel=OUTPUT)
    ] = DEFAULT.output.compress,
    keep_private: Annotated[
        bool, option("--keep-private", help="DICOM: keep private elements.", panel=OUTPUT)
    ] = DEFAULT.output.keep_private,
    parametric_map: Annotated[
        bool, option("--parametric-map", help="DICOM: write the uncertainty as a Parametric Map as well.", panel=OUTPUT)
    ] = DEFAULT.output.parametric_map,
    overwrite: Annotated[
        bool, option("--overwrite", help="Replace an earlier output of that name.", panel=OUTPUT)
    ] = False,
    quiet: Annotated[bool, options.quiet(OUTPUT)] = False,
    verbose: Annotated[bool, options.verbose(OUTPUT)] = False,
) -> None:
    """Enhance a low-resolution scan, or several stacks of one body; the run record goes beside the result."""
    from medsr.affine import axes_text
    from medsr.enhancement.files import enhance_file, names_of
    from medsr.enhancement.outputs import check_new, check_target, record_path
    from medsr.errors import UsageError
    from medsr.fusion.checks import ONE_SCAN
    from medsr.fusion.files import check_files, fuse_files
    from medsr.model.allocator import keep_freed_memory
    from medsr.record import assumption_text, stack_text

    settings = EnhanceSettings(
        spacing_mm=numbers(spacing, "--spacing"),
        factors=numbers(factor, "--factor"),
        profile=profile,
        thickness_mm=thickness,
        noise=noise,
        modality=None if modality == "auto" else modality,
        mode=mode,
        strength=strength,
        blend=blend,
        samples=samples,
        steps=steps,
        sampler=sampler,
        data_step=data_step,
        guidance=guidance,
        classifier=classifier,
        classifier_scale=classifier_scale,
        cascade=cascade,
        seed=seed,
        flips=flips,
        model=model,
        device=device,
        tile=tile,
        region=box(region),
        force=force,
        input=Input(gaps, tilt, nan, volume),
        output=Output(format, like, dtype, compress, keep_private, parametric_map),
    )
    limit = bytes_of(memory, "--memory")
    *others, target = further
    stacks = [source, *others]
    fuses = bool(others) or len(settings.input.volumes) > 1
    if fuses:
        check_files(stacks, target, settings, grid)
    elif grid is not None:
        raise UsageError(ONE_SCAN)
    else:
        check_target(target, source, settings.output, uncertainty=settings.mode == "uncertainty")
    check_new(target, settings, overwrite=overwrite)
    keep_freed_memory()
    told = estimated(source.name, quiet)
    with reported(source.name, quiet) as on_progress:
        if fuses:
            records = fuse_files(stacks, target, settings, on_progress, limit, told, grid)
        else:
            records = enhance_file(
                source, target, settings, on_progress=on_progress, memory_bytes=limit, on_estimate=told
            )
    for record in records:
        for warning in record.warnings:
            typer.echo(f"warning: {warning}", err=True)
        for number in record.envelope_measured if verbose else ():
            typer.echo(f"measured: {number}", err=True)
    spacings = axes_text(records[0].task["fine_spacing_mm"])
    for path in names_of(target, settings, len(records)):
        typer.echo(f"{path}: {spacings} mm; record {record_path(path)}")
    for place, stack in enumerate(records[0].stacks, start=1):
        typer.echo(f"stack {place}   {stack_text(stack)}; {assumption_text(stack['task']['assumed'])}")
    if not records[0].stacks:
        typer.echo(f"assumed   {assumption_text(records[0].task['assumed'])}")
    typer.echo(
        f"residual  {records[0].residual or 0:.2f} of the noise; near 1 is right, near 0 keeps the scan's noise, "
        "above 1.3 contradicts the scan"
    )


def degrade(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A high-resolution scan.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help=f"Name ending in {endings()}.")],
    task: Annotated[TaskName, options.task()],
    profile: Annotated[Profile | None, options.profile(help="Another slice profile than the task's")] = None,
    seed: Annotated[int, option("--seed", help="Random seed for the noise.")] = 0,
) -> None:
    """Degrade a high-resolution scan by a named task: a low-resolution scan with a known truth."""
    from medsr.affine import axes_text
    from medsr.enhancement.files import degrade_file
    from medsr.physics.tasks import task_named

    degraded = degrade_file(source, target, task_named(task, profile), seed)
    typer.echo(f"{target}: {axes_text(degraded.spacing_mm)} mm")
