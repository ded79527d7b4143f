"""SID stand-in: characters of an adventure game, split by dialogue (Flight of the Amazon Queen; see packaged/amazon_queen.py)."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path

from audiossl.signals.fetch import fetch
from audiossl.signals.queen_archive import QueenArchive

from ..packaged import amazon_queen
from .task_folder import empty_rows, write_clip, write_task

MOST = {"train": 60, "valid": 15, "test": 25}  # clips of a character, evenly spread
MIN_SECONDS = 1.0


def write(out: Path, data_root: Path | None) -> None:
    """Write the task: characters with two minutes in all who are heard in training and test."""
    folder = out / "standin_sid_amazon_queen"
    root = fetch(f"deb:{amazon_queen.SOURCE}", data_root=data_root, expect={amazon_queen.ARCHIVE: 1})
    archive = QueenArchive.open(root / amazon_queen.ARCHIVE)
    clips = [clip for clip in amazon_queen.dialogue_clips(archive) if clip.seconds >= MIN_SECONDS]
    parts = amazon_queen.split_dialogues(clips)
    spoken: dict[str, dict[str, list[amazon_queen.DialogueClip]]] = defaultdict(lambda: defaultdict(list))
    for clip in clips:
        spoken[clip.character][parts[clip.dialogue]].append(clip)
    rows = empty_rows()
    with tempfile.TemporaryDirectory() as scratch:
        for character, own in sorted(spoken.items()):
            total = sum(clip.seconds for part in own.values() for clip in part)
            if total < amazon_queen.MIN_CHARACTER_SECONDS or not {"train", "test"} <= own.keys():
                continue
            for part, found in own.items():
                count = min(MOST[part], len(found))
                for clip in (found[i * len(found) // count] for i in range(count)):
                    name = clip.name.removesuffix(".SB")
                    source = Path(scratch) / f"{name}.mp3"
                    source.write_bytes(archive.read(clip.name))
                    rows[part].append({
                        "id": name, "wav_path": write_clip(folder, name, source), "label": character, "group": clip.dialogue,
                    })  # fmt: skip
    write_task(
        folder, "SID", rows, {"updates": 1500, "lr": 1e-2, "evaluations": 6},
        "Flight of the Amazon Queen: characters, not people; 11 kHz MP3",
    )  # fmt: skip
