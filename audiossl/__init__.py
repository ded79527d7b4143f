"""Self-supervised representations of speech, audio, sensor streams and brain signals.

Importing this module is cheap: names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audiossl.load import load

__version__ = "0.1.0"
__all__ = ["__version__", "load"]

_HOMES = {"load": "audiossl.load"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value  # importing the module has put the module itself here
        return value
    raise AttributeError(f"module 'audiossl' has no attribute {name!r}")
