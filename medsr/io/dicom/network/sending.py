"""A DICOM series to an archive by C-STORE (PS3.4, annex B).

Files go out byte for byte as they lie on disk, in their own transfer syntaxes. What is reported about an instance is
its number and the archive's status code: no name, no UID, nothing that the archive may have written into its answer.
"""

from __future__ import annotations

import logging
import ssl
import time
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medsr.errors import InputError, OutputError, UsageError
from medsr.io import files
from medsr.io.dicom.network.association import BusyError, Peer, Tls, associated, described
from medsr.io.dicom.network.instances import Instance, instances_of, kinds_of

if TYPE_CHECKING:
    from pynetdicom.association import Association

__all__ = ["Answer", "Peer", "Tls", "send_series"]

REMARKS = range(0xB000, 0xC000)  # stored, but the archive had to change or drop something
MISMATCHES = range(0xA900, 0xAA00)  # the data set is not what it says it is: no second attempt changes that


@dataclass(frozen=True)
class Answer:
    """What became of one instance in one attempt.

    Attributes:
        number: Number of the instance, from 1, in the order of file names.
        total: Instances to send.
        attempt: Number of the attempt, from 1.
        status: Code of the archive (PS3.4, B.2.3); None: no answer.
        refused: Whether it was not sent because the archive takes no instances of this kind.
    """

    number: int
    total: int
    attempt: int
    status: int | None
    refused: bool = False

    @property
    def stored(self) -> bool:
        """Whether the archive has it."""
        return self.status is not None and (self.status == 0 or self.status in REMARKS)

    @property
    def final(self) -> bool:
        """Whether another attempt would end in the same way."""
        return self.stored or self.refused or self.status in MISMATCHES

    @property
    def outcome(self) -> str:
        """The status code in hexadecimal, or why there is none."""
        if self.status is None:
            return "kind refused" if self.refused else "no answer"
        return f"0x{self.status:04X}"


OnAnswer = Callable[[Answer], None]


def send_series(
    folder: Path | str,
    peer: Peer,
    on_answer: OnAnswer | None = None,
    *,
    retries: int = 2,
    pause_s: float = 2.0,
) -> list[Answer]:
    """Send every DICOM file below a folder, and again what was not stored.

    Files that are not DICOM, hidden files and DICOMDIR are left out. Every meta header is read before the first file
    is sent.

    Args:
        folder: Folder, searched with the folders in it, or one file.
        peer: Archive to send to.
        on_answer: Called after each attempt of each instance.
        retries: Further attempts for instances that failed, and for an archive that is busy.
        pause_s: Seconds before each of them.

    Returns:
        The last answer for each instance; all of them are stored.

    Raises:
        UsageError: pynetdicom is not installed, or a certificate file can't be used.
        InputError: no DICOM file, or a damaged one.
        OutputError: the archive can't be reached, rejects the association, takes no such instances, or did not store
            every instance.
    """
    _check_installed()
    instances = instances_of(Path(folder))
    tls = None if peer.tls is None else peer.tls.context()
    answers: dict[int, Answer] = {}
    trouble: OutputError | None = None
    for attempt in range(1, retries + 2):
        pending = _pending(instances, answers)
        if not pending:
            break
        time.sleep(pause_s if attempt > 1 else 0.0)
        trouble = None
        try:
            with closing(_stored(pending, peer, tls)) as results:
                for instance, status, refused in results:
                    answer = Answer(instance.number, len(instances), attempt, status, refused)
                    answers[instance.number] = answer
                    if on_answer is not None:
                        on_answer(answer)
        except OutputError as error:
            if attempt == 1 and not isinstance(error, BusyError):
                raise
            trouble = error
    _check_stored(instances, answers, peer, trouble)
    return [answers[instance.number] for instance in instances]


def _check_installed() -> None:
    try:
        import pynetdicom  # noqa: F401
    except ImportError as error:
        raise UsageError('sending needs pynetdicom; install it with: pip install "medsr[net]"') from error


def _pending(instances: Sequence[Instance], answers: dict[int, Answer]) -> list[Instance]:
    """What may still be stored, untried ones first: an instance on which the archive hangs up must not bar the rest."""
    untried = [i for i in instances if i.number not in answers]
    failed = [i for i in instances if i.number in answers]
    return untried + [i for i in failed if not answers[i.number].final]


def _check_stored(
    instances: Sequence[Instance], answers: dict[int, Answer], peer: Peer, trouble: OutputError | None
) -> None:
    missing = [i for i in instances if i.number not in answers or not answers[i.number].stored]
    if not missing:
        return
    if trouble is not None and len(missing) == len(instances):
        raise trouble
    counts = Counter(answers[i.number].outcome if i.number in answers else "not sent" for i in missing)
    refused = {i.kind for i in missing if i.number in answers and answers[i.number].refused}
    reasons = [f"{n} x {outcome}" for outcome, n in counts.items()]
    reasons += [f"it takes no {described(kind)}" for kind in sorted(refused)]
    raise OutputError(
        f"{peer}: {len(missing)} of {len(instances)} instances were not stored ({'; '.join(reasons)}); "
        "its log says why; then send the folder again; what is stored stays as it is"
    )


def _stored(
    instances: Sequence[Instance], peer: Peer, tls: ssl.SSLContext | None
) -> Generator[tuple[Instance, int | None, bool], None, None]:
    """Each instance with its status and whether its kind was refused, as long as the association lives."""
    with _silent(), associated(kinds_of(instances), peer, tls) as association:
        accepted = {(cx.abstract_syntax, cx.transfer_syntax[0]) for cx in association.accepted_contexts}
        for instance in instances:
            if instance.kind not in accepted and instance.converted not in accepted:
                yield instance, None, True
                continue
            status = _status(association, instance, instance.whole and instance.kind in accepted)
            yield instance, status, False
            if status is None:  # it broke or hangs: the rest goes through another one
                association.abort()
                return


def _status(association: Association, instance: Instance, as_it_is: bool) -> int | None:
    try:
        response = association.send_c_store(instance.path if as_it_is else instance.decoded())
    except RuntimeError:  # the association ended between two instances
        return None
    except OSError as error:
        raise InputError(f"{instance.path}: can't be read any more ({files.reason(error)}); send again") from error
    status = response.get("Status")
    return None if status is None else int(status)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep values of headers out of the user's log, where pynetdicom and pydicom would quote them.

    Also makes pynetdicom send files as they lie on disk, without decoding them first.
    """
    from pynetdicom import _config

    network, dicom = logging.getLogger("pynetdicom"), logging.getLogger("pydicom")
    before = network.level, dicom.disabled, _config.LOG_HANDLER_LEVEL, _config.STORE_SEND_CHUNKED_DATASET
    network.setLevel(logging.CRITICAL + 1)
    dicom.disabled = True
    _config.LOG_HANDLER_LEVEL, _config.STORE_SEND_CHUNKED_DATASET = "none", True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        network.setLevel(before[0])
        dicom.disabled = before[1]
        _config.LOG_HANDLER_LEVEL, _config.STORE_SEND_CHUNKED_DATASET = before[2:]
