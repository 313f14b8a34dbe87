"""Jobs for a warm child process that need nothing but Python: importable by name in the child too."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from pathlib import Path

from medsr.errors import InputError, ModelError


def start(options):
    """The state of the child: its process id, and what it was started with."""
    if options.get("broken"):
        raise ModelError("no such weights file")
    return {"pid": os.getpid(), **options}


def echo(state, request, report):
    """Say everything back, with two reports on the way."""
    print("noise that must not reach the parent")
    report("progress", {"done": 1})
    report("progress", {"done": 2})
    return {"state": state, "request": request}


def fail(state, request, report):
    """An error that a user can cause."""
    raise InputError("not a scan;\n expected one")


def stumble(state, request, report):
    """A bug."""
    raise KeyError("nobody meant this")


def exhaust(state, request, report):
    """Memory runs out."""
    raise MemoryError


def hang(state, request, report):
    """Work without end, that holds an unfinished file."""
    path = Path(request["path"])
    try:
        path.write_text("half")
        report("progress", {"done": 0})
        threading.Event().wait()
    finally:
        path.unlink()
    return {}


def later(state, request, report):
    """An answer that comes when the job `now` is done."""
    LATER.append(Future())
    return LATER[0]


def now(state, request, report):
    """Answer, and let `later` answer."""
    LATER[0].set_result({"said": "later"})
    return {"said": "now"}


LATER = []
JOBS = {"later": later, "now": now, "echo": echo, "fail": fail, "stumble": stumble, "exhaust": exhaust, "hang": hang}
