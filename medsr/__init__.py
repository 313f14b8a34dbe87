"""medsr: 3D diffusion super-resolution of MR and CT that stays true to what was measured.

Public names are loaded on first use, so that `import medsr` takes neither torch nor a file format with it. `enhance`
loads them when it is called.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medsr import errors
    from medsr.enhancement.settings import EnhanceSettings
    from medsr.fusion.entry import enhance
    from medsr.io import load, load_all, save
    from medsr.model.weights import load_model
    from medsr.physics.tasks import degrade
    from medsr.validation.study import validate
    from medsr.volume import Volume

_MODULES = {
    "EnhanceSettings": "medsr.enhancement.settings",
    "Volume": "medsr.volume",
    "degrade": "medsr.physics.tasks",
    "enhance": "medsr.fusion.entry",
    "load": "medsr.io",
    "load_all": "medsr.io",
    "load_model": "medsr.model.weights",
    "save": "medsr.io",
    "validate": "medsr.validation.study",
}

__version__ = "0.1.0"
__all__ = [
    "EnhanceSettings",
    "Volume",
    "__version__",
    "degrade",
    "enhance",
    "errors",
    "load",
    "load_all",
    "load_model",
    "save",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("medsr.errors")
    if name not in _MODULES:
        raise AttributeError(f"module 'medsr' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
