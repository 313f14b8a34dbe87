"""Files: their first bytes, their hash, and writing that leaves all or nothing behind."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import secrets
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

from medsr.errors import InputError, MedsrError, OutputError

HEAD_BYTES = 544  # a whole NIfTI-2 header with its extension flag; reaches past the DICOM prefix at 128
GZIP_MAGIC = b"\x1f\x8b"
CHUNK = 1 << 20
PACKED = 1 << 16  # bytes of gzip that are inflated at a time


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the path in front of the message of any `MedsrError` raised inside."""
    try:
        yield
    except MedsrError as error:
        if str(error).startswith(str(path)):
            raise
        raise type(error)(f"{path}: {error}") from error


def read_head(path: Path, n_bytes: int = 4 * HEAD_BYTES) -> bytes:
    """The first bytes of a file.

    Raises:
        InputError: missing, not a regular file, or not readable.
    """
    with opened(path) as file:
        return file.read(n_bytes)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file open for reading.

    Raises:
        InputError: missing, not a regular file, or not readable.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: is neither a file nor a folder; expected a scan")
        file = _Bounded(io.FileIO(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: can't be opened ({reason(error)}); check the path and its permissions") from error
    with file:
        yield file


class _Bounded(io.BufferedReader):
    """A file that asks for no more memory than it can fill, however long a damaged header says that a value is."""

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes; None or -1: all that is left."""
        if size is not None and size > CHUNK:
            size = min(size, max(0, os.fstat(self.fileno()).st_size - self.tell()))
        return super().read(size)


class Inflated(io.RawIOBase):
    """What the members of a gzip file hold, one after the other; other bytes after the last one are no part of it.

    RFC 1952, 2.2. Unlike `gzip.GzipFile`, which refuses such bytes, this reads what gzip itself and other readers do.

    Args:
        file: The gzip file, open for reading.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._packed = b""
        self._begin(file.read(PACKED))

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """The next bytes, at most as many as fit into the buffer; 0 at the end.

        Raises:
            EOFError: the file ends inside a member.
            zlib.error: a damaged member.
        """
        while True:
            if self._member.eof:
                head = self._member.unused_data
                head += self._file.read(PACKED) if len(head) < len(GZIP_MAGIC) else b""
                if head[: len(GZIP_MAGIC)] != GZIP_MAGIC:
                    return 0
                self._begin(head)
            packed = self._packed or self._file.read(PACKED)
            plain = self._member.decompress(packed, len(buffer))
            self._packed = self._member.unconsumed_tail
            if plain:
                buffer[: len(plain)] = plain
                return len(plain)
            if not packed and not self._member.eof:
                raise EOFError

    def _begin(self, head: bytes) -> None:
        self._member, self._packed = zlib.decompressobj(16 + zlib.MAX_WBITS), head


def is_dicom(head: bytes) -> bool:
    """Whether a file that begins so has the DICOM prefix (PS3.10, 7.1)."""
    return head[128:132] == b"DICM"


def is_bare_dicom(head: bytes) -> bool:
    """Whether a file that begins so looks like a little endian DICOM data set without its 132-byte preamble."""
    group, element = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:4], "little")
    return len(head) >= 8 and group in (0x0002, 0x0008) and element <= 0x0100


def nifti_version(head: bytes) -> Literal[0, 1, 2]:
    """1 or 2 for the header of a NIfTI-1 or NIfTI-2 file, or of a pair of files, else 0."""
    if head[344:348] in (b"n+1\x00", b"ni1\x00"):
        return 1
    if head[4:12] in (b"n+2\x00\r\n\x1a\n", b"ni2\x00\r\n\x1a\n"):
        return 2
    return 0


def is_nifti_pair(head: bytes) -> bool:
    """Whether a NIfTI header is that of a pair: its voxels lie in a file of their own."""
    return head[344:348] == b"ni1\x00" or head[4:7] == b"ni2"


def inflated(head: bytes) -> bytes:
    """The first bytes of what a gzip file holds, b"" where it is damaged; those of another file as they are."""
    if head[:2] != GZIP_MAGIC:
        return head
    begun = b""
    try:
        while head[:2] == GZIP_MAGIC and len(begun) < HEAD_BYTES:  # a file may hold several members (RFC 1952, 2.2)
            member = zlib.decompressobj(16 + zlib.MAX_WBITS)
            begun += member.decompress(head, HEAD_BYTES - len(begun))
            head = member.unused_data
    except zlib.error:
        return b""
    return begun


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as `sha256sum` prints it.

    Raises:
        InputError: missing or not readable.
    """
    digest = hashlib.sha256()
    with opened(path) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of_digests(digests: Iterable[str]) -> str:
    """One hash for many files: SHA-256 of their sorted hex digests, one a line. One file keeps its own.

    Depends on the contents alone: neither names nor the order in which a folder lists them matter.
    """
    ordered = sorted(digests)
    if len(ordered) == 1:
        return ordered[0]
    return hashlib.sha256("".join(f"{digest}\n" for digest in ordered).encode()).hexdigest()


def check_writable(path: Path) -> None:
    """Make sure that `path` can be written later, before hours of work are spent on it.

    Raises:
        OutputError: its folder is missing or not writable, or the path is a folder.
    """
    part, _ = _part_and_target(path)
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        part.unlink()
    except OSError as error:
        raise OutputError(unwritable(path, error)) from error


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """A file to write into that takes the name `path` only when the block ends without an error.

    It lies in the same folder, so that the move is one step, and ends in the same suffixes. Whatever interrupts the
    block, Ctrl-C included, leaves an older file of that name as it was and nothing beside it.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full.
    """
    part, target = _part_and_target(path)
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        raise OutputError(unwritable(path, error)) from error
    finally:
        if part.exists():
            part.unlink()


def _part_and_target(path: Path) -> tuple[Path, Path]:
    """The file to write into, and the one to move it to: that which a link stands for, so that links stay links."""
    try:
        target = Path(os.path.realpath(path))
        is_folder = target.is_dir()
    except (OSError, ValueError) as error:
        raise OutputError(unwritable(path, error)) from error
    if is_folder:
        raise OutputError(f"{path}: is a folder; name a file inside it")
    return target.with_name(f".part-{secrets.token_hex(4)}{''.join(path.suffixes[-2:])}"), target


def unwritable(path: Path, error: OSError | ValueError) -> str:
    """Why a path can't be written, and what to do about it, in one line."""
    code = error.errno if isinstance(error, OSError) else None
    advice = "choose another folder"
    if code == errno.ENOENT:
        advice = "make its folder first"
    elif code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        advice = "free some disk space"
    return f"{path}: can't be written ({reason(error)}); {advice}"


def reason(error: Exception) -> str:
    """The system's one-line reason for an error, without the path."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text.splitlines() or [type(error).__name__])[0]
