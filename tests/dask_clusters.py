"""Dask's own scheduler and worker processes on loopback, in the open or with TLS."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from peers import HOST, free_port, program

TESTS = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Certificates:
    """Made by an authority of their own: `ca` vouches for `cert`, whose key is `key`."""

    ca: Path
    cert: Path
    key: Path

    @property
    def options(self) -> list[str]:
        """Those that dask and medsr call the same."""
        return ["--tls-cert", str(self.cert), "--tls-key", str(self.key)]


def certificates(folder: Path) -> Certificates:
    """A throw-away authority and one certificate that it signed."""
    folder.mkdir()
    found = Certificates(folder / "ca.pem", folder / "own.pem", folder / "own.key")
    authority_key = folder / "ca.key"
    new = [str(program("openssl")), "req", "-newkey", "rsa:2048", "-nodes"]
    sign = [str(program("openssl")), "x509", "-req", "-days", "2", "-CA", found.ca, "-CAkey", authority_key]
    for command in (
        [
            *new,
            "-x509",
            "-days",
            "2",
            "-subj",
            f"/CN=authority of {folder.name}",
            "-keyout",
            authority_key,
            "-out",
            found.ca,
        ],
        [*new, "-subj", "/CN=node", "-keyout", found.key, "-out", folder / "own.csr"],
        [*sign, "-CAcreateserial", "-in", folder / "own.csr", "-out", found.cert],
    ):
        subprocess.run(command, check=True, capture_output=True)
    return found


@contextmanager
def dask_cluster(
    folder: Path, n_workers: int, tls: Certificates | None = None
) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler, and its workers' processes; all are killed at the end.

    Args:
        folder: where they keep their files.
        n_workers: of one thread each.
        tls: with which they show themselves and know each other.
    """
    port = free_port()
    scheme = "tcp" if tls is None else "tls"
    secure: Sequence[str] = () if tls is None else ["--tls-ca-file", str(tls.ca), *tls.options]
    address = f"{scheme}://{HOST}:{port}"
    quiet = ["--no-dashboard", *secure]
    scheduler = ["distributed.cli.dask_scheduler", f"--port={port}", f"--host={scheme}://{HOST}", *quiet]
    worker = ["distributed.cli.dask_worker", address, "--nthreads=1", "--no-nanny", *quiet]
    code = os.pathsep.join(map(str, (TESTS, TESTS.parent)))  # that of this checkout, wherever another is installed
    environment = {**os.environ, "PYTHONPATH": code, "OMP_NUM_THREADS": "1"}
    with ExitStack() as stack:
        processes = []
        for module, *options in (scheduler, *[worker] * n_workers):
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", module, *options],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=environment,
                    cwd=folder,
                )
            )
            stack.callback(process.kill)
            processes.append(process)
        yield address, processes[1:]
