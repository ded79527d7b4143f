"""Speech of the characters of an adventure game, for the stand-ins about speakers (Flight of the Amazon Queen)."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from audiossl.signals.fetch import fetch

from ..packaged import amazon_queen
from ..packaged.amazon_queen import DialogueClip
from ..packaged.queen_archive import QueenArchive
from .task_folder import Rows, empty_rows, write_clip

Parts = Mapping[str, Mapping[str, list[DialogueClip]]]  # clips by part and character


class QueenSpeech:
    """The game's archive and the lines of its dialogues."""

    def __init__(self, data_root: Path | None) -> None:
        root = fetch(f"deb:{amazon_queen.SOURCE}", data_root=data_root, expect={amazon_queen.ARCHIVE: 1})
        self.archive = QueenArchive.open(root / amazon_queen.ARCHIVE)
        self.clips = amazon_queen.dialogue_clips(self.archive)

    def characters(self, min_seconds: float) -> dict[str, list[DialogueClip]]:
        """Clips that long of the characters with two minutes in all, by name, in the order of names."""
        spoken: dict[str, list[DialogueClip]] = {}
        for clip in self.clips:
            spoken.setdefault(clip.character, []).append(clip)
        return {
            name: [clip for clip in own if clip.seconds >= min_seconds]
            for name, own in sorted(spoken.items())
            if sum(clip.seconds for clip in own) >= amazon_queen.MIN_CHARACTER_SECONDS
        }

    def write(self, folder: Path, parts: Parts, most: Mapping[str, int]) -> Rows:
        """Write at most `most` clips of each character in a part, evenly spread; the rows of the part's table."""
        rows = empty_rows()
        with tempfile.TemporaryDirectory() as scratch:
            for part, characters in parts.items():
                for character, own in characters.items():
                    count = min(most[part], len(own))
                    for clip in (own[i * len(own) // count] for i in range(count)):
                        name = clip.name.removesuffix(".SB")
                        source = Path(scratch) / f"{name}.mp3"
                        source.write_bytes(self.archive.read(clip.name))
                        wav = write_clip(folder, name, source)
                        rows[part].append({"id": name, "wav_path": wav, "label": character, "group": clip.dialogue})
        return rows
