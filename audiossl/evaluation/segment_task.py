"""Segment tasks: a label for each stretch of a recording (a word, an event), read from the mean of its frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from audiossl.evaluation.clip_task import ClipTask, VectorOf
from audiossl.evaluation.frame_task import FramesOf, Segment
from audiossl.evaluation.splits import SPLITS, Split, Splits


class SegmentTask(ClipTask):
    """A clip task whose items are labelled stretches of recordings, each read from the mean of its frames.

    Args:
        segments: labelled segments by item id.
        splits: ids of recordings on each side; segments go where their recording goes.
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

    def vectors_of(self, frames_of: FramesOf) -> VectorOf:
        """Mean frame of each segment; the nearest frame where none is centred inside."""

        def vector_of(key: str) -> Tensor:
            id_, span = self.spans[key]
            frames, times = frames_of(id_)
            inside = (times >= span.start) & (times < span.end)
            if not inside.any():
                inside[(times - (span.start + span.end) / 2).abs().argmin()] = True
            return frames[inside].mean(0)

        return vector_of
