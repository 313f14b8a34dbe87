"""The engine of a dask cluster: a task is a handful of cases, worked on by a supervisor as on one machine.

The task itself only waits, so it never holds the interpreter's lock: the deaths of dask workers whose heartbeat stops
while a task computes can't happen. Workers need one thread each, and the input and output folders under the same names.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medsr.engine.deadlines import Deadlines
from medsr.engine.job import Assignment, Job, OnOutcome, OnTick
from medsr.engine.outcome import Outcome
from medsr.engine.plan_file import PlannedCase, planned
from medsr.engine.store import Store
from medsr.engine.supervise import Supervisor
from medsr.errors import MedsrError, ResourceError, UsageError
from medsr.metrics.gates import case_gates

TASKS_PER_WORKER = 8  # enough to balance, few enough to keep reading, enhancing and writing overlapped
MOST_CASES = 64
RETRIES = 2
CONNECT_S = 30
CONFIG = {
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.worker-ttl": None,
    "distributed.worker.daemon": False,
}

_supervisors: dict[str, tuple[dict[str, Any], Supervisor]] = {}  # by output folder, with the job
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Options:
    """The cluster.

    Attributes:
        scheduler: Address such as tcp://host:8786 or tls://host:8786; None for a cluster on this machine.
        tasks: Number of workers of a cluster on this machine.
        tls_ca: PEM file of the authority that vouches for the scheduler.
        tls_cert: PEM file with our certificate; dask lets nobody in without one.
        tls_key: PEM file with its key.

    Raises:
        UsageError: TLS without all three files, or files without TLS.
    """

    scheduler: str | None = None
    tasks: int = 1
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def __post_init__(self) -> None:
        files = [path is not None for path in (self.tls_ca, self.tls_cert, self.tls_key)]
        if self.is_secure and not all(files):
            raise UsageError(f"{self.scheduler}: TLS needs --tls-ca, --tls-cert and --tls-key")
        if any(files) and not self.is_secure:
            raise UsageError("--tls-ca, --tls-cert and --tls-key are for a scheduler at tls://host:port; name it so")

    @property
    def is_secure(self) -> bool:
        """Whether its scheduler is asked over TLS."""
        return self.scheduler is not None and self.scheduler.startswith("tls://")


def work(assignment: Assignment, options: Options, on_outcome: OnOutcome, on_tick: OnTick) -> None:
    """Work on cases with a dask cluster; each dask worker keeps one computing process warm.

    Args:
        assignment: Cases and what they share.
        options: The cluster.
        on_outcome: Called with each outcome of a task when the task has ended.
        on_tick: Never called: what is in work on the cluster is not known here.

    Raises:
        UsageError: files that are not usable for TLS.
        ResourceError: the scheduler can't be reached or refuses us, or workers died so often that cases are left.
    """
    by_id = {case.case: case for case in assignment.cases}
    unreached = 0
    with _connected(options) as client:
        tasks = _tasks(assignment.cases, len(client.scheduler_info(n_workers=-1)["workers"]))
        futures = client.map(work_on_task, tasks, shared=shared_of(assignment), pure=False, retries=RETRIES)
        for future in _finished(futures):
            # A result may be lost with its worker before it is fetched; asking for the exception waits for another one.
            if future.exception() is not None or future.cancelled():
                unreached += 1
                continue
            for text, here in future.result():
                outcome = Outcome.from_json(text)
                on_outcome(by_id[outcome.case], outcome, here)
    if unreached:
        raise ResourceError(f"{unreached} of {len(tasks)} tasks lost their dask workers again and again; run once more")


def _tasks(cases: Sequence[PlannedCase], n_workers: int) -> list[list[dict[str, Any]]]:
    size = max(1, min(MOST_CASES, -(-len(cases) // (TASKS_PER_WORKER * max(1, n_workers)))))
    return [[asdict(case) for case in cases[start : start + size]] for start in range(0, len(cases), size)]


def work_on_task(cases: list[dict[str, Any]], shared: dict[str, Any]) -> list[tuple[str, bool]]:
    """What a dask worker does: some cases with its own warm process. Outcomes as JSON, and whether they are new.

    Args:
        cases: Cases as in the plan's file.
        shared: What all tasks of the run share, as plain values.

    Raises:
        MedsrError: the worker's machine can't do it; dask tries another one.
    """
    outcomes: list[tuple[str, bool]] = []
    with _one_at_a_time:
        supervisor = _supervisor(shared)
        try:
            supervisor.run(
                [planned(case) for case in cases],
                lambda case, outcome, here: outcomes.append((outcome.to_json(), here)),
                again=shared["again"],
            )
        except MedsrError:
            _supervisors.pop(shared["root"])[1].__exit__()
            raise
    return outcomes


def _supervisor(shared: Mapping[str, Any]) -> Supervisor:
    """The supervisor that an earlier task of the same job left, or a new one in place of another job's."""
    root, asked = shared["root"], {key: value for key, value in shared.items() if key != "again"}
    known = _supervisors.get(root)
    if known is not None and known[0] == asked:
        return known[1]
    if known is not None:
        known[1].__exit__()
    _supervisors[root] = asked, Supervisor(_job(shared), [shared["process"]])
    return _supervisors[root][1]


