"""Roles of Flight of the Amazon Queen as log-mel frames, those of recipes/packaged; a dialogue is on one side only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from audiossl.errors import DataError
from audiossl.signals.audio import read_audio
from audiossl.signals.fetch import fetch
from audiossl.signals.sensors.recording import Annotation, Rejected, SensorRecording
from audiossl.signals.sensors.turns import in_turn

from ..packaged.amazon_queen import ARCHIVE, MIN_CHARACTER_SECONDS, SOURCE, dialogue_clips
from ..packaged.queen_archive import QueenArchive
from .log_mel import SAMPLE_RATE, as_recording


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the lines of dialogues, dialogues in turn; roles with two minutes of speech have their name as a label."""
    archive = QueenArchive.open(fetch(f"deb:{SOURCE}", data_root=data_root, expect={ARCHIVE: 1}) / ARCHIVE)
    clips = dialogue_clips(archive)
    seconds: dict[str, float] = defaultdict(float)
    for clip in clips:
        seconds[clip.character] += clip.seconds
    for clip in islice(in_turn(clips, lambda clip: clip.dialogue), limit):
        name = clip.name.removesuffix(".SB")
        try:
            audio, _ = read_audio(f"{name}.mp3", SAMPLE_RATE, data=archive.read(clip.name))
        except DataError as error:
            yield Rejected(name, str(error))
            continue
        role = clip.character if seconds[clip.character] >= MIN_CHARACTER_SECONDS else None
        yield as_recording(name, clip.dialogue, audio, {"character": (Annotation(0.0, len(audio) / SAMPLE_RATE, role),)})
