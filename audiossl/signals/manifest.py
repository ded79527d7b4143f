"""Items of a corpus, and the lines of a lhotse cut manifest that describe them."""

from __future__ import annotations

import hashlib
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiossl.errors import DataError
from audiossl.signals.audio import resampled_length
from audiossl.signals.tar_index import TarMember

Custom = dict[str, str | int | float]
MEMBER = "tar_member"  # custom field of a cut whose recording is a part of a tar


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
    `cut` is set where only lhotse itself can read the item.
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


def from_line(line: Mapping[str, Any], folder: Path, sample_rate: int, cut: Any = None) -> CorpusItem:
    """Read one cut of a lhotse manifest; relative paths are below `folder`.

    Raises:
        DataError: if the line is not a cut of a recording.
    """
    try:
        recording = line["recording"]
        rate, start, duration = recording["sampling_rate"], float(line["start"]), float(line["duration"])
        if not (0 <= start < math.inf and 0 < duration < math.inf and 0 < rate < math.inf and isinstance(line["id"], str)):
            raise ValueError(f"its id, start, duration and rate are {line['id']!r}, {start:g} s, {duration:g} s and {rate} Hz")
        # Seconds in a manifest are rounded: a cut of the whole recording has its exact number of samples.
        is_whole = start == 0 and abs(duration - recording["duration"]) * rate < 0.5
        whole = resampled_length(recording["num_samples"], int(rate), sample_rate)
        source, custom = recording["sources"][0], line.get("custom") or {}
        if source.get("type") == "command":
            raise ValueError("it is the output of a command, and commands of a manifest are not run")
        path, member = folder / str(source["source"]), None
        if entry := custom.get(MEMBER):
            member = TarMember(sys.intern(source["source"]), entry["offset"], entry["size"])
            path = Path(source["source"], entry["name"])
        channel = line.get("channel", 0)
        channels = channel if isinstance(channel, list) else [channel]
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
            custom={k: v for k, v in custom.items() if isinstance(v, str | int | float)},
            cut=cut,
            **read_supervisions(line.get("supervisions") or []),
        )
    except (KeyError, TypeError, IndexError, ValueError, AttributeError, ArithmeticError) as error:
        name = line.get("id", "?") if isinstance(line, Mapping) else "?"
        raise DataError(f"cut '{name}' of the manifest is not a cut of a recording ({type(error).__name__}: {error}).") from error


def read_supervisions(supervisions: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Join the texts of all supervisions; take speaker and language where they agree."""
    said: dict[str, Any] = {}
    if texts := [supervision["text"] for supervision in supervisions if supervision.get("text") is not None]:
        said["text"] = " ".join(texts)
    for key in ("speaker", "language"):
        values = {supervision[key] for supervision in supervisions if supervision.get(key) is not None}
        if len(values) == 1:
            said[key] = values.pop()
    return said
