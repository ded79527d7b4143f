"""Items of a corpus, and the lines of a lhotse cut manifest that describe them."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from audiossl.errors import DataError
from audiossl.signals.corpora.tar_index import TarMember

_log = logging.getLogger(__name__)
Custom = dict[str, str | int | float]
MEMBER = "tar_member"  # custom field of a cut whose recording is a part of a tar
SAME_AS = "same_sound_as"  # custom field {"id": ...}: an earlier item that holds the same samples
SLACK_SECONDS = 0.002  # a supervision may reach so far beyond its cut, as in lhotse's own checks


class CutError(DataError):
    """A line of a manifest that cannot be used; `reason` is one word to count by."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)  # both are args, so that the error survives pickling
        self.reason, self.message = reason, message

    def __str__(self) -> str:
        return self.message


class Stretch(NamedTuple):
    """A stretch of sound in a file, in seconds of the file."""

    path: Path
    start: float
    end: float


@dataclass(frozen=True)
class Item:
    """A recording that is to become part of a corpus, and what is known about it.

    `recording` names the recording or session that the file is a part of; None where it is one by itself.

    >>> Item("a", Path("recordings/a.wav"), speaker="anna", custom={"room": "kitchen"}).speaker
    'anna'
    """

    id: str
    path: Path
    text: str | None = None
    speaker: str | None = None
    language: str | None = None
    custom: Custom = field(default_factory=dict)
    recording: str | None = None


@dataclass(frozen=True)
class CorpusItem:
    """A part of a recording in a corpus.

    `start` and `duration` are seconds in the file; `num_samples` counts what reading yields, at the rate of the corpus.
    `channels` are averaged (None: all). `member` is set where the recording is a part of a tar; `path` then only names it.
    `declared` is the length of the recording that a manifest states, in samples at the rate of the corpus; None where the
    recording was decoded to measure it. `same_as` is the id of an earlier item that holds the same samples. `text_is_cut` says
    that there is a text of which the item holds a part only, so that `text` is None.

    `cut` is set where only lhotse itself can read the item: its line of a manifest or the object; `start` then counts from the
    begin of the cut, and `heard` says what it is made of.

    >>> item = CorpusItem("a", Path("a.wav"), start=0.5, duration=1.0, num_samples=16000, recording="a")
    >>> item.stretches
    (Stretch(path=PosixPath('a.wav'), start=0.5, end=1.5),)
    """

    id: str
    path: Path
    start: float
    duration: float
    num_samples: int
    recording: str
    text: str | None = None
    speaker: str | None = None
    language: str | None = None
    custom: Custom = field(default_factory=dict)
    channels: tuple[int, ...] | None = None
    member: TarMember | None = None
    cut: Any = None
    declared: int | None = None
    same_as: str | None = None
    heard: tuple[Stretch, ...] | None = None
    text_is_cut: bool = False

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """The parts of files that are heard in this item; none where they are not known."""
        if self.heard is None:
            return (Stretch(self.path, self.start, self.start + self.duration),)
        return self.heard


def known_of(item: CorpusItem) -> dict[str, str | int | float]:
    """What is known about an item, by name: text, speaker and language where it has them, and its custom fields."""
    said = {"text": item.text, "speaker": item.speaker, "language": item.language}
    return {**{name: value for name, value in said.items() if value is not None}, **item.custom}


def audio_name(item_id: str) -> str:
    """Make a file name of any id: plain ASCII to read, a hash to be unique, one of 256 folders to keep folders small.

    >>> audio_name("en/digits/1")
    'fb/en_digits_1-fb62a34b8a2e.flac'
    """
    digest = hashlib.blake2b(item_id.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", item_id)[-80:].strip("_-") or "item"
    return f"{digest[:2]}/{readable}-{digest}.flac"


def to_line(item: Item, source: str, sample_rate: int, num_samples: int, num_channels: int) -> dict[str, object]:
    """Describe a whole recording as lhotse would: a `MonoCut`, or a `MultiCut` of all its channels.

    Written by hand, since lhotse takes a second per ten thousand cuts and more to import.
    """
    channels = list(range(num_channels))
    channel = 0 if num_channels == 1 else channels
    seconds = num_samples / sample_rate
    said = {key: value for key in ("text", "language", "speaker") if (value := getattr(item, key)) is not None}
    recording = item.recording or item.id
    supervision = {"id": item.id, "recording_id": recording, "start": 0.0, "duration": seconds, "channel": channel, **said}
    line: dict[str, object] = {
        "id": item.id,
        "start": 0.0,
        "duration": seconds,
        "channel": channel,
        "supervisions": [supervision] if said else [],
        "recording": {
            "id": recording,
            "sources": [{"type": "file", "channels": channels, "source": source}],
            "sampling_rate": sample_rate,
            "num_samples": num_samples,
            "duration": seconds,
            "channel_ids": channels,
        },
        "type": "MonoCut" if num_channels == 1 else "MultiCut",
    }
    return line | {"custom": dict(item.custom)} if item.custom else line


def plain_custom(custom: Mapping[str, object] | None) -> Custom:
    """Keep the custom fields that hold one text or number."""
    return {key: value for key, value in (custom or {}).items() if isinstance(value, str | int | float)}


def read_supervisions(
    supervisions: Iterable[Mapping[str, Any]], duration: float, channels: Sequence[int] | None = None
) -> dict[str, Any]:
    """Say what is said in a cut: the texts of its supervisions in the order of time, speaker and language where they agree.

    Supervisions of other channels, and those that lie outside the cut, do not count. Where one that has a text lies in the cut
    in part only, the cut gets no text: a transcript that does not match its audio would be worse than none.

    Args:
        supervisions: supervisions with times relative to the begin of the cut; one without times is about the whole cut.
        duration: duration of the cut, in seconds.
        channels: channels of the cut; None for a mixture.

    >>> halves = [{"start": 2.0, "duration": 2.0, "text": "you all"}, {"start": 0.0, "duration": 2.0, "text": "hello to"}]
    >>> read_supervisions(halves, 4.0), read_supervisions(halves, 3.0)
    ({'text': 'hello to you all'}, {'text_is_cut': True})
    """
    heard = []
    for supervision in supervisions:
        start, length = supervision.get("start") or 0.0, supervision.get("duration")
        end = start + (duration if length is None else length)
        if start < duration - SLACK_SECONDS and end > SLACK_SECONDS:
            channel = supervision.get("channel")
            own = channel if isinstance(channel, list) else [channel]
            if channels is None or channel is None or not set(own).isdisjoint(channels):
                heard.append((start, end, supervision))
    heard.sort(key=lambda entry: entry[0])
    said: dict[str, Any] = {}
    spoken = [entry for entry in heard if entry[2].get("text") is not None]
    if any(start < -SLACK_SECONDS or end > duration + SLACK_SECONDS for start, end, _ in spoken):
        said["text_is_cut"] = True
    elif spoken:
        said["text"] = " ".join(supervision["text"] for _, _, supervision in spoken)
    for key in ("speaker", "language"):
        values = {supervision[key] for _, _, supervision in heard if supervision.get(key) is not None}
        if len(values) == 1:
            said[key] = values.pop()
    return said


def report_cut_texts(items: Iterable[CorpusItem], place: str) -> int:
    """Count the items that got no text since they hold a part of it only, and log how many they are."""
    cut = [item.id for item in items if item.text_is_cut]
    if cut:
        _log.warning(
            "%s: %d items have no text, such as '%s': a supervision that has one lies in them in part only",
            place,
            len(cut),
            cut[0],
        )
    return len(cut)
