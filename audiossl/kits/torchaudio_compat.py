"""What s3prl asks of torchaudio and torchaudio 2.9 and later no longer have, put back in this process.

Since 2.9 the global backends, the sox effects and reading by soundfile are gone. Called only where s3prl is started.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.torchaudio_import import import_torchaudio


def mend_torchaudio() -> None:
    """Give torchaudio 2.9 and later what s3prl asks of it: `set_audio_backend`, `load`, `save`, `info` and `sox_effects`."""
    torchaudio: Any = import_torchaudio()
    if hasattr(torchaudio, "set_audio_backend"):
        return
    torchaudio.set_audio_backend = lambda backend: None
    torchaudio.load, torchaudio.save, torchaudio.info = load, save, info
    effects: Any = types.ModuleType("torchaudio.sox_effects")
    effects.apply_effects_tensor, effects.apply_effects_file = apply_effects_tensor, apply_effects_file
    torchaudio.sox_effects = sys.modules["torchaudio.sox_effects"] = effects


def load(
    path: str | Path,
    frame_offset: int = 0,
    num_frames: int = -1,
    normalize: bool = True,
    channels_first: bool = True,
    **_: object,
) -> tuple[Tensor, int]:
    """Read a file into float32 samples (C, S), or (S, C), and their rate."""
    import soundfile

    samples, rate = soundfile.read(str(path), num_frames, frame_offset, dtype="float32", always_2d=True)
    tensor = torch.from_numpy(np.ascontiguousarray(samples.T if channels_first else samples))
    return tensor, rate


def save(path: str | Path, src: Tensor, sample_rate: int, channels_first: bool = True, **_: object) -> None:
    """Write samples (C, S), or (S, C), as the path's suffix says."""
    import soundfile

    samples = src.detach().cpu().numpy()
    soundfile.write(str(path), samples.T if channels_first else samples, sample_rate)


def info(path: str | Path, **_: object) -> types.SimpleNamespace:
    """Rate, length and channels of a file, under the names that torchaudio gave them."""
    import soundfile

    found = soundfile.info(str(path))
    return types.SimpleNamespace(sample_rate=found.samplerate, num_frames=found.frames, num_channels=found.channels)


def apply_effects_tensor(
    tensor: Tensor, sample_rate: int, effects: Sequence[Sequence[str]], channels_first: bool = True
) -> tuple[Tensor, int]:
    """Apply sox's `channels 1`, `rate R`, `gain dB` and `norm [dB]`; the filter of `rate` differs from sox's near Nyquist.

    Raises:
        ConfigError: for any other effect; `silence`, which SUPERB's ASV uses, is one.
    """
    signal = tensor if channels_first else tensor.T
    for name, *values in effects:
        if name not in _EFFECTS:
            raise ConfigError(
                f"sox's effect '{name}' is not replaced here, only {', '.join(_EFFECTS)}: use a torchaudio with sox"
            )
        signal, sample_rate = _EFFECTS[name](signal, sample_rate, *values)
    return (signal if channels_first else signal.T), sample_rate


def apply_effects_file(
    path: str | Path, effects: Sequence[Sequence[str]], normalize: bool = True, channels_first: bool = True, **_: object
) -> tuple[Tensor, int]:
    """Read a file and apply effects to it."""
    signal, rate = load(path)
    signal, rate = apply_effects_tensor(signal, rate, effects)
    return (signal if channels_first else signal.T), rate


def _channels(signal: Tensor, rate: int, count: str) -> tuple[Tensor, int]:
    if int(count) != 1:
        raise ConfigError(f"sox's effect 'channels' is replaced for one channel only, got {count}")
    return signal.mean(0, keepdim=True), rate


def _rate(signal: Tensor, rate: int, *values: str) -> tuple[Tensor, int]:
    from audiossl.embedding.sources import resampled

    target = int(float(values[-1]))
    return (signal if target == rate else resampled(signal, rate, float(target), "sox effect rate")), target


def _gain(signal: Tensor, rate: int, decibels: str) -> tuple[Tensor, int]:
    return signal * 10 ** (float(decibels) / 20), rate


def _norm(signal: Tensor, rate: int, decibels: str = "0") -> tuple[Tensor, int]:
    peak = float(signal.abs().max())
    return (signal * (10 ** (float(decibels) / 20) / peak) if peak > 0 else signal), rate


_EFFECTS: dict[str, Callable[..., tuple[Tensor, int]]] = {"channels": _channels, "rate": _rate, "gain": _gain, "norm": _norm}
