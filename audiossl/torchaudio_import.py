"""Import of torchaudio where its compiled parts do not fit: the wheels on PyPI fail next to a torch for CPUs."""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

from audiossl.errors import import_extra


def import_torchaudio() -> types.ModuleType:
    """Import torchaudio, without its compiled parts where they are for another torch.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        return import_extra("torchaudio", "audio")
    except (OSError, RuntimeError):  # s3prl and transformers need the Python parts only
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
            del sys.modules[name]
        extension: Any = types.ModuleType("torchaudio._extension")
        extension._IS_TORCHAUDIO_EXT_AVAILABLE = extension._IS_RIR_AVAILABLE = extension._IS_ALIGN_AVAILABLE = False
        extension._check_cuda_version = lambda: None
        extension.fail_if_no_align = lambda function: function
        sys.modules["torchaudio._extension"] = extension
        return importlib.import_module("torchaudio")
