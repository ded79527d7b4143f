"""Flight of the Amazon Queen (1995): 278 minutes of acted English from a Debian package, and who speaks in its dialogues.

6,745 clips, MP3 of 11,025 Hz: nothing is above 5.5 kHz. 3,756 belong to the 73 dialogue files, which hold their text; the
others are remarks of the hero and cut scenes, and clips whose names begin like those of a dialogue but say no line of it.
Licence: the game's own freeware licence (free redistribution with notices, not to be sold). Clips are read from the archive into
a run's folder and are in no repository.

The probe tells characters, not people: an actor may play several. Its sides are dialogue files.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from audiossl.errors import DataError
from audiossl.signals.corpora.corpus import Corpus, Item
from audiossl.signals.corpora.manifest import Custom
from audiossl.signals.fetch import fetch

from .queen_archive import QueenArchive, clip_text, read_dialogue
from .sides import MIN_TRAINING_SECONDS, Side, thin, valid_groups

SOURCE = "flight-of-the-amazon-queen"
ARCHIVE = "usr/share/scummvm/flight-of-the-amazon-queen/queen.1c"
COUNTS = {"clips": 6745, "dialogue files": 73, "dialogue clips": 3756}
HERO = "JOE"
BYTES_PER_SECOND = 15_925 / 8  # the clips are of a constant rate
MIN_CHARACTER_SECONDS = 120.0

Part = Literal["train", "valid", "test"]
_REGULAR = re.compile(r"\d\d[0-9A-F]{4}([JP])[0-9A-F]+\.SB")


@dataclass(frozen=True)
class DialogueClip:
    """A clip of a dialogue file: who speaks, what, and for how long (seconds)."""

    name: str
    dialogue: str
    character: str
    text: str | None
    seconds: float


def items(data_root: Path | None, limit: int | None, scratch: Path) -> list[Item]:
    """Fetch the game and write its clips to `scratch`.

    No clip of a test dialogue is on a side of pre-training, nor is another clip with the bytes or the words of one of them.

    Raises:
        DataError: if the archive does not hold what it held when this was written.
    """
    archive = QueenArchive.open(fetch(f"deb:{SOURCE}", data_root=data_root, expect={ARCHIVE: 1}) / ARCHIVE)
    spoken = dialogue_clips(archive)
    found = {"clips": len(archive.names(".SB")), "dialogue files": len(archive.names(".DOG")), "dialogue clips": len(spoken)}
    if found != COUNTS:
        raise DataError(f"{archive.path} holds {found}, expected {COUNTS}: another version than the recipe was written for")
    return _write(thin(plan(archive), limit), archive, scratch)


def dialogue_clips(archive: QueenArchive) -> list[DialogueClip]:
    """List the clips that are lines of a dialogue, by name; the first two digits of a name are the talk key of its file."""
    dialogues = {name.removesuffix(".DOG"): read_dialogue(archive.read(name), name) for name in archive.names(".DOG")}
    files = {f"{dialogue.talk_key:02d}": name for name, dialogue in dialogues.items()}
    if len(files) < len(dialogues):
        raise DataError(f"two dialogue files of {archive.path} have one talk key: whose clips are whose is not known")
    return [
        DialogueClip(
            name, files[name[:2]], HERO if match[1] == "J" else files[name[:2]].rstrip("0123456789"),
            clip_text(dialogues[files[name[:2]]], name), archive.entries[name][1] / BYTES_PER_SECOND,
        )
        for name in archive.names(".SB")
        if (match := _REGULAR.fullmatch(name)) and name[:2] in files
    ]  # fmt: skip


def split_dialogues(clips: Collection[DialogueClip]) -> dict[str, Part]:
    """Divide the dialogue files so that whoever speaks in several is heard in training and test.

    Of the files of each character one in four is for the test, one in five for validation, at least one if there are two or
    three; those are taken whose share of the character's speech is nearest to that. Who has one file is in training only.
    """
    seconds: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for clip in clips:
        if clip.character != HERO:
            seconds[clip.character][clip.dialogue] += clip.seconds
    parts: dict[str, Part] = {clip.dialogue: "train" for clip in clips}
    for own in (seconds[character] for character in sorted(seconds)):
        total, left = sum(own.values()), dict(own)
        quota: list[tuple[Part, int]] = [
            ("test", max(len(own) // 4, int(len(own) >= 2))),
            ("valid", max(len(own) // 5, int(len(own) >= 3))),
        ]
        for part, count in quota:
            for _ in range(count):
                chosen = min(sorted(left), key=lambda name: abs(left[name] / total - 0.2))
                parts[chosen] = part
                del left[chosen]
    return parts


def plan(archive: QueenArchive) -> list[Item]:
    """Say for each clip on which side it is; the path of an item is still the name of its entry."""
    spoken = {clip.name: clip for clip in dialogue_clips(archive)}
    parts = split_dialogues(spoken.values())
    digests = {name: hashlib.blake2b(archive.read(name)).digest() for name in archive.names(".SB")}
    test = [clip for clip in spoken.values() if parts[clip.dialogue] == "test"]
    heard, said = {digests[clip.name] for clip in test}, {_plain(clip.text) for clip in test} - {""}
    # A dialogue that may not be named rightly is left out as a whole: digits begin the names of clips of dialogues only.
    others = [
        name
        for name in digests
        if name not in spoken and not name[0].isdigit() and digests[name] not in heard
        and archive.entries[name][1] / BYTES_PER_SECOND >= MIN_TRAINING_SECONDS
    ]  # fmt: skip
    groups = {name: _group(name) for name in others} | {name: clip.dialogue for name, clip in spoken.items()}
    valid = valid_groups(group for name, group in groups.items() if name not in spoken)
    planned: list[Item] = []
    for name in sorted(groups):
        clip = spoken.get(name)
        side: Side = "valid" if groups[name] in valid else "train"
        custom: Custom = {"source": SOURCE, "domain": "speech", "group": f"{SOURCE}/{groups[name]}"}
        if clip is not None:
            part = parts[clip.dialogue]
            if part == "test":
                side = "probe"
            elif digests[name] in heard or _plain(clip.text) in said:
                continue  # the same line in another dialogue, perhaps the same recording
            custom |= {"part": part, "dialogue": clip.dialogue, "character": clip.character}
        planned.append(Item(
            id=f"amazon-queen/{name.removesuffix('.SB')}", path=Path(name), text=clip.text if clip else None, language="en",
            speaker=clip.character if clip else None, custom=custom | {"side": side},
        ))  # fmt: skip
    return planned


def labels(corpus: Corpus) -> tuple[list[dict[str, str]], dict[str, list[str]]]:
    """Label rows and split of the character task: characters with two minutes in all who are heard in training.

    A corpus that was cut short has less of everybody: there, whoever is heard in training and test stays.
    """
    clips = [item for item in corpus.items if "character" in item.custom]
    seconds: dict[str, float] = defaultdict(float)
    for item in clips:
        seconds[str(item.custom["character"])] += item.num_samples / corpus.sample_rate
    heard = {side: {item.custom["character"] for item in clips if item.custom["part"] == side} for side in ("train", "test")}
    is_whole = len(clips) > COUNTS["dialogue clips"] // 2
    kept = {
        name for name, sum_ in seconds.items() if (sum_ >= MIN_CHARACTER_SECONDS if is_whole else name in heard["test"])
    } & heard["train"]
    chosen = [item for item in clips if item.custom["character"] in kept]
    splits = {side: [item.id for item in chosen if item.custom["part"] == side] for side in ("train", "valid", "test")}
    return [{"id": item.id, "label": str(item.custom["character"])} for item in chosen], splits


def _plain(text: str | None) -> str:
    return re.sub(r"[^a-z0-9]+", " ", (text or "").lower()).strip()


def _group(name: str) -> str:
    """The scene of a cut-scene clip, or the remark: names differ in the last two characters, line and segment."""
    return name.removesuffix(".SB")[:4] if re.match(r"C\d", name) else name.removesuffix(".SB")[:7]


def _write(planned: list[Item], archive: QueenArchive, scratch: Path) -> list[Item]:
    written = []
    for item in planned:
        path = scratch / f"{item.path.stem}.mp3"
        path.write_bytes(archive.read(item.path.name))
        written.append(Item(item.id, path, item.text, item.speaker, item.language, item.custom))
    return written
