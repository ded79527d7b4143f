"""Items of a corpus, and the lines of a lhotse cut manifest that describe them."""

from __future__ import annotations

import gzip
import hashlib
import logging
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from audiossl.errors import DataError
from audiossl.files import parse_json
from audiossl.signals.audio import resampled_length
from audiossl.signals.tar_index import TarMember

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
    """A recording that is to become part of a corpus, and what is known about it."""

    id: str
    path: Path
    text: str | None = None
    speaker: str | None = None
    language: str | None = None
    custom: Custom = field(default_factory=dict)


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


def audio_name(item_id: str) -> str:
    """Make a file name of any id: plain ASCII to read, a hash to be unique, one of 256 folders to keep folders small.

    >>> audio_name("en/digits/1")
    'fb/en_digits_1-fb62a34b8a2e.flac'
    """
    digest = hashlib.blake2b(item_id.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", item_id)[-80:].strip("_-") or "item"
    return f"{digest[:2]}/{readable}-{digest}.flac"


def to_line(item: Item, source: str, sample_rate: int, num_samples: int, num_channels: int) -> dict[str, Any]:
    """Describe a whole recording as lhotse would: a `MonoCut`, or a `MultiCut` of all its channels.

    Written by hand, since lhotse takes a second per ten thousand cuts and more to import.
    """
    channels = list(range(num_channels))
    channel = 0 if num_channels == 1 else channels
    seconds = num_samples / sample_rate
    said = {key: value for key in ("text", "language", "speaker") if (value := getattr(item, key)) is not None}
    supervision = {"id": item.id, "recording_id": item.id, "start": 0.0, "duration": seconds, "channel": channel, **said}
    line = {
        "id": item.id,
        "start": 0.0,
        "duration": seconds,
        "channel": channel,
        "supervisions": [supervision] if said else [],
        "recording": {
            "id": item.id,
            "sources": [{"type": "file", "channels": channels, "source": source}],
            "sampling_rate": sample_rate,
            "num_samples": num_samples,
            "duration": seconds,
            "channel_ids": channels,
        },
        "type": "MonoCut" if num_channels == 1 else "MultiCut",
    }
    return line | {"custom": dict(item.custom)} if item.custom else line


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read the lines of a manifest, packed by gzip or not; empty ones are passed over.

    Raises:
        DataError: if it cannot be read, or a line is no JSON object.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                if not isinstance(row := parse_json(line), dict):
                    raise DataError(f"{path}, line {number}: expected a cut as a JSON object, got {line[:60].rstrip()}")
                yield row
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"the manifest {path} cannot be read ({type(error).__name__}: {error}).") from error


def from_line(line: Mapping[str, Any], folder: Path, sample_rate: int, is_measured: bool = False) -> CorpusItem:
    """Read one line of a lhotse manifest, a cut or a whole recording; relative paths are below `folder`.

    What is more than a part of one file (transforms, several files, mixtures) is handed to lhotse, which is imported for it.

    Args:
        line: the cut or recording.
        folder: of the manifest.
        sample_rate: of the corpus, in Hz.
        is_measured: whether the length of the recording was measured by decoding, and so is exact.

    Raises:
        CutError: if the line is no cut of a recording, is the output of a command, or has a transform that cannot be applied.
    """
    try:
        if "recording" not in line:
            line = as_cut(line)
        channel = line.get("channel", 0)
        channels = channel if isinstance(channel, list) else [channel]
        source = _only_source(line, channels)
        if source is None:
            from audiossl.signals.lhotse_cuts import item_of_line

            return item_of_line(line, folder, sample_rate)
        recording = line["recording"]
        rate, start, duration = recording["sampling_rate"], float(line["start"]), float(line["duration"])
        if not (0 <= start < math.inf and 0 < duration < math.inf and 0 < rate < math.inf and isinstance(line["id"], str)):
            raise ValueError(f"its id, start, duration and rate are {line['id']!r}, {start:g} s, {duration:g} s and {rate} Hz")
        # Seconds in a manifest are rounded: a cut of the whole recording has its exact number of samples.
        is_whole = start == 0 and abs(duration - recording["duration"]) * rate < 0.5
        whole = resampled_length(recording["num_samples"], int(rate), sample_rate)
        custom = line.get("custom") or {}
        path, member = folder / str(source["source"]), None
        if entry := custom.get(MEMBER):
            member = TarMember(sys.intern(source["source"]), entry["offset"], entry["size"])
            path = Path(source["source"], entry["name"])
        stored = source.get("channels", range(max(channels) + 1))  # a shard may hold channel 1 of a recording alone
        return CorpusItem(
            id=line["id"],
            path=path,
            member=member,
            start=start,
            duration=duration,
            num_samples=whole if is_whole else max(1, round(duration * sample_rate)),
            recording=recording["id"],
            channels=tuple(stored.index(number) for number in channels),
            custom=plain_custom(custom),
            declared=None if is_measured else whole,
            same_as=(custom.get(SAME_AS) or {}).get("id"),
            **read_supervisions(line.get("supervisions") or [], duration, channels),
        )
    except (KeyError, TypeError, IndexError, ValueError, AttributeError, ArithmeticError) as error:
        name = line.get("id", "?") if isinstance(line, Mapping) else "?"
        message = f"cut '{name}' of the manifest is not a cut of a recording ({type(error).__name__}: {error})."
        raise CutError("unreadable", message) from error


def as_cut(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a line that describes a recording as the cut of the whole recording, and a cut as it is."""
    if "sources" not in line or "recording" in line:
        return line
    channels = line.get("channel_ids") or sorted(number for source in line["sources"] for number in source["channels"])
    return {
        "id": line["id"],
        "start": 0.0,
        "duration": line["duration"],
        "channel": channels[0] if len(channels) == 1 else channels,
        "supervisions": [],
        "recording": line,
        "type": "MonoCut" if len(channels) == 1 else "MultiCut",
    }


def plain_custom(custom: Mapping[str, Any] | None) -> Custom:
    """Keep the custom fields that hold one text or number."""
    return {key: value for key, value in (custom or {}).items() if isinstance(value, str | int | float)}


def _only_source(line: Mapping[str, Any], channels: Sequence[int]) -> Mapping[str, Any] | None:
    """The source that alone holds the channels of a cut, where nothing is done to it; None where lhotse is needed."""
    if "tracks" in line:
        return None
    recording = line["recording"]
    sources = recording["sources"]
    if len(sources) > 1:  # a file for each microphone
        sources = [source for source in sources if set(source["channels"]) & set(channels)]
    if any(source.get("type") == "command" for source in recording["sources"]):
        raise CutError("command", f"cut '{line['id']}' is the output of a command, and commands of a manifest are not run.")
    if recording.get("transforms") or len(sources) != 1 or sources[0].get("type", "file") not in ("file", "shar"):
        return None
    return sources[0]


def read_supervisions(
    supervisions: Iterable[Mapping[str, Any]], duration: float, channels: Sequence[int] | None = None
) -> dict[str, Any]:
    """Say what is said in a cut: the texts of its supervisions in the order of time, speaker and language where they agree.

    Supervisions of other channels, and those that lie outside the cut, do not count. Where one that has a text lies in the cut
    in part only, the cut gets no text: a transcript that does not match its audio would be worse than none.

    Args:
        supervisions: with times relative to the begin of the cut; one without times is about the whole cut.
        duration: of the cut, in seconds.
        channels: of the cut; None for a mixture.

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
