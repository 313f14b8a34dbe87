"""validate: every method against scans whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsr.cli import options, sharing
from medsr.cli.options import ACQUISITION, INPUT, MEASURES, MODEL, OUTPUT, SAMPLING, TaskName, option
from medsr.cli.study_lines import print_case, print_study
from medsr.engine.engines import DEFAULT, engine_named
from medsr.errors import UsageError
from medsr.physics.profiles import Profile

if TYPE_CHECKING:
    from medsr.physics.tasks import Task
    from medsr.validation.recipe import StudyRecipe

AFTERWARDS = ("json", "csv", "pdf", "quiet")
"""Parameters that say what becomes of the whole study; a task that works on a part of it gets none of them."""


def validate(
    context: typer.Context,
    references: Annotated[
        list[Path] | None, typer.Argument(metavar="REF", help="High-resolution scans, or folders of them.")
    ] = None,
    recipe: Annotated[
        Path | None, option("--recipe", help="Study in TOML; options go before it.", panel=INPUT, metavar="TOML")
    ] = None,
    pairs: Annotated[
        Path | None,
        option(
            "--pairs",
            help="Table of real pairs: low, high, and profile, thickness, register (yes or no), scan.",
            panel=INPUT,
            metavar="TSV",
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        option("--manifest", help="Tab-separated table with a column file, for strata.", panel=INPUT, metavar="TSV"),
    ] = None,
    by: Annotated[
        str | None,
        option(
            "--by",
            help="Columns of the manifest or of the pairs, separated by commas.",
            panel=INPUT,
            metavar="COLUMNS",
        ),
    ] = None,
    task: Annotated[list[TaskName] | None, options.task(ACQUISITION, several=True)] = None,
    profile: Annotated[Profile | None, options.profile(ACQUISITION, "Another slice profile than the tasks'")] = None,
    noise: Annotated[
        float | None,
        option(
            "--noise",
            help="Standard deviation of the noise in the scan's unit; else estimated.",
            panel=ACQUISITION,
            metavar="SIGMA",
        ),
    ] = None,
    methods: Annotated[
        str | None,
        option("--methods", help="Names separated by commas; else all.", panel=MEASURES, metavar="NAMES"),
    ] = None,
    gate: Annotated[
        list[str] | None,
        option(
            "--gate",
            help="Limits such as 'psnr>=30, coverage90 in [0.87,0.93]', a file of them, or a TOML file of criteria; "
            "exit code 8 where one is broken.",
            panel=MEASURES,
            metavar="GATE",
        ),
    ] = None,
    uncertainty: Annotated[
        bool,
        option("--uncertainty", help="Measure the uncertainty as well; takes 8 samples a scan.", panel=MEASURES),
    ] = False,
    hallucination: Annotated[
        bool,
        option(
            "--hallucination", help="Run the hallucination tests as well; dozens of results a scan.", panel=MEASURES
        ),
    ] = False,
    anatomy: Annotated[
        bool,
        option(
            "--anatomy",
            help="Compare structures of T1w heads and CTs as well; minutes for each method of a head. With "
            "--uncertainty, intervals of their volumes too.",
            panel=MEASURES,
        ),
    ] = False,
    reading: Annotated[
        str | None,
        option(
            "--reading",
            help="Two methods, such as mean,cubic, for a page on which readers compare them blinded.",
            panel=OUTPUT,
            metavar="NAMES",
        ),
    ] = None,
    blend: Annotated[
        str | None,
        option(
            "--blend",
            help="Points between the mean (0) and the sample (1) to measure: 0,0.25,0.5,0.75,1.",
            panel=SAMPLING,
            metavar="NUMBERS",
        ),
    ] = None,
    steps: Annotated[
        int | None, option("--steps", help="Sampler steps per sample.", panel=SAMPLING, metavar="N")
    ] = None,
    seed: Annotated[
        int | None, option("--seed", help="Random seed for noise and sampling.", panel=SAMPLING, metavar="N")
    ] = None,
    model: Annotated[
        str | None, options.model(MODEL, "Packaged model, or a .safetensors file; else medsr-base.")
    ] = None,
    device: Annotated[str | None, options.device(MODEL)] = None,
    workers: Annotated[
        int | None,
        option(
            "--workers", help="Processes for each device; else one, or none without --out.", panel=MODEL, metavar="N"
        ),
    ] = None,
    shard: sharing.ShardOption = None,
    engine: sharing.EngineOption = DEFAULT,
    scheduler: sharing.SchedulerOption = None,
    tls_ca: sharing.TlsCaOption = None,
    tls_cert: sharing.TlsCertOption = None,
    tls_key: sharing.TlsKeyOption = None,
    tasks: sharing.TasksOption = None,
    sbatch: sharing.SbatchOption = None,
    print_script: sharing.PrintScriptOption = False,
    out: Annotated[
        Path | None,
        option(
            "--out",
            help="Folder of the report; run again to go on where it stopped.",
            panel=OUTPUT,
            metavar="FOLDER",
        ),
    ] = None,
    pdf: Annotated[
        bool,
        option("--pdf", help="Print the report's first page to index.pdf too; needs medsr[pdf].", panel=OUTPUT),
    ] = False,
    json: Annotated[
        Path | None, option("--json", help="Write everything as JSON.", panel=OUTPUT, metavar="FILE")
    ] = None,
    csv: Annotated[
        Path | None, option("--csv", help="Write one row per score as CSV.", panel=OUTPUT, metavar="FILE")
    ] = None,
    quiet: Annotated[bool, options.quiet(OUTPUT)] = False,
) -> None:
    """Degrade references, or take real pairs; restore them by every method, and measure."""
    used, part = engine_named(engine), sharing.shard_of(shard)
    chosen_options = sharing.options_of(
        used,
        scheduler=scheduler,
        tls_ca=tls_ca,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tasks=tasks,
        sbatch=sbatch,
        print_script=print_script,
        shard=part,
    )
    command = (*sharing.words_of(context, (*sharing.NAMES, *AFTERWARDS)), "--quiet")
    from medsr.engine.slurm_engine import slurm_script
    from medsr.io import files
    from medsr.io.manifest import facts_of
    from medsr.model.allocator import keep_freed_memory
    from medsr.report.pdf import check_pdf, write_pdf
    from medsr.validation import study
    from medsr.validation.report.export import write_csv, write_json

    if not references and pairs is None:
        raise UsageError("nothing to measure; name references, or a table of real pairs with --pairs")
    if by is not None and manifest is None and pairs is None:
        raise UsageError("--by names columns of a manifest or of pairs; give --manifest or --pairs as well")
    if part is not None and (json is not None or csv is not None or pdf):
        raise UsageError("--json, --csv and --pdf are for the whole study; leave them out of a part")
    if print_script:
        if out is None:
            raise UsageError("--print-script: the tasks keep their cases in a folder; name it with --out as well")
        typer.echo(slurm_script(out, chosen_options, command), nl=False)
        return
    if pdf and out is None:
        raise UsageError("--pdf prints a report; name its folder with --out as well")
    if pdf:
        check_pdf()
    wanted: dict[str, Any] = {
        "tasks": _tasks(task, profile),
        "methods": None if methods is None else tuple(methods.split(",")),
        "workers": workers,
        "gates": None if gate is None else tuple(gate),
        "blend": _blends(blend),
        "uncertainty": uncertainty or None,
        "hallucination": hallucination or None,
        "anatomy": anatomy or None,
        "reading": None if reading is None else tuple(reading.split(",")),
    }
    chosen = _recipe(recipe, wanted, {"steps": steps, "noise": noise, "seed": seed, "model": model, "device": device})
    if chosen.reading and out is None:
        raise UsageError("a page to read is part of a report; name its folder with --out as well")
    _ = chosen.limits, chosen.sheet  # what is not a gate is refused before hours of work
    for path in (json, csv):
        if path is not None:
            files.check_writable(path)
    keep_freed_memory()
    columns = by.split(",") if by else []
    used.check_installed()
    with sharing.ended_by_sigterm():
        found = study.validate(
            references or [],
            chosen,
            out,
            pairs=() if pairs is None else study.read_pairs(pairs, [] if manifest else columns),
            facts={} if manifest is None else facts_of(manifest, columns),
            on_case=None if quiet else print_case,
            division=study.Division(engine, chosen_options, part, command),
        )
    if found.left:
        n_cases = int(str(found.record["cases"]))
        typer.echo(f"{n_cases - found.left} of {n_cases} cases have ended; the report is written when all have")
    else:
        print_study(found)
        if json is not None:
            write_json(found.findings, json, found.further())
        if csv is not None:
            write_csv(found.findings, csv)
        if out is not None:
            typer.echo(f"report: {out / 'index.html'}")
    if pdf and out is not None:
        typer.echo(f"printed: {write_pdf(out / 'index.html')}")
    study.check_study(found, whole=part is None)


def _recipe(path: Path | None, wanted: dict[str, Any], drawing: dict[str, Any]) -> StudyRecipe:
    """What the recipe says, but for the options that were given."""
    from medsr.validation.recipe import StudyRecipe, read_study_recipe

    recipe = StudyRecipe() if path is None else read_study_recipe(path)
    enhance = replace(recipe.enhance, **_given(drawing))
    return replace(recipe, **_given(wanted), enhance=enhance)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _tasks(names: Sequence[str] | None, profile: Profile | None) -> tuple[Task, ...] | None:
    from medsr.physics.tasks import task_named

    if names is None:
        if profile is not None:
            raise UsageError("--profile changes the tasks of --task; in a recipe it is a key of each task")
        return None
    return tuple(task_named(name, profile) for name in dict.fromkeys(names))


def _blends(text: str | None) -> tuple[float, ...] | None:
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--blend is {text!r}; expected numbers from 0 to 1, such as 0,0.5,1") from error
