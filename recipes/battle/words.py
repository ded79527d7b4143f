"""Words of English telephone prompts as log-mel frames, aligned as in recipes/asterisk; a prompt is on one side only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from audiossl.signals.sensors.recording import Rejected, SensorRecording

from ..asterisk.prepare import recordings as prompts
from .log_mel import as_recording


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the prompts whose words could be aligned."""
    for found in prompts(data_root, limit):
        if isinstance(found, Rejected):
            yield found
            continue
        yield as_recording(found.id, found.subject, torch.from_numpy(found.values[0]), dict(found.annotations))
