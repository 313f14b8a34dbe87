"""pydicom kept quiet, whichever thread is at work."""

from __future__ import annotations

import logging
import threading
import warnings
from pathlib import Path

from medsr.io.dicom.headers import parsing


def test_the_last_thread_to_leave_brings_warnings_and_log_back():
    logger, filters = logging.getLogger("pydicom"), list(warnings.filters)
    inside, leave = threading.Event(), threading.Event()

    def work():
        with parsing(Path("other")):
            inside.set()
            leave.wait()

    thread = threading.Thread(target=work)
    with parsing(Path("own")):
        thread.start()
        inside.wait()
        assert logger.disabled
    assert logger.disabled
    warnings.warn("not heard: the other thread is still inside", stacklevel=1)
    leave.set()
    thread.join()
    assert not logger.disabled
    assert warnings.filters == filters
