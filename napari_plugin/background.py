"""The worker process for Qt: requests are made and answers unpacked on threads, and delivered in the window's own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QApplication

from medsr.errors import MedsrError
from medsr.viewing.exchange import unpacked
from medsr.worker.parent import Event, WarmWorker

Prepare = Callable[[Path], dict[str, Any]]
"""Makes a request, given the folder for voxels; not called in the window's thread."""
Convert = Callable[[Event], Any]
"""Makes of an event what the window shows; not called in the window's thread."""
OnEvent = Callable[[Event, Any], None]
"""Called with an event and what was made of it, in the window's thread."""

NAME = "medsr background"


class Background(QObject):
    """One worker process for all widgets; it belongs to the application and ends with it."""

    changed = Signal()  # a job began or ended
    _arrived = Signal(object, object, object, object)

    def __init__(self, parent: QObject, device: str) -> None:
        super().__init__(parent)
        self.setObjectName(NAME)
        self._device = device
        self._worker = WarmWorker("medsr.viewing.jobs", {"device": device})
        self._arrived.connect(self._deliver)

    @staticmethod
    def of_application(device: str) -> Background:
        """The application's own, made when first asked for and again when another device is wanted."""
        application = QApplication.instance()
        found: Background | None = application.findChild(Background, NAME)
        if found is not None and (found._device == device or found.is_busy):
            return found
        if found is not None:
            found.close()
            found.setParent(None)
        made = Background(application, device)
        application.aboutToQuit.connect(made.close)
        return made

    @property
    def is_busy(self) -> bool:
        """Whether a job has not ended."""
        return self._worker.is_busy

    @property
    def pid(self) -> int | None:
        """Identifier of the worker process, None where none runs."""
        return self._worker.pid

    def warm(self) -> None:
        """Start the worker process, so that the first job need not wait for it."""
        self._worker.warm()

    def submit(
        self, owner: QObject, job: str, prepare: Prepare, on_event: OnEvent, convert: Convert | None = None
    ) -> None:
        """Queue a job; returns at once.

        Args:
            owner: Widget that asks; nothing is delivered once it is gone.
            job: Name of a job in `medsr.viewing.jobs.JOBS`.
            prepare: Makes the request.
            on_event: Called with what happens.
            convert: Makes of an event what is shown.
        """

        def deliver(event: Event, made: Any = None) -> None:
            if isalive(self):
                self._arrived.emit(owner, on_event, event, made)

        def relay(event: Event) -> None:
            try:
                event = Event(event.kind, {key: _received(value) for key, value in event.content.items()})
                deliver(event, None if convert is None else convert(event))
            except MedsrError as error:
                deliver(Event("failed", {"message": str(error)}))

        def send() -> None:
            try:
                self._worker.submit(job, prepare(self._worker.folder), relay)
            except MedsrError as error:
                relay(Event("failed", {"message": str(error)}))

        threading.Thread(target=send, daemon=True).start()

    def cancel(self) -> None:
        """End every job within a second; returns at once, and an event says when each has ended."""
        threading.Thread(target=self._cancel, daemon=True).start()

    def close(self) -> None:
        """End the worker process."""
        self._worker.close()

    def _cancel(self) -> None:
        self._worker.cancel()
        self._worker.warm()

    def _deliver(self, owner: QObject, on_event: OnEvent, event: Event, made: Any) -> None:
        if isalive(owner):
            on_event(event, made)
        self.changed.emit()


def _received(value: Any) -> Any:
    """Volumes unpacked, the rest as it is."""
    return unpacked(value) if isinstance(value, dict) and "voxels" in value else value
