"""What tasks with one label a clip share: the linear head, cross entropy and accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from audiossl.evaluation.superb.heads.utterance import UtteranceLinear
from audiossl.evaluation.superb.tables import Clip
from audiossl.evaluation.superb.task import Batch, Counts, RateTask, classes_of


class UtteranceTask(RateTask[dict[str, str]]):
    """A label in each of `label_columns`; a clip is right if all are."""

    metrics = ("accuracy",)
    label_columns: ClassVar[tuple[str, ...]] = ("label",)

    def read_vocabulary(self) -> None:
        """The classes of each column."""
        self.classes = {column: classes_of(self, column) for column in self.label_columns}

    def head(self, dim: int, stride: float, hidden: int) -> nn.Module:
        """Linear, mean, Linear; the logits of all columns side by side."""
        return UtteranceLinear(dim, sum(map(len, self.classes.values())), hidden)

    def loss(self, head: nn.Module, batch: Batch) -> Float[Tensor, ""]:
        """Sum over columns of the cross entropy."""
        logits = head(batch.features, batch.lengths)
        losses = []
        for column, part in self._columns(logits).items():
            targets = [self.classes[column].index(clip.values[column]) for clip in batch.clips]
            losses.append(functional.cross_entropy(part.float(), torch.tensor(targets, device=part.device)))
        return torch.stack(losses).sum()

    def predict(self, head: nn.Module, batch: Batch) -> list[dict[str, str]]:
        """The likeliest class of each column."""
        parts = self._columns(head(batch.features, batch.lengths))
        best = {column: part.argmax(1).tolist() for column, part in parts.items()}
        return [{column: self.classes[column][rows[i]] for column, rows in best.items()} for i in range(len(batch.clips))]

    def count(self, predictions: Mapping[str, dict[str, str]], split: str) -> dict[str, Counts]:
        """Clips of which all columns are right."""
        right = {
            clip.id: float(all(predictions[clip.id][column] == clip.values[column] for column in self.label_columns))
            for clip in self.clips(split)
        }
        return {"accuracy": Counts(right, dict.fromkeys(right, 1.0))}

    def weigh(self, clip: Clip) -> str:
        """Its first label."""
        return clip.values[self.label_columns[0]]

    def _columns(self, logits: Float[Tensor, "B K"]) -> dict[str, Float[Tensor, "B _"]]:
        return dict(zip(self.classes, logits.split([len(names) for names in self.classes.values()], 1), strict=True))
