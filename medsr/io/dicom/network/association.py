"""An association with a DICOM archive (PS3.8): opened, or an error that says why not.

The only part of medsr that opens a socket.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom.uid import UID

from medsr.errors import OutputError, UsageError
from medsr.io import files

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.events import Event
    from pynetdicom.pdu import A_ASSOCIATE_RJ

CONNECT_S = 10.0  # a host that needs longer to take a connection counts as out of reach
TRANSIENT = 2  # result of a rejection that may be tried again (PS3.8, table 9-21)

Kind = tuple[UID, UID]
"""SOP class and transfer syntax of an instance: what an archive accepts or refuses."""


@dataclass(frozen=True)
class Tls:
    """Encryption and who vouches for whom, as PEM files.

    Attributes:
        ca: Certificates that the archive's is checked against; None: those of the system.
        certificate: Our own, for archives that ask for one.
        key: Key of our certificate; None: it stands in the same file.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """The settings of a client that checks the archive's certificate and name.

        Raises:
            UsageError: a file that is missing or no PEM file.
        """
        named = ", ".join(str(path) for path in (self.ca, self.certificate, self.key) if path is not None)
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except OSError as error:
            raise UsageError(f"{named}: not usable for TLS ({files.reason(error)}); expected PEM files") from error
        return context


@dataclass(frozen=True)
class Peer:
    """The archive to send to.

    Attributes:
        host: Name or address.
        port: Port of its DICOM service.
        ae_title: Its application entity title, at most 16 characters.
        calling_ae_title: Our own application entity title.
        tls: Encryption; None: no encryption.
        timeout_s: Longest wait for an answer.

    Raises:
        UsageError: a title that DICOM does not allow (PS3.5, 6.2).
    """

    host: str
    port: int
    ae_title: str
    calling_ae_title: str = "MEDSR"
    tls: Tls | None = None
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        for title in (self.ae_title, self.calling_ae_title):
            plain = title.isascii() and title.isprintable() and "\\" not in title
            if not plain or not title.strip() or len(title) > 16:
                raise UsageError(f"AE title {title!r}; expected 1 to 16 plain characters without a backslash")

    def __str__(self) -> str:
        return f"{self.ae_title} at {self.host}:{self.port}"


class BusyError(OutputError):
    """The archive asks to come back later."""


@contextmanager
def associated(kinds: Sequence[Kind], peer: Peer, tls: ssl.SSLContext | None) -> Iterator[Association]:
    """An association that offers each kind in a context of its own, so that each is answered by itself.

    Args:
        kinds: Kinds to offer, at most 128.
        peer: Archive to connect to.
        tls: Context of `peer.tls`, made once for all attempts.

    Raises:
        BusyError: rejected for now.
        OutputError: out of reach, rejected, no kind accepted, or not a DICOM service.
    """
    from pynetdicom import AE, evt
    from pynetdicom.pdu import A_ASSOCIATE_RJ
    from pynetdicom.presentation import build_context

    rejections: list[A_ASSOCIATE_RJ] = []

    def on_answer(event: Event) -> None:
        # Not all of them reach the association: one that ends its connection at once may pass for a broken connection.
        if isinstance(event.pdu, A_ASSOCIATE_RJ):
            rejections.append(event.pdu)

    entity = AE(ae_title=peer.calling_ae_title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = peer.timeout_s
    entity.connection_timeout = min(CONNECT_S, peer.timeout_s)
    contexts = [build_context(sop_class, syntax) for sop_class, syntax in kinds]
    tls_args = None if tls is None else (tls, peer.host)
    try:
        association = entity.associate(
            peer.host,
            peer.port,
            contexts,
            peer.ae_title,
            tls_args=tls_args,
            evt_handlers=[(evt.EVT_PDU_RECV, on_answer)],
        )
    except OSError as error:
        raise _unreachable(peer, error) from error
    if rejections:
        raise _rejected(rejections[0], peer)
    if not association.is_established:
        raise _not_established(association, kinds, peer, tls)
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    if association.is_established:
        association.release()


def described(kind: Kind) -> str:
    """A kind in words of the standard."""
    names = [uid.name if uid.name != uid else f"private {what}" for uid, what in zip(kind, _PARTS, strict=True)]
    return f"{names[0]} as {names[1]}"


_PARTS = ("class", "transfer syntax")


def _rejected(answer: A_ASSOCIATE_RJ, peer: Peer) -> OutputError:
    error = BusyError if answer.result == TRANSIENT else OutputError
    titles = f"called {peer.ae_title}, calling {peer.calling_ae_title}"
    return error(
        f"{peer}: rejected the association ({answer.reason_str.lower()}); check the AE titles ({titles}) with its "
        "administrator"
    )


def _not_established(
    association: Association, kinds: Sequence[Kind], peer: Peer, tls: ssl.SSLContext | None
) -> OutputError:
    if association.rejected_contexts:
        named = ", ".join(described(kind) for kind in kinds)
        return OutputError(f"{peer}: takes no {named}; change what it accepts or send other encodings")
    return _diagnosed(peer, tls)


def _diagnosed(peer: Peer, tls: ssl.SSLContext | None) -> OutputError:
    """Why there was no association: connects once more, since pynetdicom keeps the reason to itself."""
    try:
        with socket.create_connection((peer.host, peer.port), min(CONNECT_S, peer.timeout_s)) as plain:
            if tls is not None:
                tls.wrap_socket(plain, server_hostname=peer.host).close()
    except ssl.SSLCertVerificationError as error:
        return OutputError(f"{peer}: its certificate is not trusted ({error.verify_message}); pass the right --ca file")
    except ssl.SSLError as error:
        return OutputError(f"{peer}: no TLS connection ({error.reason}); check that its port speaks TLS")
    except OSError as error:
        return _unreachable(peer, error)
    hint = "whether it wants --tls" if tls is None else "that it accepts our certificate"
    return OutputError(
        f"{peer}: took the connection, but did not answer as a DICOM service; check the port, and {hint}"
    )


def _unreachable(peer: Peer, error: OSError) -> OutputError:
    return OutputError(f"{peer}: can't be reached ({files.reason(error)}); check host and port, and that it runs")
