"""The warm child: one start for many jobs, one line for every failure, and an end to every job."""

from __future__ import annotations

import os
import queue
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from medsr.worker.parent import GRACE_S, WarmWorker

LONG_S = 60  # a test that waits this long has failed


@pytest.fixture
def new_worker(monkeypatch):
    """A function that makes workers on `worker_jobs`, closed at the end."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    made = []

    def make(**options):
        made.append(WarmWorker("worker_jobs", options))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


class Told:
    """What a job said, in order."""

    def __init__(self):
        self._events = queue.Queue()

    def __call__(self, event):
        self._events.put(event)

    def next(self):
        return self._events.get(timeout=LONG_S)

    def last(self):
        while not (event := self.next()).is_last:
            pass
        return event


def ask(worker, job, **content):
    told = Told()
    worker.submit(job, content, told)
    return told


def test_reports_come_in_order_and_the_answer_last(new_worker):
    told = ask(new_worker(colour="red"), "echo", text="ä \n b")
    events = [told.next() for _ in range(3)]
    assert [event.kind for event in events] == ["progress", "progress", "done"]
    assert [event.content for event in events[:2]] == [{"done": 1}, {"done": 2}]
    assert events[2].content["request"] == {"text": "ä \n b"}
    assert events[2].content["state"]["colour"] == "red"


def test_a_job_that_answers_later_keeps_no_other_waiting(new_worker):
    worker = new_worker()
    later, now = ask(worker, "later"), ask(worker, "now")
    assert now.last().content == {"said": "now"}
    assert later.last().content == {"said": "later"}
    assert not worker.is_busy


def test_one_start_serves_many_jobs(new_worker):
    worker = new_worker()
    worker.warm()
    answers = [ask(worker, "echo").last().content["state"]["pid"] for _ in range(3)]
    assert set(answers) == {worker.pid}
    assert not worker.is_busy


@pytest.mark.parametrize(
    ("job", "words"),
    [("fail", "not a scan; expected one"), ("exhaust", "out of memory"), ("stumble", "a bug, please report it")],
)
def test_a_failure_is_one_line_and_the_child_goes_on(new_worker, job, words, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    worker = new_worker()
    event = ask(worker, job).last()
    assert event.kind == "failed"
    assert words in event.content["message"]
    assert "\n" not in event.content["message"]
    assert ask(worker, "echo").last().kind == "done"


def test_a_start_that_fails_is_told_to_every_job(new_worker):
    worker = new_worker(broken=True)
    for _ in range(2):
        event = ask(worker, "echo").last()
        assert (event.kind, event.content["message"]) == ("failed", "no such weights file")


def test_the_death_of_the_child_is_told_and_the_next_job_gets_a_new_one(new_worker, tmp_path):
    worker = new_worker()
    first = ask(worker, "echo").last().content["state"]["pid"]
    running, waiting = ask(worker, "hang", path=str(tmp_path / "half")), ask(worker, "echo")
    assert running.next().kind == "progress"
    os.kill(first, signal.SIGKILL)
    for told in (running, waiting):
        event = told.last()
        assert event.kind == "died"
        assert "SIGKILL" in event.content["message"]
    assert ask(worker, "echo").last().content["state"]["pid"] != first


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for the end of a process without reaping it")
def test_a_job_that_follows_others_is_never_given_to_a_new_child(new_worker):
    worker = new_worker()
    ask(worker, "echo").last()
    child = os.pidfd_open(worker.pid)
    os.kill(worker.pid, signal.SIGKILL)
    assert select.select([child], [], [], LONG_S)[0]
    os.close(child)
    for _ in range(2):
        told = Told()
        worker.submit("echo", {}, told, follows=True)
        event = told.last()
        assert (event.kind, event.content.get("code")) == ("died", -signal.SIGKILL)
    assert ask(worker, "echo").last().kind == "done"


def test_cancelling_ends_every_job_and_leaves_nothing_half_done(new_worker, tmp_path):
    worker = new_worker()
    half = tmp_path / "half"
    told, waiting = ask(worker, "hang", path=str(half)), ask(worker, "echo")
    assert told.next().kind == "progress"
    pid = worker.pid
    (worker.folder / "voxels").write_bytes(b"x")
    worker.cancel()
    assert told.last().kind == waiting.last().kind == "cancelled"
    assert not half.exists()
    assert not any(worker.folder.iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert ask(worker, "echo").last().kind == "done"
    assert GRACE_S < 1


def test_closing_removes_the_folder_and_may_be_repeated(new_worker):
    worker = new_worker()
    ask(worker, "echo").last()
    worker.close()
    worker.close()
    assert not worker.folder.exists()
    assert worker.pid is None


def test_the_child_ends_with_its_parent():
    child = subprocess.Popen(
        [sys.executable, "-m", "medsr.worker.child", "worker_jobs", "{}", "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    child.communicate(timeout=LONG_S)
    assert child.returncode == 0


PARENT = """
import sys, threading
from medsr.worker.parent import WarmWorker

worker = WarmWorker("worker_jobs")
(worker.folder / "voxels").write_bytes(b"x")
worker.submit("hang", {"path": sys.argv[1]}, lambda event: print(worker.pid, worker.folder, flush=True))
threading.Event().wait()
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for the end of a process that is not its child")
def test_a_killed_parent_leaves_neither_child_nor_folder(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", PARENT, str(tmp_path / "half")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        child = os.pidfd_open(int(pid))
        assert Path(folder).parent == tmp_path
        parent.kill()
    try:
        assert select.select([child], [], [], LONG_S)[0], "the child outlives its parent"
    finally:
        os.close(child)
    assert not Path(folder).exists()


def test_the_parent_stays_light():
    code = "import sys; import medsr.worker.parent; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
