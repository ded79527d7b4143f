"""Label rows as users write them: one label for a recording, or labelled segments in it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from audiossl.errors import DataError
from audiossl.evaluation.task import Row, Task

SHORTEST_SECONDS = 0.01  # of a segment that a frame may hold
SLACK_SECONDS = 0.5  # that a segment may end after its recording: aligners round up, and recordings are cut


@dataclass(frozen=True)
class Segment:
    """A label that holds from `start` (included) to `end` (not included), in seconds.

    >>> Segment("ah", 0.1, 0.2).label
    'ah'
    """

    label: str
    start: float | int
    end: float | int


class ClipRows(Task):
    """A task whose rows hold one label for each recording."""

    reads = "pooled"
    key: ClassVar[str] = "label"
    example: ClassVar[str] = '{"id": "a", "label": "en"}'

    @classmethod
    def check_rows(cls, rows: Mapping[str, Row], seconds: Mapping[str, float]) -> None:
        """Refuse labels that are no text or whole number, or of both kinds."""
        _check_one_kind(_kind_of(row["label"], id_) for id_, row in rows.items())

    @classmethod
    def labels_of(cls, row: Row) -> list[str | int]:
        """The label."""
        return [row["label"]]


class SegmentRows(Task):
    """A task whose rows hold labelled segments of a recording."""

    reads = "frames"
    key: ClassVar[str] = "segments"
    example: ClassVar[str] = '{"id": "a", "segments": [["AH", 0.0, 0.12]]}'

    @classmethod
    def check_rows(cls, rows: Mapping[str, Row], seconds: Mapping[str, float]) -> None:
        """Refuse segments outside of their recording, in another unit than seconds, or with broken labels."""
        kinds: list[type] = []
        longest = 0.0
        for id_, row in rows.items():
            if not isinstance(row["segments"], list):
                raise DataError(f"'{id_}': expected a list of segments [label, start, end], got {str(row['segments'])[:60]}")
            for segment in row["segments"]:
                kinds.append(_check_segment(segment, id_, seconds[id_]))
                longest = max(longest, segment[2] - segment[1])
        if 0 < longest < SHORTEST_SECONDS:
            raise DataError(f"the longest segment lasts {longest:g} s, less than a frame of any model. Times are in seconds")
        _check_one_kind(kinds)

    @classmethod
    def labels_of(cls, row: Row) -> list[str | int]:
        """The labels of its segments."""
        return [part[0] for part in row["segments"]]


def segments_of(rows: Mapping[str, Row]) -> dict[str, Sequence[Segment]]:
    """Labelled segments by id."""
    return {id_: [Segment(str(label), *times) for label, *times in row["segments"]] for id_, row in rows.items()}


def _check_segment(segment: object, id_: str, seconds: float) -> type:
    if not isinstance(segment, list) or len(segment) != 3:
        raise DataError(f"'{id_}': expected segments [label, start, end], got {str(segment)[:60]}")
    kind = _kind_of(segment[0], id_)
    start, end = segment[1:]
    numbers = all(isinstance(time, (int, float)) and not isinstance(time, bool) and math.isfinite(time) for time in (start, end))
    if not numbers or not 0 <= start < end:
        raise DataError(f"'{id_}': expected a segment that ends after it starts, in seconds, got {segment}")
    if start >= seconds or end > seconds + SLACK_SECONDS:
        raise DataError(f"'{id_}': the segment {segment} lies outside of the recording, which lasts {seconds:g} s")
    return kind


def _kind_of(label: object, id_: str) -> type:
    if isinstance(label, str) and label:
        return str
    if isinstance(label, int) and not isinstance(label, bool):
        return int
    raise DataError(f"'{id_}': expected a label that is text or a whole number, got {label!r}")


def _check_one_kind(kinds: Iterable[type]) -> None:
    if len(set(kinds)) > 1:
        raise DataError("some labels are text and others numbers. Write all as text")
