"""Segment tasks: a label for each stretch of a recording (a word, an event), read from the mean of its frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Bool, Float
from torch import Tensor

from audiossl.embedding.store import EmbeddingStore
from audiossl.evaluation.clip_task import ClipTask, VectorOf
from audiossl.evaluation.frame_task import FramesOf
from audiossl.evaluation.label_rows import Segment, SegmentRows, segments_of
from audiossl.evaluation.layer_choice import frames_of_layer
from audiossl.evaluation.splits import SPLITS, Split, Splits
from audiossl.evaluation.task import Row, TaskSetting


class SegmentTask(SegmentRows, ClipTask):
    """A clip task whose items are labelled stretches of recordings, each read from the mean of its frames.

    Args:
        segments: labelled segments by item id.
        splits: ids of recordings on each side; segments go where their recording goes.

    >>> words = {id_: [Segment("yes", 0.0, 0.5), Segment("no", 0.5, 1.0)] for id_ in "abc"}
    >>> splits = Splits({"train": ["a"], "valid": ["b"], "test": ["c"]}, {"a": "a", "b": "b", "c": "c"})
    >>> SegmentTask("digits", "words", words, splits).labels
    ['no', 'yes']
    """

    def __init__(self, dataset: str, task: str, segments: Mapping[str, Sequence[Segment]], splits: Splits) -> None:
        self.spans = {f"{id_}@{place}": (id_, span) for id_, spans in segments.items() for place, span in enumerate(spans)}
        side_of: dict[str, Split] = {id_: side for side in SPLITS for id_ in splits.ids[side]}
        ids: dict[Split, list[str]] = {side: [] for side in SPLITS}
        for key, (id_, _) in self.spans.items():
            if id_ in side_of:
                ids[side_of[id_]].append(key)
        of_segment = Splits(ids, {key: splits.groups[id_] for key, (id_, _) in self.spans.items()})
        super().__init__(dataset, task, {key: span.label for key, (_, span) in self.spans.items()}, of_segment)

    @classmethod
    def from_rows(cls, rows: Mapping[str, Row], setting: TaskSetting) -> SegmentTask:
        """Build the task from rows of segments by id."""
        return cls(setting.dataset, setting.task, segments_of(rows), setting.splits(rows))

    def vectors(self, store: EmbeddingStore, layer: int) -> VectorOf:
        """What gives the mean frame (D,) of a segment at a layer of a store."""
        return self.vectors_of(frames_of_layer(store, layer))

    def vectors_of(self, frames_of: FramesOf) -> VectorOf:
        """Mean frame of each segment; the nearest frame where none is centred inside."""

        def vector_of(key: str) -> Tensor:
            id_, span = self.spans[key]
            frames, times = frames_of(id_)
            return frames[self.inside(times, span)].mean(0)

        return vector_of

    @staticmethod
    def inside(times: Float[Tensor, "T"], span: Segment) -> Bool[Tensor, "T"]:
        """Which frames are centred in a segment; the nearest one where none is."""
        inside = (times >= span.start) & (times < span.end)
        if not inside.any():
            inside[(times - (span.start + span.end) / 2).abs().argmin()] = True
        return inside
