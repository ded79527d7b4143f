"""Strokes of hydrogen's drum kits as log-mel frames, labelled as in recipes/packaged; a kit is on one side only."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from torch.nn import functional

from audiossl.errors import DataError
from audiossl.signals.audio import read_audio
from audiossl.signals.sensors.recording import Annotation, Rejected, SensorRecording
from audiossl.signals.sensors.turns import in_turn

from ..packaged.drumkits import items
from .log_mel import SAMPLE_RATE, as_recording

SECONDS = 0.5  # of the shortest recording, the window of drums.yaml


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the strokes of the five classes, kits in turn."""
    strokes = [item for item in items(data_root, None) if "drum" in item.custom]
    for item in islice(in_turn(strokes, lambda item: str(item.custom["kit"])), limit):
        name = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in item.id)
        try:
            audio, _ = read_audio(item.path, SAMPLE_RATE)
        except DataError as error:
            yield Rejected(name, str(error))
            continue
        audio = functional.pad(audio, (0, max(0, round(SECONDS * SAMPLE_RATE) - len(audio))))  # silence after short strokes
        spans = (Annotation(0.0, len(audio) / SAMPLE_RATE, str(item.custom["drum"])),)
        yield as_recording(name, str(item.custom["kit"]), audio, {"drum": spans})
