"""A run on dask.distributed: a task is a handful of cases, worked on by the same supervisor of supervised processes.

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

from medsr.batch.outcome import Outcome, Tally
from medsr.batch.plan_file import PlannedCase, planned
from medsr.batch.progress import Count
from medsr.batch.recipe import Deadlines
from medsr.batch.run import OnChange, still_to_do, tidy
from medsr.batch.store import Store
from medsr.batch.supervise import Job, Supervisor
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

_supervisors: dict[str, Supervisor] = {}
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Cluster:
    """Where the tasks run.

    Attributes:
        scheduler: address such as tcp://host:8786 or tls://host:8786; None: a cluster on this machine.
        workers: of a cluster on this machine.
        tls_ca: PEM file that vouches for the scheduler.
        tls_cert: PEM file with our certificate; dask lets nobody in without.
        tls_key: PEM file with its key.

    Raises:
        UsageError: TLS without all three files, or files without TLS.
    """

    scheduler: str | None = None
    workers: int = 1
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


def work_on_dask(
    job: Job,
    cases: Sequence[PlannedCase],
    on_change: OnChange,
    cluster: Cluster,
    *,
    skipped: int = 0,
    again: bool = False,
) -> Tally:
    """As `batch.work`, on a dask cluster; each dask worker keeps one computing process warm.

    Args:
        job: what the cases share; its first options are those of every process.
        cases: of the run.
        on_change: told of everything that changes.
        cluster: where.
        skipped: number of files that the plan left out.
        again: do what failed a gate again.

    Raises:
        UsageError: dask.distributed is not installed, or files that are not usable for TLS.
        ResourceError: the scheduler can't be reached or refuses us, or workers died so often that cases are left.
    """
    count, by_id = Count(cases), {case.case: case for case in cases}
    left = still_to_do(job, cases, count, again=again)
    on_change(count.tally(skipped), None, 0)
    if not left:
        return count.tally(skipped)
    unreached = 0
    with _connected(cluster) as client:
        n_workers = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
        size = max(1, min(MOST_CASES, -(-len(left) // (TASKS_PER_WORKER * n_workers))))
        tasks = [[asdict(case) for case in left[start : start + size]] for start in range(0, len(left), size)]
        futures = client.map(work_on_task, tasks, told=_told(job, again), pure=False, retries=RETRIES)
        for future in _finished(futures):
            if future.status != "finished":
                unreached += 1
                continue
            for text, here in future.result():
                outcome = Outcome.from_json(text)
                count.add(by_id[outcome.case], outcome, now=here)
                on_change(count.tally(skipped), outcome if here else None, 0)
    tidy(job.store)
    if unreached:
        raise ResourceError(f"{unreached} of {len(tasks)} tasks lost their dask workers again and again; run once more")
    return count.tally(skipped)


def work_on_task(cases: list[dict[str, Any]], told: dict[str, Any]) -> list[tuple[str, bool]]:
    """What a dask worker does: some cases with its own warm process. Outcomes as JSON, and whether they are new.

    Args:
        cases: as in the plan's file.
        told: of `_told`.

    Raises:
        MedsrError: the worker's machine can't do it; dask tries another one.
    """
    outcomes: list[tuple[str, bool]] = []
    with _one_at_a_time:
        supervisor = _supervisors.get(told["root"])
        if supervisor is None:
            supervisor = _supervisors[told["root"]] = Supervisor(_job(told))
        try:
            supervisor.run(
                [planned(case) for case in cases],
                lambda case, outcome, here: outcomes.append((outcome.to_json(), here)),
                again=told["again"],
            )
        except MedsrError:
            _supervisors.pop(told["root"]).__exit__()
            raise
    return outcomes


def _told(job: Job, again: bool) -> dict[str, Any]:
    """A job as plain values, for the way to a worker."""
    return {
        "root": str(job.store.root.absolute()),
        "module": job.module,
        "options": dict(job.options[0]),
        "model_sha256": job.model_sha256,
        "settings_key": job.settings_key,
        "gates": [gate.text for gate in job.gates],
        "deadlines": asdict(job.deadlines),
        "again": again,
    }


def _job(told: Mapping[str, Any]) -> Job:
    return Job(
        Store(Path(told["root"])),
        told["module"],
        (told["options"],),
        told["model_sha256"],
        told["settings_key"],
        case_gates(told["gates"]),
        Deadlines(**told["deadlines"]),
    )


@contextmanager
def _connected(cluster: Cluster) -> Iterator[Any]:
    """A client of the cluster; one on this machine goes with it."""
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise UsageError("dask.distributed is not installed; pip install medsr[dask]") from error
    if cluster.scheduler is not None:
        with _reached(cluster.scheduler, _security(cluster)) as client:
            yield client
        return
    places = {"n_workers": cluster.workers, "threads_per_worker": 1, "memory_limit": 0, "dashboard_address": None}
    with dask.config.set(CONFIG), LocalCluster(**places, silence_logs=50) as local, Client(local) as client:
        yield client


def _reached(scheduler: str, security: Any) -> Any:
    from distributed import Client

    try:
        return Client(scheduler, security=security, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        if security is not None and ("SSL" in str(error) or "TLS certificate" in str(error)):
            told = "it and we do not trust each other's certificates; compare the authority behind each"
            raise ResourceError(f"{scheduler}: {told}") from error
        raise ResourceError(f"{scheduler}: no dask scheduler answers there ({type(error).__name__})") from error


def _security(cluster: Cluster) -> Any:
    from distributed.security import Security

    if not cluster.is_secure:
        return None
    security = Security(
        tls_ca_file=str(cluster.tls_ca),
        tls_client_cert=str(cluster.tls_cert),
        tls_client_key=str(cluster.tls_key),
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
