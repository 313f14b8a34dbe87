"""Measures for worker processes of a study that die or fail: importable by name in the worker too."""

from __future__ import annotations

import os
import signal

import torch

from medsr.errors import InputError
from medsr.validation.findings import Findings
from medsr.validation.measure import Measured


def measure(planned, recipe):
    """By the name of the scan: the process dies, the scan can't be read, medsr stumbles, or all is well."""
    if planned.scan == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    if planned.scan == "unreadable":
        raise InputError("cut.nii: is truncated; copy it again")
    if planned.scan == "bug":
        raise KeyError("nobody meant this")
    return Measured(Findings((), {"name": planned.scan, "threads": str(torch.get_num_threads())}), (), None)
