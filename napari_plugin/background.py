"""The warm child process for Qt: requests are made and answers unpacked on threads, and told in the window's own."""

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
"""Told of an event and what was made of it, in the window's thread."""

NAME = "medsr background"


class Background(QObject):
    """One warm child, whoever of the widgets asks; it belongs to the application and ends with it."""

    changed = Signal()  # a job began or ended
    _told = Signal(object, object, object, object)

    def __init__(self, parent: QObject, device: str) -> None:
        super().__init__(parent)
        self.setObjectName(NAME)
        self._device = device
        self._worker = WarmWorker("medsr.viewing.jobs", {"device": device})
        self._told.connect(self._tell)

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
        """Of the child, None where none runs."""
        return self._worker.pid

    def warm(self) -> None:
        """Start the child, so that the first job need not wait for it."""
        self._worker.warm()

    def submit(
        self, owner: QObject, job: str, prepare: Prepare, on_event: OnEvent, convert: Convert | None = None
    ) -> None:
        """Queue a job; returns at once.

        Args:
            owner: asks; nothing is told any more once it is gone.
            job: of `medsr.viewing.jobs`.
            prepare: makes the request.
            on_event: told what happens.
            convert: makes of an event what is shown.
        """

        def tell(event: Event, made: Any = None) -> None:
            if isalive(self):
                self._told.emit(owner, on_event, event, made)

        def relay(event: Event) -> None:
            try:
                event = Event(event.kind, {key: _received(value) for key, value in event.content.items()})
                tell(event, None if convert is None else convert(event))
            except MedsrError as error:
                tell(Event("failed", {"message": str(error)}))

        def send() -> None:
            try:
                self._worker.submit(job, prepare(self._worker.folder), relay)
            except MedsrError as error:
                relay(Event("failed", {"message": str(error)}))

        threading.Thread(target=send, daemon=True).start()

    def cancel(self) -> None:
        """End every job within a second; returns at once, the jobs tell when they have ended."""
        threading.Thread(target=self._cancel, daemon=True).start()

    def close(self) -> None:
        """End the child."""
        self._worker.close()

    def _cancel(self) -> None:
        self._worker.cancel()
        self._worker.warm()

    def _tell(self, owner: QObject, on_event: OnEvent, event: Event, made: Any) -> None:
        if isalive(owner):
            on_event(event, made)
        self.changed.emit()


def _received(value: Any) -> Any:
    """Volumes unpacked, the rest as it is."""
    return unpacked(value) if isinstance(value, dict) and "voxels" in value else value
