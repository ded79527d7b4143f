"""SID stand-in: characters of an adventure game, split by dialogue (Flight of the Amazon Queen; see packaged/amazon_queen.py)."""

from __future__ import annotations

from pathlib import Path

from ..packaged.amazon_queen import DialogueClip, split_dialogues
from .queen_speech import QueenSpeech
from .task_folder import write_task

MOST = {"train": 60, "valid": 15, "test": 25}  # clips of a character
MIN_SECONDS = 1.0


def write(out: Path, data_root: Path | None) -> None:
    """Write the task: characters who are heard in training and test."""
    folder = out / "standin_sid_amazon_queen"
    speech = QueenSpeech(data_root)
    part_of = split_dialogues([clip for clip in speech.clips if clip.seconds >= MIN_SECONDS])
    parts: dict[str, dict[str, list[DialogueClip]]] = {part: {} for part in MOST}
    for character, clips in speech.characters(MIN_SECONDS).items():
        if {"train", "test"} <= {part_of[clip.dialogue] for clip in clips}:
            for clip in clips:
                parts[part_of[clip.dialogue]].setdefault(character, []).append(clip)
    write_task(
        folder, "SID", speech.write(folder, parts, MOST), {"updates": 1500, "lr": 1e-2, "evaluations": 6},
        "Flight of the Amazon Queen: characters, not people; 11 kHz MP3",
    )  # fmt: skip
