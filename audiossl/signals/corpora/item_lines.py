"""Items as lines of a lhotse manifest: what `from_line` reads, the other way round."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from audiossl.signals.audio import AudioInfo, probe
from audiossl.signals.corpora.manifest import MEMBER, SAME_AS, CorpusItem, CutError
from audiossl.signals.levels import measure

LOOKED_AT = 4096  # files whose headers are kept: the parts of one follow each other


def line_of_item(item: CorpusItem, sample_rate: int) -> dict[str, object]:
    """Describe an item as the cut of a recording that stays where it is.

    Args:
        item: item of a corpus that is read at `sample_rate`.
        sample_rate: sample rate in Hz.

    Raises:
        CutError: if the item is a part of a cut that only lhotse reads.
        AudioError: if its file cannot be opened.
    """
    custom: dict[str, Any] = dict(item.custom)
    if item.same_as is not None:
        custom[SAME_AS] = {"id": item.same_as}
    if item.cut is not None:
        line = json.loads(item.cut) if isinstance(item.cut, str) else item.cut.to_dict()
        if item.start or abs(item.duration - line.get("duration", item.duration)) > 1 / sample_rate:
            raise CutError("part", f"'{item.id}' is a part of a cut that only lhotse reads; write the part as a cut of its own")
        kept = {key: value for key, value in (line.get("custom") or {}).items() if key == MEMBER}
        return {**line, "id": item.id, "custom": {**kept, **custom}, "supervisions": _said(item, 0)}
    if item.member is not None:
        custom[MEMBER] = {"offset": item.member.offset, "size": item.member.size, "name": item.path.name}
        source, rate, num_samples, num_channels = item.member.place, sample_rate, _whole(item), len(item.channels or (0,))
    else:
        about = _probe(item.path.absolute())
        source, rate, num_channels = str(item.path.absolute()), about.sample_rate, about.num_channels
        num_samples = about.num_samples if item.declared is None else round(item.declared * rate / sample_rate)
    channels = list(item.channels or _surviving(item, num_channels))
    channel = channels[0] if len(channels) == 1 else channels
    return {
        "id": item.id,
        "start": item.start,
        "duration": item.duration,
        "channel": channel,
        "supervisions": _said(item, channel),
        "recording": {
            "id": item.recording,
            "sources": [{"type": "file", "channels": list(range(max(num_channels, max(channels) + 1))), "source": source}],
            "sampling_rate": rate,
            "num_samples": num_samples,
            "duration": num_samples / rate,
            "channel_ids": channels,
        },
        "type": "MonoCut" if len(channels) == 1 else "MultiCut",
        **({"custom": custom} if custom else {}),
    }


def _said(item: CorpusItem, channel: int | list[int]) -> list[dict[str, Any]]:
    said = {key: value for key in ("text", "language", "speaker") if (value := getattr(item, key)) is not None}
    if not said:
        return []
    about = {"id": item.id, "recording_id": item.recording, "start": 0.0, "duration": item.duration, "channel": channel}
    return [{**about, **said}]


def _whole(item: CorpusItem) -> int:
    return item.num_samples if item.declared is None else item.declared


def _surviving(item: CorpusItem, num_channels: int) -> Sequence[int]:
    """The channels to average, those of opposite phase or without sound left out."""
    kept = _measure(item.path.absolute()) if num_channels > 1 and item.member is None else None
    return range(num_channels) if kept is None else kept


@lru_cache(maxsize=LOOKED_AT)
def _measure(path: Path) -> tuple[int, ...] | None:
    return measure(path).channels


@lru_cache(maxsize=LOOKED_AT)
def _probe(path: Path) -> AudioInfo:
    return probe(path)
