"""The error tree of medsr: one child per exit code, each message one line that says what to do next.

MedsrError
├── UsageError         2    the request makes no sense
├── InputError         3    the input can't be read
│   └── GeometryError  3    it is not a regular volume
├── EnvelopeError      4    it lies outside what the model was validated on
├── ModelError         5    the model or its file is wrong
├── OutputError        6    the output can't be written
├── CasesFailedError   7    some cases of a batch failed
├── GateError          8    a gate failed
└── ResourceError      9    memory, disk, device
"""

from __future__ import annotations


class MedsrError(Exception):
    """Base of every error that a user can cause; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(MedsrError):
    """The request makes no sense: a factor of zero, two options that exclude each other."""

    exit_code = 2


class InputError(MedsrError):
    """The input can't be read: missing, truncated, not a scan."""

    exit_code = 3


class GeometryError(InputError):
    """The input is not a regular volume: singular affine, uneven slices, several volumes in one series."""


class EnvelopeError(MedsrError):
    """The input lies outside what the model was validated on."""

    exit_code = 4


class ModelError(MedsrError):
    """The weights file is missing, damaged, unsafe or made for something else."""

    exit_code = 5


class OutputError(MedsrError):
    """The output can't be written."""

    exit_code = 6


class CasesFailedError(MedsrError):
    """Some cases of a batch failed; the others are done."""

    exit_code = 7


class GateError(MedsrError):
    """A measured value lies outside the gate that was asked for."""

    exit_code = 8


class ResourceError(MedsrError):
    """Not enough memory or disk, or the device is missing."""

    exit_code = 9


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out: Python has a class for it, torch and other libraries only words."""
    said = str(error)
    return isinstance(error, MemoryError) or "out of memory" in said or "not enough memory" in said
