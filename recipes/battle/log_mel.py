"""Sound as a sensor recording: 40 log-mel energies a frame, 100 frames a second, each bin a channel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.features.logmel import LogMel
from audiossl.signals.sensors.recording import Annotation, SensorRecording

BINS = 40
SAMPLE_RATE = 16000


def as_recording(
    id_: str, subject: str, audio: Float[Tensor, "S"], annotations: dict[str, Sequence[Annotation]]
) -> SensorRecording:
    """Make a recording of sound at 16 kHz; `subject` is what a split must not cut in two."""
    log_mel = LogMel(BINS)
    frames, _ = log_mel(audio[None], torch.tensor([len(audio)]))
    return SensorRecording(
        id_, subject, log_mel.frame_rate, tuple(f"mel_{number:02d}" for number in range(BINS)), ("1",) * BINS,
        frames[0].T.contiguous().numpy(), {task: tuple(spans) for task, spans in annotations.items()},
    )  # fmt: skip
