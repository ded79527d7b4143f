"""Clip-level tasks with few groups (kits, sites, people): each group is tested once, by a probe that never saw it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from audiossl.console import console
from audiossl.embedding.store import EmbeddingStore
from audiossl.errors import DataError
from audiossl.evaluation.clip_task import CLIP_READOUT, VectorOf
from audiossl.evaluation.intervals import rate_interval
from audiossl.evaluation.label_rows import ClipRows
from audiossl.evaluation.layer_choice import vectors_of_layer
from audiossl.evaluation.probes import fit_probe_path
from audiossl.evaluation.readout import Outcome, Readout, rates_of_groups
from audiossl.evaluation.results import ResultRow
from audiossl.evaluation.task import Row, TaskDetail, TaskSetting


class FoldedClipTask(ClipRows):
    """Leave one group out: its layer and strength of regularisation are chosen by leaving out each of the other groups in turn.

    So the choice for a group rests on probes that saw neither it nor the group they were judged on.

    Args:
        dataset: name in results.
        task: name in results.
        labels: label by item id; items without one are left out.
        groups: group by item id.

    Raises:
        DataError: if there are fewer than three groups.
    """

    by_folds: ClassVar[bool] = True
    readout: ClassVar[Readout] = CLIP_READOUT

    def __init__(self, dataset: str, task: str, labels: Mapping[str, str], groups: Mapping[str, str]) -> None:
        self.dataset, self.task = dataset, task
        self.ids = sorted(labels)
        self.labels = sorted(set(labels.values()))
        self.groups = sorted({groups[id_] for id_ in self.ids})
        if len(self.groups) < 3:
            raise DataError(f"leaving one group out needs at least 3 groups, {task} has {len(self.groups)}")
        self.y = torch.tensor([self.labels.index(labels[id_]) for id_ in self.ids])
        self.group = torch.tensor([self.groups.index(groups[id_]) for id_ in self.ids])

    @classmethod
    def from_rows(cls, rows: Mapping[str, Row], setting: TaskSetting) -> FoldedClipTask:
        """Build the task from rows with a label by id."""
        return cls(setting.dataset, setting.task, {id_: str(row["label"]) for id_, row in rows.items()}, setting.groups)

    def score(self, model: str, store: EmbeddingStore, readout: Readout) -> tuple[Outcome, TaskDetail]:
        """Score a model, with a layer for each fold; only its probe is run."""
        outcome = self.run(model, [vectors_of_layer(store, layer) for layer in range(store.description.num_layers)])
        console.print(f"{self.task} {model}: accuracy {outcome.rows[0].value:.3f}", markup=False)
        return outcome, TaskDetail(None, "by fold", [], outcome.chosen)

    def run(self, model: str, layers: Sequence[VectorOf]) -> Outcome:
        """Score a model.

        Args:
            model: name in results.
            layers: function that gives the vector (D,) of an item by id, for each layer.
        """
        x = [torch.stack([vector_of(id_) for id_ in self.ids]).float() for vector_of in layers]
        grid = sorted(CLIP_READOUT.l2_grid, reverse=True)
        right = self._inner_hits(x, grid)
        correct = torch.zeros(len(self.groups), dtype=torch.float64)
        chosen: list[tuple[int, float]] = []
        for group in range(len(self.groups)):
            layer, strength = divmod(int(right[group].flatten().argmax()), len(grid))
            chosen.append((layer, grid[strength]))
            correct[group] = self._hits(x[layer], self.group == group, [grid[strength]], [group])[0, 0]
        total = torch.bincount(self.group, minlength=len(self.groups)).double()
        found, scores = rate_interval(correct, total), rates_of_groups(self.groups, correct, total)
        row = ResultRow.of(self.dataset, self.task, model, "accuracy", found, len(self.ids), scores)
        counts = {f"layer {layer}": float(count) for layer, count in sorted(Counter(layer for layer, _ in chosen).items())}
        return Outcome([row], counts, {}, {"accuracy": correct}, total)

    def _inner_hits(self, x: Sequence[Float[Tensor, "N _"]], grid: Sequence[float]) -> Float[Tensor, "G L S"]:
        """Correct items of all other groups, summed, when each is left out together with a group; by layer and strength."""
        right = torch.zeros(len(self.groups), len(x), len(grid))
        for first, second in combinations(range(len(self.groups)), 2):
            held_out = (self.group == first) | (self.group == second)
            for layer, vectors in enumerate(x):
                hits = self._hits(vectors, held_out, grid, [first, second])
                right[first, layer] += hits[1]
                right[second, layer] += hits[0]
        return right

    def _hits(
        self, x: Float[Tensor, "N D"], held_out: Bool[Tensor, "N"], grid: Sequence[float], groups: Sequence[int]
    ) -> Float[Tensor, "G2 S"]:
        """Correct items of some groups by strength, for probes fitted to all items that are not held out."""
        probes = fit_probe_path(x[~held_out], self.y[~held_out], len(self.labels), grid)
        return torch.tensor(
            [
                [float((probe.predict(x[self.group == group]) == self.y[self.group == group]).sum()) for probe in probes]
                for group in groups
            ]
        )
