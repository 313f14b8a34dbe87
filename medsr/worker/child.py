"""The child process of `parent.WarmWorker`: loads once, then does one job after the other.

`python -m medsr.worker.child MODULE OPTIONS NICENESS` where MODULE has `start(options) -> state` and `JOBS`, a table
of `job(state, request, report) -> answer`; options, requests, reports and answers are JSON objects, one a line, on the
standard streams. A job whose answer is a `Future` goes on in a thread of its own while the next one begins. What a
library prints goes to standard error. The process ends with its parent, and takes the `folder` of its options with it,
since a parent that was killed can't.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from importlib import import_module
from types import FrameType
from typing import Any, TextIO

from medsr.errors import MedsrError, is_out_of_memory

Report = Callable[[str, dict[str, Any]], None]
"""Called with the kind of an event and its content, while a job runs."""
Answer = dict[str, Any]
Job = Callable[[Any, dict[str, Any], Report], Answer | Future[Answer]]

OUT_OF_MEMORY = "out of memory; choose a smaller region, a lower memory limit or another machine"


def main(module_name: str, options: dict[str, Any], niceness: int) -> None:
    """Serve until standard input ends.

    Args:
        module_name: Dotted name of the module with `start` and `JOBS`.
        options: Options for its `start`; the child removes the `folder` in them when its parent is gone.
        niceness: How far everything else on the machine comes first.
    """
    out = _Lines(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    signal.signal(signal.SIGTERM, _leave)
    if hasattr(os, "nice"):
        os.nice(niceness)
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, options.get("folder")), daemon=True).start()
    module = import_module(module_name)
    jobs: Mapping[str, Job] = module.JOBS
    state: list[Any] = []
    _attempt(lambda: state.append(module.start(options)), _reporter(out, 0))
    while state:
        request = requests.get()
        report = _reporter(out, request["number"])
        _attempt(partial(_finish, jobs[request["job"]], state[0], request["content"], report), report)


def _finish(job: Job, state: Any, content: dict[str, Any], report: Report) -> None:
    answer = job(state, content, report)
    if isinstance(answer, Future):
        answer.add_done_callback(lambda done: _attempt(lambda: report("done", done.result()), report))
    else:
        report("done", answer)


class _Lines:
    """Lines to the parent, each whole, from whatever thread.

    Args:
        out: Stream to the parent.
    """

    def __init__(self, out: TextIO) -> None:
        self._out, self._lock = out, threading.Lock()

    def write(self, content: dict[str, Any]) -> None:
        with self._lock:
            self._out.write(json.dumps(content) + "\n")
            self._out.flush()


def _reporter(out: _Lines, number: int) -> Report:
    return lambda kind, content: out.write({"number": number, "kind": kind, "content": content})


def _attempt(work: Callable[[], Any], report: Report) -> None:
    """Do one piece of work; any failure becomes one line."""
    try:
        work()
    except MedsrError as error:
        report("failed", {"message": " ".join(str(error).split())})
    except Exception as error:
        report("failed", {"message": OUT_OF_MEMORY if is_out_of_memory(error) else _bug()})


def _bug() -> str:
    with tempfile.NamedTemporaryFile("w", prefix="medsr-", suffix=".log", delete=False) as log:
        log.write(traceback.format_exc())
    return f"a bug, please report it with {log.name}"


def _listen(requests: queue.SimpleQueue[dict[str, Any]], folder: str | None) -> None:
    for line in sys.stdin:
        requests.put(json.loads(line))
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)  # the parent is gone: whatever is being computed, nobody waits for it


def _leave(number: int, frame: FrameType | None) -> None:
    """End by an exception, so that no half-written file stays."""
    raise SystemExit(0)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]))
