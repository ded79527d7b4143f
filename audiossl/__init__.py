"""Self-supervised representations of speech, audio, sensor streams and brain signals.

Importing this module is cheap: names are loaded when they are first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from audiossl.moved import keep_old_names

if TYPE_CHECKING:
    from audiossl.estimators.audio_embedder import AudioEmbedder
    from audiossl.load import load

keep_old_names()
__version__ = "0.1.0"
__all__ = ["AudioEmbedder", "__version__", "load"]

_HOMES = {"AudioEmbedder": "audiossl.estimators.audio_embedder", "load": "audiossl.load"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'audiossl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        # Importing the module `audiossl.load` would put it in the place of the function of that name.
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