def shared_of(assignment: Assignment) -> dict[str, Any]:
    """What all tasks of an assignment share, as plain values for the way to a worker."""
    job = assignment.job
    return {
        "root": str(job.store.root.absolute()),
        "module": job.module,
        "process": dict(assignment.processes()[0]),
        "model_sha256": job.model_sha256,
        "settings_key": job.settings_key,
        "gates": [gate.text for gate in job.gates],
        "deadlines": asdict(job.deadlines),
        "again": assignment.again,
    }


def _job(shared: Mapping[str, Any]) -> Job:
    return Job(
        Store(Path(shared["root"])),
        shared["module"],
        shared["model_sha256"],
        shared["settings_key"],
        case_gates(shared["gates"]),
        Deadlines(**shared["deadlines"]),
    )


@contextmanager
def _connected(options: Options) -> Iterator[Any]:
    """A client of the cluster; one on this machine goes with it."""
    import dask
    from distributed import Client, LocalCluster

    if options.scheduler is not None:
        with _reached(options.scheduler, _security(options)) as client:
            yield client
        return
    places = {"n_workers": options.tasks, "threads_per_worker": 1, "memory_limit": 0, "dashboard_address": None}
    with dask.config.set(CONFIG), LocalCluster(**places, silence_logs=50) as local, Client(local) as client:
        yield client


def _reached(scheduler: str, security: Any) -> Any:
    from distributed import Client

    try:
        return Client(scheduler, security=security, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        if security is not None and ("SSL" in str(error) or "TLS certificate" in str(error)):
            why = "it and we do not trust each other's certificates; compare the authority behind each"
            raise ResourceError(f"{scheduler}: {why}") from error
        raise ResourceError(f"{scheduler}: no dask scheduler answers there ({type(error).__name__})") from error


def _security(options: Options) -> Any:
    from distributed.security import Security

    if not options.is_secure:
        return None
    security = Security(
        tls_ca_file=str(options.tls_ca),
        tls_client_cert=str(options.tls_cert),
        tls_client_key=str(options.tls_key),
        require_encryption=True,
    )
    try:
        security.get_connection_args("client")
    except OSError as error:  # of the ssl module too
        what = getattr(error, "reason", None) or type(error).__name__
        raise UsageError(f"--tls-ca, --tls-cert or --tls-key is not usable for TLS ({what}); give PEM files") from error
    return security


def _finished(futures: Sequence[Any]) -> Any:
    from distributed import as_completed

    try:
        yield from as_completed(futures)
    except BaseException:
        for future in futures:
            with suppress(Exception):
                future.cancel()
        raise
