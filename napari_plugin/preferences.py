"""The plugin's preferences (napari.yaml, configurations), read where they are needed."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 2**30


@dataclass(frozen=True)
class Preferences:
    """What a user set under Preferences > Plugins > medsr.

    Attributes:
        device: Device of the network: "auto", "cpu" or "cuda".
        memory_gb: Memory that a run may take; 0: as much as the machine has.
        mode: Mode that the form begins with.
    """

    device: str = "auto"
    memory_gb: float = 0.0
    mode: str = "mean"

    @property
    def memory_limit(self) -> int | None:
        """In bytes, None for none."""
        return int(self.memory_gb * GIB) or None


def preferences() -> Preferences:
    """What is set now; the defaults where this napari has no preferences of plugins."""
    try:
        from napari.settings import get_plugin_settings

        found = get_plugin_settings("medsr").run
        return Preferences(str(found.device), float(found.memory_gb), str(found.mode))
    except (ImportError, KeyError, AttributeError):
        return Preferences()
