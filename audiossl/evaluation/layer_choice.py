"""The layer of a model that does best on the validation side; the test side has no say in the choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from audiossl.console import console
from audiossl.embedding.store import EmbeddingStore
from audiossl.evaluation.readout import Outcome, Readout
from audiossl.evaluation.task import TaskDetail


def choose_layer(
    name: str, store: EmbeddingStore, readout: Readout, run: Callable[[int, Readout], Outcome]
) -> tuple[Outcome, TaskDetail]:
    """Run every layer with one strength of the probe, and the best again with all.

    Args:
        name: what is said of progress, such as "phones student".
        store: store that holds the layers.
        readout: readout of the layer that is chosen.
        run: scores a layer, by its place in the store, with a readout.
    """
    num_layers = store.description.num_layers
    by_layer: list[float] = []
    if num_layers > 1:
        # One strength for all layers here; the chosen layer then gets the whole grid.
        quick = replace(readout, knn=False, l2_grid=readout.l2_grid[len(readout.l2_grid) // 2 :][:1])
        for layer in range(num_layers):
            by_layer.append(run(layer, quick).valid_accuracy["accuracy"])
            console.print(f"{name} layer {layer}: validation accuracy {by_layer[-1]:.3f}", markup=False)
    layer = max(range(num_layers), key=by_layer.__getitem__) if by_layer else 0
    outcome = run(layer, readout)
    console.print(f"{name}: accuracy {outcome.rows[0].value:.3f}", markup=False)
    numbers = store.description.layers  # a teacher is stored at one layer, whose number is not its place
    number = layer if numbers == "last" else numbers[layer]
    return outcome, TaskDetail(layer, number, by_layer, outcome.chosen, readout.context)


def frames_of_layer(store: EmbeddingStore, layer: int) -> Callable[[str], tuple[Tensor, Tensor]]:
    """What gives frames (T, D) of an item at a layer, and their centres in seconds."""
    return lambda id_: (torch.from_numpy(store[id_][layer].astype("float32")), torch.from_numpy(store.times(id_)))


def vectors_of_layer(store: EmbeddingStore, layer: int) -> Callable[[str], Tensor]:
    """What gives the pooled vector (D,) of an item at a layer."""
    vectors = dict(zip(store.ids, torch.from_numpy(store.pooled()[:, layer].copy()), strict=True))
    return vectors.__getitem__
