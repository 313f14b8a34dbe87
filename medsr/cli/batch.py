"""batch: folders of scans; plan, run, go on, and see how far it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from medsr.cli.options import Command, Group, option
from medsr.cli.sharing import (
    CASES,
    EngineOption,
    PrintScriptOption,
    SbatchOption,
    SchedulerOption,
    ShardOption,
    TasksOption,
    TlsCaOption,
    TlsCertOption,
    TlsKeyOption,
    ended_by_sigterm,
    options_of,
    shard_of,
)
from medsr.engine.engines import DEFAULT, engine_named
from medsr.errors import CasesFailedError, UsageError

if TYPE_CHECKING:
    from medsr.batch.plan import Plan
    from medsr.engine.outcome import Outcome, Tally
    from medsr.engine.plan_file import PlannedCase

OnProgress = Callable[["Tally", "Outcome | None", int], None]
TABLE_ROWS = 30


class RunUnlessNamed(Group):
    """`medsr batch IN OUT` is `medsr batch run IN OUT`; a folder named like a command is written ./status."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Arguments that begin with no command belong to `run`."""
        if args and args[0] not in (*self.commands, "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


batch = typer.Typer(
    name="batch",
    cls=RunUnlessNamed,
    help="Folders of scans: medsr batch IN OUT [RECIPE]; then medsr batch status OUT, medsr batch resume OUT.",
)
Only = Annotated[
    str | None,
    option("--only", help="Only what failed: failed, or kinds such as oom,timeout.", panel=CASES, metavar="KINDS"),
]
Progress = Literal["auto", "json", "none"]
AnonymousOption = Annotated[
    bool, option("--anonymous", help="Never name files; else a terminal, and no log, gets their names.", panel=CASES)
]
ProgressOption = Annotated[Progress, option("--progress", help="json: a line per event on standard output.")]


@batch.callback()
def _batch() -> None:
    """Folders of scans."""


@batch.command("run", cls=Command)
def run(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Folder, BIDS or DICOM tree, 'glob', or table.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the results.")],
    recipe: Annotated[Path | None, typer.Argument(metavar="RECIPE", help="TOML file.")] = None,
    dry_run: Annotated[bool, option("--dry-run", help="Show the plan, do nothing.")] = False,
    only: Only = None,
    gate: Annotated[
        list[str] | None,
        option(
            "--gate",
            help="Beside the recipe's: 'psnr>=30, envelope==inside' or a file; a case must keep it.",
            panel=CASES,
            metavar="GATE",
        ),
    ] = None,
    force: Annotated[
        bool, option("--force", help="Go on outside what the model was validated on.", panel=CASES)
    ] = False,
    shard: ShardOption = None,
    anonymous: AnonymousOption = False,
    progress: ProgressOption = "auto",
    engine: EngineOption = DEFAULT,
    scheduler: SchedulerOption = None,
    tls_ca: TlsCaOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    tasks: TasksOption = None,
    sbatch: SbatchOption = None,
    print_script: PrintScriptOption = False,
) -> None:
    """Enhance every scan of IN into OUT; run it again to go on where it stopped."""
    used, part = engine_named(engine), shard_of(shard)
    options = options_of(
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
    if print_script:
        from medsr.batch.job import resuming
        from medsr.engine.slurm_engine import slurm_script

        typer.echo(slurm_script(target, options, resuming(target, kinds(only))), nl=False)
        return
    from medsr.batch.recipe import BatchRecipe, read_batch_recipe
    from medsr.batch.run import begin, plan_batch, run_plan
    from medsr.metrics.gates import read_gates

    chosen = BatchRecipe() if recipe is None else read_batch_recipe(recipe)
    chosen = replace(
        chosen,
        gates=(*chosen.gates, *(one.text for one in read_gates(gate or ()))),
        enhance=replace(chosen.enhance, force=chosen.enhance.force or force),
    )
    plan = plan_batch(source, target, chosen)
    if dry_run:
        _show_plan(plan, target, {} if anonymous else _names(plan.cases))
        return
    names = {} if anonymous or not sys.stderr.isatty() else _names(plan.cases)
    used.check_installed()
    store = begin(plan, target)
    with _watched(progress, names) as on_progress:
        tally = run_plan(plan, store, on_progress, only=kinds(only), shard=part, engine=engine, options=options)
    _say_left_out(plan, err=True)
    _finish(tally, target, names)


@batch.command("resume", cls=Command)
def resume(
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of an earlier run.")],
    only: Only = None,
    shard: ShardOption = None,
    anonymous: AnonymousOption = False,
    progress: ProgressOption = "auto",
) -> None:
    """Go on with the plan in OUT, as it stands."""
    from medsr.batch.plan import read_plan
    from medsr.batch.run import run_plan
    from medsr.engine.store import Store

    store = Store(target)
    plan = read_plan(store.plan)
    store.prepare()
    names = {} if anonymous or not sys.stderr.isatty() else _names(plan.cases)
    with _watched(progress, names) as on_progress:
        tally = run_plan(plan, store, on_progress, only=kinds(only), shard=shard_of(shard))
    _finish(tally, target, names)


@batch.command("status", cls=Command)
def show_status(
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of a run.")],
    case: Annotated[
        str | None, option("--case", help="Show one case in full, with the names of its files.", metavar="ID")
    ] = None,
    as_json: Annotated[bool, option("--json", help="Print JSON.")] = False,
    anonymous: AnonymousOption = False,
) -> None:
    """How far a run is, and what failed."""
    from medsr.engine.plan_file import planned, read_lines
    from medsr.engine.progress import status
    from medsr.engine.store import Store

    if case is not None:
        _show_case(target, case)
        return
    tally, failures = status(target)
    if as_json:
        typer.echo(json.dumps(tally.as_dict()))
        return
    typer.echo(_line(tally))
    shows_names = failures and not anonymous and sys.stdout.isatty()
    rows = read_lines(Store(target).plan)[1] if shows_names else []
    _show_failures(failures, _names(map(planned, rows)))


def kinds(text: str | None) -> tuple[str, ...]:
    """Kinds separated by commas."""
    return () if text is None else tuple(part.strip() for part in text.split(","))


def _finish(tally: Tally, target: Path, names: Mapping[str, str]) -> None:
    from medsr.engine.progress import status

    typer.echo(_line(tally), err=True)
    if tally.failed:
        _show_failures(status(target)[1], names, err=True)
        advice = f"see {target / 'index.html'}, or try them again with --only failed"
        raise CasesFailedError(f"{tally.failed} of {tally.planned} cases failed; {advice}")


def _line(tally: Tally) -> str:
    left = "" if tally.seconds_left is None or not tally.left else f", about {tally.seconds_left:.0f} s left"
    return f"{tally.done} done, {tally.failed} failed, {tally.left} left of {tally.planned} cases{left}"


def _show_failures(failures: list[Outcome], names: Mapping[str, str], err: bool = False) -> None:
    rows = [
        (one.case, one.kind, one.stage, str(one.attempts), _with_name(one.reason, one.case, names))
        for one in failures[:TABLE_ROWS]
    ]
    for case, kind, stage, tries, reason in [("case", "kind", "stage", "tries", "why"), *rows] if rows else ():
        typer.echo(f"{case:<16}  {kind:<11}  {stage:<7}  {tries:<5}  {reason}", err=err)
    if len(failures) > TABLE_ROWS:
        typer.echo(f"and {len(failures) - TABLE_ROWS} more in cases.csv", err=err)


def _names(cases: Iterable[PlannedCase]) -> dict[str, str]:
    """The first file of each case, by its id, and how many stacks are fused with it."""
    return {case.case: f"{case.files[0]}{_more_stacks(case)}" for case in cases}


def _more_stacks(case: PlannedCase) -> str:
    n = len(case.given.get("stacks", ())) - 1
    return f" and {n} more stack{'s' * (n > 1)}" if n > 0 else ""


def _with_name(reason: str, case: str, names: Mapping[str, str]) -> str:
    return f"{reason} ({names[case]})" if case in names else reason


def _show_case(target: Path, case: str) -> None:
    from medsr.engine.plan_file import planned, read_lines
    from medsr.engine.store import Store

    store = Store(target)
    found = [planned(row) for row in read_lines(store.plan)[1] if row["case"].startswith(case)]
    if len(found) != 1:
        raise UsageError(f"--case {case}: {len(found)} cases have an id that begins so; expected one")
    outcome = store.outcome(found[0].case)
    shown = {
        "case": found[0].case,
        "files": found[0].files,
        "output": found[0].target,
        "outcome": None if outcome is None else json.loads(outcome.to_json()),
    }
    typer.echo(json.dumps(shown, indent=1))


def _show_plan(plan: Plan, target: Path, names: Mapping[str, str]) -> None:
    import shutil

    from medsr.batch.forecast import forecast

    able = [case for case in plan.cases if not case.problem]
    for case in able:
        shown = target / case.target if names else case.shown
        typer.echo(f"{case.case}  {names.get(case.case, '')}  ->  {shown}")
    for case in plan.cases:
        if case.problem:
            typer.echo(f"{case.case}  {names.get(case.case, '')}  fails ({case.kind}): {case.problem}")
    _say_left_out(plan)
    typer.echo(
        "judged by headers alone; whether voxels lie within what the model was validated on shows when a scan is read"
    )
    folder = next(path for path in (target, *target.absolute().parents) if path.exists())
    free = shutil.disk_usage(folder).free / 2**30
    seconds = forecast(plan)
    typer.echo(
        f"{len(able)} cases to do, {len(plan.cases) - len(able)} that fail, "
        f"{sum(plan.left_out.values())} files left out; {plan.voxels / 1e6:.0f} million voxels, "
        f"up to {plan.most_bytes / 2**30:.2f} GiB (free: {free:.0f} GiB), "
        f"about {seconds / 60:.0f} min with one process"
    )


def _say_left_out(plan: Plan, *, err: bool = False) -> None:
    for reason, count in plan.left_out.items():
        typer.echo(f"left out: {count} x {reason}", err=err)


@contextmanager
def _watched(how: Progress, names: Mapping[str, str]) -> Iterator[OnProgress | None]:
    """A callback that shows how far the run is; SIGTERM ends a run like Ctrl-C does."""
    with ended_by_sigterm():
        if how == "none":
            yield None
        elif how == "json":
            yield _json_line
        elif sys.stderr.isatty():
            yield from _bar()
        else:
            yield _plain_lines(names)


def _json_line(tally: Tally, outcome: Outcome | None, running: int) -> None:
    if outcome is not None:
        facts = {"case": outcome.case, "state": outcome.state, "kind": outcome.kind, "seconds": outcome.seconds}
        typer.echo(json.dumps({"event": "case", **facts}))
    typer.echo(json.dumps({"event": "progress", "running": running, **tally.as_dict()}))
    sys.stdout.flush()


def _bar() -> Iterator[OnProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("batch", total=None)

        def show(tally: Tally, outcome: Outcome | None, running: int) -> None:
            rate = 60 * (tally.voxels_now / 1e6) / tally.seconds if tally.seconds > 1 else 0.0
            text = f"{_line(tally)}, {rate:.0f} million voxels a minute"
            bar.update(task, total=max(1, tally.voxels_planned), completed=tally.voxels_done, description=text)

        yield show


def _plain_lines(names: Mapping[str, str]) -> OnProgress:
    from medsr.cli.progress import LINE_EVERY_S

    shown = 0.0

    def show(tally: Tally, outcome: Outcome | None, running: int) -> None:
        nonlocal shown
        if outcome is not None and outcome.state == "failed":
            reason = _with_name(outcome.reason, outcome.case, names)
            typer.echo(f"{outcome.case} failed ({outcome.kind}): {reason}", err=True)
        if tally.seconds - shown >= LINE_EVERY_S:
            shown = tally.seconds
            typer.echo(_line(tally), err=True)

    return show
