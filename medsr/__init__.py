"""medsr: a finer scan out of a coarse one, true to what was measured.

Public names are loaded on first use, so that `import medsr` takes no torch with it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Volume": "medsr.volume",
    "load": "medsr.io",
    "save": "medsr.io",
    "enhance": "medsr.enhancement.enhancement",
    "validate": "medsr.validation.study",
    "errors": "medsr.errors",
}

__version__ = "0.1.0"
__all__ = ["Volume", "__version__", "enhance", "errors", "load", "save", "validate"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'medsr' has no attribute {name!r}")
    module = import_module(_HOMES[name])
    return module if name == "errors" else getattr(module, name)
