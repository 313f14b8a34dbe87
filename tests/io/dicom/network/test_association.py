"""Associations with real storage services: each way in which none comes about says what to do."""

import gc
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from dicom_phantoms import write_classic
from peers import HOST, answering, free_port, needs, peer_at, program, stored, storescp
from phantoms import affine
from pydicom import dcmread
from pydicom.uid import CTImageStorage
from pynetdicom import AE, build_context
from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

from medsr.errors import OutputError, UsageError
from medsr.io.dicom.network.association import Peer, Tls
from medsr.io.dicom.network.sending import send_series

# Where no connection comes about, pynetdicom leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning")


@pytest.fixture(scope="module", autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
def series(tmp_path: Path) -> Path:
    write_classic(tmp_path / "series", np.arange(16 * 12 * 4, dtype=np.int16).reshape(16, 12, 4), affine((1, 1, 4)))
    return tmp_path / "series"


def test_a_peer_that_is_busy_is_asked_again(series: Path) -> None:
    others: list[Association] = []
    with answering(stored, max_associations=1, on_rejected=lambda event: others.pop().release()) as port:
        others.append(AE().associate(HOST, port, [build_context(CTImageStorage)], ae_title="ARCHIVE"))
        answers = send_series(series, peer_at(port), retries=20, pause_s=0.1)
    assert all(answer.stored and answer.attempt > 1 for answer in answers)


def test_a_peer_that_stays_busy_says_so(series: Path) -> None:
    with answering(stored, max_associations=1) as port:
        other = AE().associate(HOST, port, [build_context(CTImageStorage)], ae_title="ARCHIVE")
        with pytest.raises(OutputError, match=r"rejected the association \(local limit exceeded\)"):
            send_series(series, peer_at(port), retries=1, pause_s=0)
        other.release()


def test_a_wrong_title_is_a_rejection_that_says_so(series: Path) -> None:
    with (
        answering(stored) as port,
        pytest.raises(OutputError, match=r"rejected the association \(called ae title not recogni.ed\).*WRONG"),
    ):
        send_series(series, Peer(HOST, port, "WRONG"))


def test_a_rejection_is_told_where_its_connection_ends_before_anyone_looks(
    series: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads of pynetdicom meet so once in hundreds of times; here the one that waits for the answer is held back."""
    begin, close = AssociationSocket.__init__, AssociationSocket.close

    def held_back(self: AssociationSocket, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        self.closed = Event()
        self._ready.wait = self.closed.wait

    monkeypatch.setattr(AssociationSocket, "__init__", held_back)
    monkeypatch.setattr(AssociationSocket, "close", lambda self: (close(self), self.closed.set()))
    with answering(stored) as port, pytest.raises(OutputError, match="rejected the association"):
        send_series(series, Peer(HOST, port, "WRONG"))


def test_hosts_out_of_reach_and_foreign_services_are_told_apart(series: Path) -> None:
    with pytest.raises(OutputError, match=r"can't be reached \(Connection refused"):
        send_series(series, peer_at(free_port()))
    with pytest.raises(OutputError, match="can't be reached"):
        send_series(series, Peer("no-such-host.invalid", 104, "ARCHIVE"))
    with socket.create_server((HOST, 0)) as silent, pytest.raises(OutputError, match="did not answer as a DICOM"):
        send_series(series, peer_at(silent.getsockname()[1], timeout_s=0.2))


@pytest.mark.parametrize("title", ["", "   ", "A" * 17, "back\\slash", "l\u00e4rm", "two\nlines"])
def test_titles_follow_the_standard(title: str) -> None:
    with pytest.raises(UsageError, match="AE title"):
        Peer(HOST, 104, title)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Self-signed certificates of an archive (server) and of a sender (client)."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("server", "client"):
        new = [str(program("openssl")), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{HOST}"]
        files = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
        subprocess.run([*new, *subject, *files], check=True, capture_output=True)
    return folder


@needs("storescp", "openssl")
def test_tls_checks_both_sides(series: Path, tmp_path: Path, keys: Path) -> None:
    ours = Tls(keys / "server.pem", keys / "client.pem", keys / "client.key")
    options = ["+tls", str(keys / "server.key"), str(keys / "server.pem"), "+cf", str(keys / "client.pem")]
    with storescp(tmp_path / "got", *options) as port:
        assert len(send_series(series, peer_at(port, tls=ours))) == 4
        with pytest.raises(OutputError, match="certificate is not trusted"):
            send_series(series, peer_at(port, tls=Tls(keys / "client.pem", keys / "client.pem", keys / "client.key")))
        with pytest.raises(OutputError, match=r"did not answer|no TLS"):
            send_series(series, peer_at(port, tls=Tls(keys / "server.pem"), timeout_s=2.0))
        with pytest.raises(OutputError, match="--tls"):
            send_series(series, peer_at(port, timeout_s=2.0))
    got = sorted(dcmread(path).pixel_array.tolist() for path in (tmp_path / "got").iterdir())
    assert got == sorted(dcmread(path).pixel_array.tolist() for path in series.iterdir())


@needs("openssl")
def test_tls_on_a_plain_port_and_wrong_files_say_so(series: Path, keys: Path) -> None:
    with answering(stored) as port, pytest.raises(OutputError, match="TLS"):
        send_series(series, peer_at(port, tls=Tls(keys / "server.pem"), timeout_s=2.0))
    for tls in (Tls(keys / "none.pem"), Tls(keys / "server.key"), Tls(None, keys / "client.pem", keys / "server.key")):
        with pytest.raises(UsageError, match="not usable for TLS"):
            send_series(series, peer_at(104, tls=tls))
