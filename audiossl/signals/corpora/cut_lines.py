"""Read the lines of a lhotse manifest as items of a corpus."""

from __future__ import annotations

import gzip
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from audiossl.errors import DataError
from audiossl.files import parse_json
from audiossl.signals.audio import resampled_length
from audiossl.signals.corpora.lhotse_cuts import item_of_line
from audiossl.signals.corpora.manifest import MEMBER, SAME_AS, CorpusItem, CutError, plain_custom, read_supervisions
from audiossl.signals.corpora.tar_index import TarMember

MOST_SAMPLES = 2**53  # beyond it seconds in float64 say no sample


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
        folder: folder of the manifest.
        sample_rate: sample rate of the corpus, in Hz.
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
            return item_of_line(line, folder, sample_rate)
        recording = line["recording"]
        rate, start, duration = recording["sampling_rate"], float(line["start"]), float(line["duration"])
        is_placed = 0 <= start < math.inf and 0 < duration * sample_rate < MOST_SAMPLES and 0 < rate < math.inf
        if not (is_placed and isinstance(line["id"], str)):
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
