"""Frame-level tasks: which label (phone, activity) holds at an instant, read from the nearest frame of a frozen model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.embedding.store import EmbeddingStore
from audiossl.errors import DataError
from audiossl.evaluation.label_rows import Segment, SegmentRows, segments_of
from audiossl.evaluation.layer_choice import choose_layer, frames_of_layer
from audiossl.evaluation.layer_weights import learn_layer_weights
from audiossl.evaluation.readout import Examples, Outcome, Readout, read_out
from audiossl.evaluation.splits import SPLITS, Split, Splits
from audiossl.evaluation.task import Row, TaskDetail, TaskSetting
from audiossl.seeds import derive_generator

__all__ = ["FrameTask", "Segment", "ordered", "sample_at", "segment_at"]

FramesOf = Callable[[str], tuple[Tensor, Tensor]]
BOUNDARY_SECONDS = 1e-6  # an instant this close before a boundary belongs to what follows, however the boundary was rounded


class FrameTask(SegmentRows):
    """Labelled instants of a corpus; every model is scored on the same ones.

    Instants lie on a grid of `rate` per second, at the centres of its cells. Those outside every segment are dropped. A model's
    feature at an instant is its frame with the nearest centre, so that models of any frame rate get the same n. Labels that the
    training split lacks cannot be predicted and count as errors.

    Args:
        dataset: name in results.
        task: name in results.
        segments: labelled segments by item id, in any order, not overlapping.
        splits: ids of each split and the groups to resample.
        rate: instants per second.

    Raises:
        DataError: if an item has no segments, or they overlap or have no length.

    >>> ids = {"train": ["a", "b"], "valid": ["c", "d"], "test": ["e", "f"]}
    >>> splits = Splits(ids, {id_: id_ for id_ in "abcdef"})
    >>> segments = {id_: [Segment("a", 0.0, 0.5), Segment("b", 0.5, 1.0)] for id_ in "abcdef"}
    >>> FrameTask("mine", "phone", segments, splits).labels
    ['a', 'b']
    """

    marks_frames: ClassVar[bool] = True

    def __init__(
        self, dataset: str, task: str, segments: Mapping[str, Sequence[Segment]], splits: Splits, rate: float | int = 50.0
    ) -> None:
        self.dataset, self.task, self.splits, self.rate = dataset, task, splits, float(rate)
        ids = [item_id for split in SPLITS for item_id in splits.ids[split]]
        absent = [item_id for item_id in ids if not segments.get(item_id)]
        if absent:
            raise DataError(f"expected labelled segments for every item, {len(absent)} have none, the first is '{absent[0]}'")
        self._segments = {item_id: ordered(segments[item_id], item_id) for item_id in ids}
        labels = {segment.label for item_id in splits.ids["train"] for segment in self._segments[item_id]}
        self.labels = sorted(labels)
        self._numbers = {label: number for number, label in enumerate(self.labels)}

    @classmethod
    def from_rows(cls, rows: Mapping[str, Row], setting: TaskSetting) -> FrameTask:
        """Build the task from rows of segments by id."""
        return cls(setting.dataset, setting.task, segments_of(rows), setting.splits(rows), setting.rate)

    def score(self, model: str, store: EmbeddingStore, readout: Readout) -> tuple[Outcome, TaskDetail]:
        """Score the layer that does best on the validation side; where there are several, also learn weights of all."""

        def run(layer: int, with_: Readout) -> Outcome:
            return self.run(model, frames_of_layer(store, layer), with_.context, with_)

        outcome, detail = choose_layer(f"{self.task} {model}", store, readout, run)
        if store.description.num_layers > 1:
            detail = replace(detail, layer_weights=self._layer_weights(store, readout.seed))
        return outcome, detail

    def instants(self, item_id: str) -> tuple[Float[Tensor, "N"], Int[Tensor, "N"]]:
        """Times in seconds and label numbers of an item; -1 for a label that the training split lacks."""
        segments = self._segments[item_id]
        times = (torch.arange(int(segments[-1].end * self.rate) + 1, dtype=torch.float64) + 0.5) / self.rate
        found = segment_at(segments, times)
        numbers = torch.tensor([self._numbers.get(segment.label, -1) for segment in segments])
        return times[found >= 0], numbers[found[found >= 0]]

    def examples(self, split: Split, frames_of: FramesOf, context: int = 0) -> Examples:
        """Assemble features, labels and groups of a split.

        Args:
            split: which.
            frames_of: function that gives frames (T, D) and their centres (T,) in seconds, by item id.
            context: frames on either side that are stacked to each; edges are repeated.

        Raises:
            DataError: if an item has no frames, or its times do not fit them.
        """
        numbers = self.splits.group_numbers(split)
        features, labels, groups = [], [], []
        for item_id in self.splits.ids[split]:
            times, y = self.instants(item_id)
            frames, centres = frames_of(item_id)
            if len(frames) == 0 or frames.ndim != 2 or len(frames) != len(centres):
                shapes = f"{tuple(frames.shape)} and {tuple(centres.shape)}"
                raise DataError(f"{item_id}: expected frames (T, D) with times (T,), got shapes {shapes}")
            features.append(sample_at(frames, centres, times, context))
            labels.append(y)
            groups.append(torch.full_like(y, numbers[self.splits.groups[item_id]]))
        return Examples(torch.cat(features).float(), torch.cat(labels), torch.cat(groups), len(numbers), list(numbers))

    def run(self, model: str, frames_of: FramesOf, context: int = 0, readout: Readout | None = None) -> Outcome:
        """Score a model: fit on train, choose on valid, test once.

        Args:
            model: name in results.
            frames_of: function that gives frames (T, D) and their centres (T,) in seconds, by item id.
            context: frames on either side that are stacked to each.
            readout: which readouts, and their options.
        """
        examples: dict[Split, Examples] = {split: self.examples(split, frames_of, context) for split in SPLITS}
        return read_out(self.dataset, self.task, model, examples, len(self.labels), readout)

    def _layer_weights(self, store: EmbeddingStore, seed: int) -> list[float]:
        def stacked(side: Split) -> tuple[Tensor, Tensor]:
            examples = [self.examples(side, frames_of_layer(store, layer)) for layer in range(store.description.num_layers)]
            return torch.stack([example.x.half() for example in examples]), examples[0].y

        generator = derive_generator(seed, self.task, "layer weights")
        learned = learn_layer_weights(*stacked("train"), *stacked("valid"), len(self.labels), generator, epochs=3)
        return learned.weights.tolist()


def ordered(segments: Sequence[Segment], item_id: str) -> list[Segment]:
    """Sort segments by start.

    Raises:
        DataError: if one has no length or two overlap.
    """
    by_start = sorted(segments, key=lambda segment: segment.start)
    for segment in by_start:
        if not segment.start < segment.end:
            raise DataError(f"{item_id}: expected segments that end after they start, got {segment}")
    for segment, following in pairwise(by_start):
        if following.start < segment.end - BOUNDARY_SECONDS:
            raise DataError(f"{item_id}: expected segments that do not overlap, got {segment} and {following}")
    return by_start


def segment_at(segments: Sequence[Segment], times: Float[Tensor, "N"]) -> Int[Tensor, "N"]:
    """Place of the segment that holds at each time, -1 outside all; `segments` are sorted and do not overlap."""
    starts = torch.tensor([segment.start for segment in segments], dtype=torch.float64)
    ends = torch.tensor([segment.end for segment in segments], dtype=torch.float64)
    moved = times.double() + BOUNDARY_SECONDS
    place = torch.searchsorted(starts, moved, right=True) - 1
    return torch.where((place >= 0) & (moved < ends[place.clamp(min=0)]), place, -1)


def sample_at(
    frames: Float[Tensor, "T D"], times: Float[Tensor, "T"], at: Float[Tensor, "N"], context: int = 0
) -> Float[Tensor, "N D2"]:
    """Read at each instant the frame with the nearest centre, with `context` frames on either side stacked to it.

    The earlier of two equally near frames is taken; before the first and after the last centre, and where the context leaves the
    signal, the edge frame is repeated.

    Args:
        frames: frames of one item.
        times: centres of the frames in seconds, rising.
        at: instants in seconds.
        context: c; D2 is (2 c + 1) D, the earliest frame first.

    >>> frames, times = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([0.01, 0.03, 0.05])
    >>> sample_at(frames, times, torch.tensor([0.032]))
    tensor([[2.]])
    """
    after = torch.searchsorted(times.double(), at.double()).clamp(max=len(times) - 1)
    before = (after - 1).clamp(min=0)
    to_before, to_after = (at - times[before]).abs(), (times[after] - at).abs()
    nearest = torch.where(to_before <= to_after + 1e-9, before, after)
    offsets = torch.arange(-context, context + 1)
    return frames[(nearest[:, None] + offsets).clamp(0, len(frames) - 1)].flatten(1)
