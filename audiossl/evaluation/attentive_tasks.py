"""Clips and segments that are read twice: from their mean frame, and by a probe that chooses frames and layers itself."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.console import console
from audiossl.embedding.store import EmbeddingStore
from audiossl.evaluation.attentive_probe import FramesOf, fit_attentive_probe
from audiossl.evaluation.clip_task import ClipTask
from audiossl.evaluation.intervals import rate_interval
from audiossl.evaluation.readout import Outcome, Readout, rates_of_groups
from audiossl.evaluation.results import ResultRow
from audiossl.evaluation.segment_task import SegmentTask
from audiossl.evaluation.splits import Split
from audiossl.evaluation.task import TaskDetail
from audiossl.seeds import derive_generator

METRIC = "attentive_accuracy"
KEPT_BYTES = 2**30  # of frames of a side; what is more is read from the store at every step


class AttentiveClipTask(ClipTask):
    """A clip task whose frames are kept, so that an attentive probe over all layers stands next to the linear one.

    Rows of the linear probe and of nearest neighbours are those of `ClipTask`; `attentive_accuracy` is that of the other probe.
    Layer gate, queries, weight decay and step are chosen without the test side.

    >>> ids = {"train": ["a", "b"], "valid": ["c", "d"], "test": ["e", "f"]}
    >>> AttentiveClipTask.reads
    'frames'
    """

    reads: ClassVar[Literal["frames", "pooled"]] = "frames"
    steps: ClassVar[int] = 400

    def score(self, model: str, store: EmbeddingStore, readout: Readout) -> tuple[Outcome, TaskDetail]:
        """Score by all three."""
        outcome, detail = super().score(model, store, readout)
        sides: dict[Split, tuple[FramesOf, Tensor]] = {
            side: (self._frames_of(side, store), self.classes(side)) for side in ("train", "valid", "test")
        }
        fitted = fit_attentive_probe(
            sides["train"], sides["valid"], len(self.labels),
            lambda: derive_generator(readout.seed, self.dataset, self.task, "attention"), steps=self.steps,
        )  # fmt: skip
        frames_of, y = sides["test"]
        numbers = self.splits.group_numbers("test")
        groups = torch.tensor([numbers[self.splits.groups[id_]] for id_ in self.splits.ids["test"]])
        hits = torch.bincount(groups, (fitted.predict(frames_of, len(y)) == y).double(), len(numbers))
        found, scores = rate_interval(hits, outcome.total), rates_of_groups(list(numbers), hits, outcome.total)
        row = ResultRow.of(self.dataset, self.task, model, METRIC, found, len(y), scores)
        console.print(f"{self.task} {model}: attentive accuracy {row.value:.3f}", markup=False)
        chosen = {**outcome.chosen, "decay": fitted.decay, "step": float(fitted.step)}
        with_attention = replace(
            outcome,
            rows=[*outcome.rows, row],
            chosen=chosen,
            valid_accuracy={**outcome.valid_accuracy, METRIC: fitted.valid_accuracy},
            correct={**outcome.correct, METRIC: hits},
        )
        return with_attention, replace(detail, chosen=chosen, layer_weights=fitted.gate.tolist())

    def _frames_of(self, side: Split, store: EmbeddingStore) -> FramesOf:
        ids, kept = self.splits.ids[side], dict[int, Tensor]()
        left = KEPT_BYTES

        def frames_of(number: int) -> Tensor:
            nonlocal left
            if number not in kept:
                frames = self.frames(store, ids[number])
                if frames.nbytes > left:
                    return frames
                kept[number], left = frames, left - frames.nbytes
            return kept[number]

        return frames_of

    def frames(self, store: EmbeddingStore, key: str) -> Float[Tensor, "L T D"]:
        """Frames of an item at all layers."""
        return torch.from_numpy(store[key].astype("float32"))


class AttentiveSegmentTask(SegmentTask, AttentiveClipTask):
    """A segment task with an attentive probe over the frames of each segment, at all layers, next to the linear one.

    >>> AttentiveSegmentTask.reads
    'frames'
    """

    def frames(self, store: EmbeddingStore, key: str) -> Float[Tensor, "L T D"]:
        """Frames inside a segment; the nearest one where none is centred inside."""
        id_, span = self.spans[key]
        return torch.from_numpy(store[id_].astype("float32"))[:, self.inside(torch.from_numpy(store.times(id_)), span)]
