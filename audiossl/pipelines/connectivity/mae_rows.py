"""Rows of masked auto-encoders of connectivity, and what they are measured by on the way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.features.connectivity import from_vector, vectorise
from audiossl.objectives.connectivity_mae import ConnectivityMAE, ConnectivityMAEConfig
from audiossl.objectives.graph_objective import GraphObjective
from audiossl.objectives.kinds import read_config
from audiossl.pipelines.connectivity.batches import RunCrops
from audiossl.pipelines.connectivity.data import Runs
from audiossl.pipelines.connectivity.design import Design
from audiossl.pipelines.connectivity.objective_rows import GraphObjectiveRow, keep
from audiossl.pipelines.connectivity.parts import usable_parts
from audiossl.pipelines.connectivity.readers import Reader, frames_of
from audiossl.pipelines.table_row import ModelSection

SETTLING_BATCHES = 40  # epochs of crops that an untrained network sees, without a gradient


class ConnectivityMAERow(GraphObjectiveRow):
    """Masked auto-encoding: the model is read by the connectivity that it predicts; `nodes` and `pooled` are its encoder's."""

    def read(self, design: Design, seed: int, out: Path) -> Reader:
        """Train or settle it, and measure how well it predicts edges that it did not see."""
        encoder = self.begin(design.runs, out)
        crops = self.crops(design, seed)
        objective = ConnectivityMAE(encoder, self.options, network_numbers(design.runs))
        self.prepare(objective, crops, design, seed, out)
        measured = {} if design.is_transductive else held_out_edges(objective, design)
        return of_mae(objective, measured)

    def prepare(self, objective: ConnectivityMAE, crops: RunCrops, design: Design, seed: int, out: Path) -> None:
        """Train it."""
        self.train(objective, crops, design, seed, out)


class RandomRow(ConnectivityMAERow):
    """The networks of `connectivity_mae` as they are drawn, their batch norms settled."""

    Options = ConnectivityMAEConfig
    trained = False

    @classmethod
    def read_options(cls, name: str, model: ModelSection) -> object:
        """Read options as those of `connectivity_mae`."""
        return read_config(cls.Options, model.options, f"models.{name}.options")

    @property
    def objective(self) -> type[GraphObjective]:
        """That of `connectivity_mae`."""
        return ConnectivityMAE

    def prepare(self, objective: ConnectivityMAE, crops: RunCrops, design: Design, seed: int, out: Path) -> None:
        """Let batch norms of an untrained network see data: with their first statistics sums over neighbours would explode."""
        objective.train()
        with torch.no_grad():
            for epoch in range(SETTLING_BATCHES):
                for batch in crops(epoch):
                    objective(batch)
        keep(objective, {}, out)


def of_mae(objective: ConnectivityMAE, measured: Mapping[str, float]) -> Reader:
    """Read an auto-encoder by the connectivity that it predicts (logits of edges)."""

    def predicted(series: Float[Tensor, "P N T"]) -> Tensor:
        return objective.reconstruct(series, torch.full((len(series),), series.shape[2])).mean(1)

    def vectors(series: Float[Tensor, "P N T"]) -> dict[str, Tensor]:
        pooled, nodes = frames_of(objective.encoder, series)
        return {"": predicted(series), "nodes": nodes.flatten(1), "pooled": pooled}

    def regions(series: Float[Tensor, "N T"]) -> dict[str, Tensor]:
        return {"": from_vector(predicted(series[None])[0], 0.0), "nodes": frames_of(objective.encoder, series[None])[1][0]}

    return Reader(vectors, regions, measured)


def held_out_edges(objective: ConnectivityMAE, design: Design) -> dict[str, float]:
    """Cross entropy, nats, of edges in what pre-training did not see: of the model's answers, and of a table of frequencies.

    The table holds how often each pair was joined in what pre-training saw: an answer without any network, and a far better one
    than the density.
    """
    torch.manual_seed(0)
    sizes, what = objective.encoder.config, "a window of edges"
    batches, windows = [], ((sizes.window, sizes.stride, 1),)
    runs = design.runs
    for stretches in (design.fingerprint[1], design.training):
        whole, _ = usable_parts(runs, stretches, sizes.window, windows, what)
        crop = min(design.config.pretrain.crop, *(part.series.shape[1] for part in whole))
        parts, _ = usable_parts(runs, [part.stretch for part in whole], crop, windows, what)
        batches.append(RunCrops(parts, crop, len(parts), 1 / runs.tr, 0).fixed()[0])
    held_out, seen = batches
    error = float(objective.edge_error(held_out))
    with torch.no_grad():
        unseen, graphs = (objective.encoder.windows(batch.signal, batch.lengths).graphs for batch in (held_out, seen))
    frequency = vectorise(graphs.mean(0)).clamp(1e-3, 1 - 1e-3)
    edges = vectorise(unseen)
    predicted = torch.nn.functional.binary_cross_entropy(frequency.expand_as(edges), edges)
    return {"edge_bce": error, "edge_bce_by_frequency": float(predicted)}


def network_numbers(runs: Runs) -> list[int] | None:
    """Number of each region's network, where the recordings say them."""
    said = runs.recordings[0].custom.get("networks")
    if not said:
        return None
    of_region = dict(zip(runs.recordings[0].channels, str(said).split("|"), strict=True))
    names = sorted(set(of_region.values()))
    return [names.index(of_region[region]) for region in runs.regions]
