"""A Slurm of one node on this machine: munged, slurmctld and slurmd in a folder of their own, stopped at the end."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun")
START_S = 30.0

CONFIG = """ClusterName=loop
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def is_possible() -> str:
    """Why no Slurm can be started here, or ""."""
    paths = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    missing = [name for name in PROGRAMS if shutil.which(name, path=paths) is None]
    if missing:
        return f"needs {', '.join(missing)}: install Debian's slurm-wlm and munge"
    return "" if os.geteuid() == 0 else "needs root to start Slurm's daemons"


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """A running Slurm; gives the environment in which its commands find it."""
    folder.chmod(0o700)
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    config = CONFIG.format(host=host, folder=folder, ports=_free_ports(), cpus=os.cpu_count())
    (folder / "slurm.conf").write_text(config)
    paths = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": paths}
    options = {"key-file": "munge.key", "pid-file": "munged.pid", "log-file": "munged.log", "seed-file": "munge.seed"}
    files = [f"--{option}={folder}/{name}" for option, name in options.items()]
    try:
        _run(["munged", f"--socket={folder}/munge.sock", "--force", *files], environment)
        _run(["slurmctld"], environment)
        _run(["slurmd", "-N", host], environment)
        _run(["srun", "true"], environment)  # ends when the node takes work
        yield environment
    finally:
        for name in ("slurmd.pid", "slurmctld.pid", "munged.pid"):
            with suppress(OSError, ValueError):
                _stop(int((folder / name).read_text()))


def _stop(pid: int) -> None:
    """End a daemon and wait until it is gone."""
    daemon = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(daemon, signal.SIGTERM)
        select.select([daemon], [], [], START_S)
    finally:
        os.close(daemon)


def _run(command: list[str], environment: dict[str, str]) -> None:
    subprocess.run(command, env=environment, check=True, timeout=START_S, capture_output=True)


def _free_ports() -> list[int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return [first.getsockname()[1], second.getsockname()[1]]
