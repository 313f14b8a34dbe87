"""Real peers for tests: an Orthanc archive, and storage services of DCMTK and pynetdicom.

Each server listens on loopback on a free port, keeps everything in a temporary folder and is stopped by its process.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
from pydicom.uid import AllTransferSyntaxes
from pynetdicom import AE, StoragePresentationContexts, evt
from pynetdicom.events import Event

from medsr.io.dicom.network.association import Peer

HOST = "127.0.0.1"
PLUGINS = Path("/usr/share/orthanc/plugins")  # of the Debian package orthanc-dicomweb
START_S = 60.0  # a server that needs longer is stopped, which fails its test
PACKAGES = {
    "Orthanc": "orthanc",
    "storescp": "dcmtk",
    "openssl": "openssl",
}


def program(name: str) -> str | None:
    """Where a program lies; Debian keeps Orthanc in a folder that ordinary users don't search."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip where one of these programs is missing."""
    missing = sorted({PACKAGES[name] for name in names if program(name) is None})
    if "Orthanc" in names and not any(PLUGINS.glob("libOrthancDicomWeb*")):
        missing.append("orthanc-dicomweb")
    return pytest.mark.skipif(bool(missing), reason=f"needs the Debian packages {' '.join(missing)}")


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def peer_at(port: int, **more: Any) -> Peer:
    """An archive on loopback, as `medsr dicom send` names it."""
    return Peer(HOST, port, "ARCHIVE", **more)


def stored(event: Event) -> int:
    """The answer of a service that takes everything."""
    return 0


@dataclass(frozen=True)
class Archive:
    """A running Orthanc: `aet` at `port`, DICOMweb below `web`."""

    port: int
    web: str
    aet: str = "ORTHANC"


@contextmanager
def orthanc(folder: Path) -> Iterator[Archive]:
    """An empty Orthanc that files in `folder` and takes associations under its own title alone."""
    folder.mkdir(parents=True, exist_ok=True)
    archive_port, web_port = free_port(), free_port()
    archive = Archive(archive_port, f"http://{HOST}:{web_port}/dicom-web")
    settings = {
        "StorageDirectory": str(folder / "files"),
        "IndexDirectory": str(folder / "files"),
        "HttpPort": web_port,
        "DicomPort": archive_port,
        "DicomAet": archive.aet,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomCheckCalledAet": True,
        "Plugins": [str(PLUGINS)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    command = [str(program("Orthanc")), str(folder / "orthanc.json")]
    with running(command, _saying("Orthanc has started")):
        yield archive


@contextmanager
def storescp(folder: Path, *options: str) -> Iterator[int]:
    """The port of DCMTK's storage service, which writes what it receives into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [str(program("storescp")), "-od", str(folder), *options, str(port)]
    with running(command, _listening(port)):
        yield port


@contextmanager
def pynetdicom_storescp(folder: Path) -> Iterator[int]:
    """The port of pynetdicom's storage service in a process of its own, so that its log is not ours."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", "pynetdicom", "storescp", str(port), "-od", str(folder), "-ba", HOST]
    with running(command, _listening(port)):
        yield port


@contextmanager
def answering(
    store: Callable[[Event], int],
    *,
    syntaxes: Sequence[str] = AllTransferSyntaxes,
    aet: str = "ARCHIVE",
    max_associations: int = 10,
    on_rejected: Callable[[Event], None] = lambda event: None,
) -> Iterator[int]:
    """The port of a storage service in this process that answers each request with the status that `store` gives."""
    entity = AE(ae_title=aet)
    entity.require_called_aet = True
    for context in StoragePresentationContexts:
        entity.add_supported_context(str(context.abstract_syntax), list(syntaxes))
    entity.maximum_associations = max_associations
    server = entity.start_server(
        (HOST, 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store), (evt.EVT_REJECTED, on_rejected)]
    )
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


@contextmanager
def running(command: list[str], ready: Callable[[IO[str]], None]) -> Iterator[None]:
    """A server from the moment that `ready`, which may read its output, returns until the block ends."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        watchdog = threading.Timer(START_S, process.kill)
        watchdog.start()
        try:
            ready(process.stdout)
            watchdog.cancel()
            threading.Thread(target=process.stdout.read, daemon=True).start()  # a full pipe would stop the server
            yield
        finally:
            watchdog.cancel()
            process.terminate()
            process.wait()


def _saying(word: str) -> Callable[[IO[str]], None]:
    def ready(output: IO[str]) -> None:
        said = []
        for line in output:
            said.append(line)
            if word in line:
                return
        raise AssertionError(f"the server ended before it said {word!r}: {''.join(said)[-2000:]}")

    return ready


def _listening(port: int) -> Callable[[IO[str]], None]:
    def ready(output: IO[str]) -> None:
        tick = threading.Event()
        for _ in range(int(START_S / 0.05)):
            try:
                socket.create_connection((HOST, port), 1.0).close()
                return
            except ConnectionRefusedError:
                tick.wait(0.05)
        raise AssertionError(f"nothing listens on port {port}")

    return ready
