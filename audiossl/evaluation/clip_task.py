"""Clip-level tasks: one label (language, speaker, activity) for a whole item, read from its pooled vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from audiossl.embedding.store import EmbeddingStore
from audiossl.errors import DataError
from audiossl.evaluation.label_rows import ClipRows
from audiossl.evaluation.layer_choice import choose_layer, vectors_of_layer
from audiossl.evaluation.readout import Examples, Outcome, Readout, read_out
from audiossl.evaluation.splits import SPLITS, Split, Splits
from audiossl.evaluation.task import Row, TaskDetail, TaskSetting

VectorOf = Callable[[str], Tensor]
CLIP_READOUT = Readout(l2_grid=(1.0, 1e-1, 1e-2, 1e-3, 1e-4), k_grid=(1, 3, 5, 10, 20))


class ClipTask(ClipRows):
    """Labelled items of a corpus; every model is scored on the same ones.

    Labels that the training split lacks cannot be predicted and count as errors.

    Args:
        dataset: name in results.
        task: name in results.
        labels: label by item id.
        splits: ids of each split and the groups to resample.

    Raises:
        DataError: if an item has no label.

    >>> ids = {"train": ["a", "b"], "valid": ["c", "d"], "test": ["e", "f"]}
    >>> splits = Splits(ids, {id_: id_ for id_ in "abcdef"})
    >>> task = ClipTask("mine", "word", {id_: "yes" if id_ in "ace" else "no" for id_ in "abcdef"}, splits)
    >>> task.labels
    ['no', 'yes']
    """

    readout: ClassVar[Readout] = CLIP_READOUT

    def __init__(self, dataset: str, task: str, labels: Mapping[str, str], splits: Splits) -> None:
        self.dataset, self.task, self.splits = dataset, task, splits
        absent = [item_id for split in SPLITS for item_id in splits.ids[split] if item_id not in labels]
        if absent:
            raise DataError(f"expected a label for every item, {len(absent)} have none, the first is '{absent[0]}'")
        self._label_of = labels
        self.labels = sorted({labels[item_id] for item_id in splits.ids["train"]})
        self._numbers = {label: number for number, label in enumerate(self.labels)}

    @classmethod
    def from_rows(cls, rows: Mapping[str, Row], setting: TaskSetting) -> ClipTask:
        """Build the task from rows with a label by id."""
        labels = {id_: str(row["label"]) for id_, row in rows.items()}
        return cls(setting.dataset, setting.task, labels, setting.splits(rows))

    def score(self, model: str, store: EmbeddingStore, readout: Readout) -> tuple[Outcome, TaskDetail]:
        """Score the layer that does best on the validation side."""
        readout = replace(readout, context=0)
        return choose_layer(
            f"{self.task} {model}", store, readout, lambda layer, with_: self.run(model, self.vectors(store, layer), with_)
        )

    def vectors(self, store: EmbeddingStore, layer: int) -> VectorOf:
        """What gives the vector (D,) of an item at a layer of a store."""
        return vectors_of_layer(store, layer)

    def examples(self, split: Split, vector_of: VectorOf) -> Examples:
        """Assemble vectors, labels and groups of a split; `vector_of` gives a vector (D,) by item id.

        Raises:
            DataError: if an item's vector has another shape.
        """
        ids = self.splits.ids[split]
        vectors = [vector_of(item_id) for item_id in ids]
        for item_id, vector in zip(ids, vectors, strict=True):
            if vector.ndim != 1 or vector.shape != vectors[0].shape:
                raise DataError(
                    f"{item_id}: expected a vector like the {tuple(vectors[0].shape)} of '{ids[0]}', got {tuple(vector.shape)}"
                )
        numbers = self.splits.group_numbers(split)
        y = self.classes(split)
        groups = torch.tensor([numbers[self.splits.groups[item_id]] for item_id in ids])
        return Examples(torch.stack(vectors).float(), y, groups, len(numbers), list(numbers))

    def classes(self, split: Split) -> Int[Tensor, "N"]:
        """Class of each item of a split; -1 where training never saw its label."""
        return torch.tensor([self._numbers.get(self._label_of[item_id], -1) for item_id in self.splits.ids[split]])

    def run(self, model: str, vector_of: VectorOf, readout: Readout = CLIP_READOUT) -> Outcome:
        """Score a model: fit on train, choose on valid, test once.

        Args:
            model: name in results.
            vector_of: function that gives the pooled vector (D,) by item id.
            readout: which readouts, and their options.
        """
        examples: dict[Split, Examples] = {split: self.examples(split, vector_of) for split in SPLITS}
        return read_out(self.dataset, self.task, model, examples, len(self.labels), readout)
