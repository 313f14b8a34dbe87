"""A real napari window, one per test, and one worker process for all of them."""

from __future__ import annotations

import os
import warnings

import nibabel as nib
import pytest
from phantoms import head

LONG_MS = 300_000  # a test that waits this long has failed; a busy machine loads the model in over a minute
POLL_MS = 5


@pytest.fixture(scope="session")
def napari(tmp_path_factory):
    """napari, with settings of its own; what it warns about while it is imported is not ours."""
    os.environ["NAPARI_CONFIG"] = str(tmp_path_factory.mktemp("napari") / "settings.yaml")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import napari
        from napari._qt.qt_event_loop import get_qapp

        application = get_qapp()
        napari.Viewer(show=False).close()  # what is imported late
    yield napari
    from medsr_napari.background import Background

    Background.of_application("cpu").close()
    application.processEvents()


@pytest.fixture
def viewer(napari):
    """An empty viewer on the screen."""
    made = napari.Viewer(show=True)
    yield made
    made.close()


@pytest.fixture
def wait(napari):
    """A function that lets the window live until a condition holds."""
    from qtpy.QtCore import QEventLoop, QTimer

    def until(condition):
        loop, poll, deadline = QEventLoop(), QTimer(), QTimer()
        poll.timeout.connect(lambda: condition() and loop.quit())
        poll.start(POLL_MS)
        deadline.setSingleShot(True)
        deadline.timeout.connect(lambda: loop.exit(1))
        deadline.start(LONG_MS)
        assert loop.exec() == 0, "nothing happened"

    return until


@pytest.fixture
def thick_scan(tmp_path):
    """A small NIfTI scan with slices 3 mm thick; its path."""
    scan = head((36, 40, 10), (1.0, 1.0, 3.0))
    path = tmp_path / "head.nii.gz"
    nib.save(nib.Nifti1Image(scan.data, scan.affine), path)
    return str(path)


@pytest.fixture
def notices(napari):
    """What napari was asked to notify of, in order."""
    from napari.utils.notifications import notification_manager

    records = notification_manager.records
    before = len(records)
    return lambda: [record.message for record in list(records)[before:]]
