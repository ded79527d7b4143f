"""From runs to vectors of segments, of regions and of runs, for every model of a connectivity recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

from audiossl.console import console
from audiossl.errors import ConfigError
from audiossl.features.connectivity import correlation, covariance, fisher_z, from_vector, vectorise
from audiossl.files import whole_file, write_json, write_jsonl
from audiossl.load import encoder_folder
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.objectives.connectivity_labels import ConnectivityLabels
from audiossl.objectives.connectivity_mae import ConnectivityMAE, ConnectivityMAEConfig
from audiossl.objectives.graph_infomax import GraphInfomax, GraphInfomaxConfig
from audiossl.objectives.kinds import read_config
from audiossl.pipelines.connectivity.batches import RunCrops
from audiossl.pipelines.connectivity.config import FITTED_INSIDE, ConnectivityRecipe, GraphModel
from audiossl.pipelines.connectivity.data import Runs, fingerprint_stretches, is_transductive, training_stretches
from audiossl.pipelines.connectivity.parts import (
    left_out_of,
    segments,
    training_parts,
    training_segments,
    usable_parts,
    whole_runs,
)
from audiossl.pipelines.connectivity.tasks import check_tasks
from audiossl.pipelines.connectivity.times import warn_of_other_times, warn_of_several_times
from audiossl.seeds import derive_seed
from audiossl.training.fit import fit
from audiossl.world import World

VECTORS, REJECTED = "vectors.safetensors", "rejected.jsonl"
SEGMENTS, REGIONS, RUNS = "segments", "regions", "runs"  # prefixes of the tensors in it, before the name of a variant
SETTLING_BATCHES = 40  # epochs of crops that an untrained network sees, without a gradient
Objective = ConnectivityMAE | GraphInfomax | ConnectivityLabels
Vectors = Callable[[Float[Tensor, "P N T"]], dict[str, Float[Tensor, "P _"]]]


def represent(out: Path, recordings: Path, model: GraphModel, config: ConnectivityRecipe) -> None:
    """Train a model for every seed and write what the tasks read; finished seeds of an interrupted run are kept.

    Per variant of the model: vectors of all drawn segments (2, D, P, E), plain and standardised by segments of what pre-training
    saw; vectors of every region of every run (R, N, D); and one vector of every run (R, E). Runs that keep too few volumes for
    one of these are left out of it, and listed in `rejected.jsonl`.
    """
    runs = Runs.open(recordings)
    check_tasks(runs, model, config)
    if model.kind != "encoder":  # of which `_reader` says more
        warn_of_several_times(runs, config)
    _list_left_out(out, runs, model, config)
    for seed in config.seeds[:1] if model.kind in FITTED_INSIDE | {"encoder"} else config.seeds:
        folder = out / f"seed{seed}"
        if (folder / "done.json").is_file():
            continue
        torch.manual_seed(derive_seed(seed, "encoder"))
        reader = _reader(folder, runs, model, config, seed)
        if not World.join().is_first:
            continue
        found = {name: value.contiguous().float() for name, value in _everything(reader, runs, model, config).items()}
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / VECTORS) as partial:
            save_file(found, partial)
        about = {"seed": seed, "left_out": runs.left_out, **reader.measured}
        write_json(folder / "done.json", about)


def _list_left_out(out: Path, runs: Runs, model: GraphModel, config: ConnectivityRecipe) -> None:
    """Name the runs that a part of the work does without; the table of a run's report has them too."""
    left_out = left_out_of(runs, model, config)
    if left_out and World.join().is_first:
        out.mkdir(parents=True, exist_ok=True)
        write_jsonl(out / REJECTED, [asdict(rejected) for rejected in left_out])
        number = f"{len({rejected.id for rejected in left_out})} of {len(runs.recordings)} runs are"
        text = f"{number} not used for everything, see {REJECTED} in this stage's folder. The first: {left_out[0].reason}"
        console.print(text, style="yellow", markup=False, soft_wrap=True)


@dataclass(frozen=True)
class Reader:
    """How a model turns series into vectors.

    Attributes:
        vectors: of series of one length (P, N, T), by variant; the empty name is the model itself.
        regions: of one series (N, T), by variant: (N, D).
        measured: what was measured on the way.
    """

    vectors: Vectors
    regions: Callable[[Float[Tensor, "N T"]], dict[str, Float[Tensor, "N _"]]]
    measured: dict[str, float]


def _reader(folder: Path, runs: Runs, model: GraphModel, config: ConnectivityRecipe, seed: int) -> Reader:
    if runs.are_matrices:
        if model.kind not in ("raw_fc", "brainnetcnn") or config.fingerprint.volumes:
            raise ConfigError(
                "these data are matrices without series: use models of kind raw_fc or brainnetcnn, and fingerprint.volumes=0"
            )
        return Reader(lambda series: {"": vectorise(series)}, lambda series: {"": series * (1 - torch.eye(len(series)))}, {})
    if model.kind in FITTED_INSIDE:
        read = _covariances if model.kind == "tangent" else _correlations
        return Reader(read, lambda series: {"": fisher_z(kept_correlation(series)) * (1 - torch.eye(len(series)))}, {})
    if model.kind == "encoder":
        encoder = ConnectivityEncoder.load(encoder_folder(Path(model.options["folder"])), runs.regions)
        warn_of_other_times(runs, encoder, str(model.options["folder"]))
        return _of_encoder(encoder, {})
    sizes = ConnectivityConfig(**{**asdict(config.encoder), **model.encoder})
    encoder = ConnectivityEncoder(runs.regions, runs.tr, sizes)
    if model.kind == "supervised_gin":
        return _of_encoder(_name_people(folder, encoder, runs, model, config, seed), {})
    crops = RunCrops(training_parts(runs, model, config)[0], config.pretrain.crop, config.batch_runs, 1 / runs.tr, seed)
    if model.kind == "graph_infomax":
        infomax = GraphInfomax(encoder, read_config(GraphInfomaxConfig, model.options, "graph_infomax"))
        _train(folder, infomax, crops, runs, config, seed)
        return _of_encoder(encoder, {})
    options = read_config(ConnectivityMAEConfig, model.options, "connectivity_mae")
    objective = ConnectivityMAE(encoder, options, _network_numbers(runs))
    if model.kind == "random":
        _settle(objective, crops)
        _keep(folder, objective, {})
    else:
        _train(folder, objective, crops, runs, config, seed)
    return _of_mae(objective, {} if is_transductive(runs, config) else _held_out_edges(objective, runs, config))


def _train(folder: Path, objective: Objective, crops: RunCrops, runs: Runs, config: ConnectivityRecipe, seed: int) -> None:
    """Train an objective and save its encoder; both are then in evaluation mode on the CPU."""
    fit(objective, crops, replace(config.training, seed=seed), folder / "pretrain", steps_per_epoch=crops.steps_per_epoch)
    seen = {"dataset": config.dataset, **asdict(config.pretrain), "steps": config.training.max_steps, "seed": seed}
    if len(runs.repetition_times) > 1:
        seen["repetition_times"] = list(runs.repetition_times)
    _keep(folder, objective, seen)


def _keep(folder: Path, objective: Objective, seen: dict[str, Any]) -> None:
    objective.eval().cpu()
    if World.join().is_first:
        objective.encoder.save(folder / "encoder", seen)


def _held_out_edges(objective: ConnectivityMAE, runs: Runs, config: ConnectivityRecipe) -> dict[str, float]:
    """Cross entropy, nats, of edges in what pre-training did not see: of the model's answers, and of a table of frequencies.

    The table holds how often each pair was joined in what pre-training saw: an answer without any network, and a far better one
    than the density.
    """
    torch.manual_seed(0)
    sizes, what = objective.encoder.config, "a window of edges"
    batches, windows = [], [(sizes.window, sizes.stride, 1)]
    for stretches in (fingerprint_stretches(runs, config)[1], training_stretches(runs, config)):
        whole, _ = usable_parts(runs, stretches, sizes.window, windows, what)
        crop = min(config.pretrain.crop, *(part.series.shape[1] for part in whole))
        parts, _ = usable_parts(runs, [part.stretch for part in whole], crop, windows, what)
        batches.append(RunCrops(parts, crop, len(parts), 1 / runs.tr, 0).fixed()[0])
    held_out, seen = batches
    error = float(objective.edge_error(held_out))
    with torch.no_grad():
        unseen, graphs = (objective.encoder.windows(batch.signal, batch.lengths).graphs for batch in (held_out, seen))
    frequency = vectorise(graphs.mean(0)).clamp(1e-3, 1 - 1e-3)
    edges = vectorise(unseen)
    told = torch.nn.functional.binary_cross_entropy(frequency.expand_as(edges), edges)
    return {"edge_bce": error, "edge_bce_by_frequency": float(told)}


def kept_correlation(series: Float[Tensor, "*B N T"]) -> Float[Tensor, "*B N N"]:
    """Correlation over the volumes that were not censored."""
    censored = series.isnan().all(-2)
    return correlation(series.nan_to_num(), ~censored) if bool(censored.any()) else correlation(series)


@torch.no_grad()
def _settle(objective: ConnectivityMAE, crops: RunCrops) -> None:
    """Let batch norms of an untrained network see data: with their first statistics sums over neighbours would explode."""
    objective.train()
    for epoch in range(SETTLING_BATCHES):
        for batch in crops(epoch):
            objective(batch)


def _correlations(series: Float[Tensor, "P N T"]) -> dict[str, Tensor]:
    return {"": vectorise(fisher_z(kept_correlation(series)))}


def _covariances(series: Float[Tensor, "P N T"]) -> dict[str, Tensor]:
    """Whole matrices in a row, which `TangentVectors` takes."""
    return {"": covariance(series.nan_to_num(), ~series.isnan().all(-2), "ledoit_wolf").flatten(1)}


def _name_people(
    folder: Path, encoder: ConnectivityEncoder, runs: Runs, model: GraphModel, config: ConnectivityRecipe, seed: int
) -> ConnectivityEncoder:
    """Train an encoder to name the person of a crop, the one label that every set has."""
    parts, _ = training_parts(runs, model, config)
    names = [runs.recordings[part.stretch.run].subject for part in parts]
    people = list(dict.fromkeys(names))
    labels = [people.index(name) for name in names]
    crops = RunCrops(parts, config.pretrain.crop // 2, config.batch_runs, 1 / runs.tr, seed, labels)
    _train(folder, ConnectivityLabels(encoder, len(people)), crops, runs, config, seed)
    return encoder


@torch.no_grad()
def _frames(encoder: ConnectivityEncoder, series: Float[Tensor, "P N T"]) -> tuple[Tensor, Tensor]:
    """Read-outs of all layers and nodes of the last, averaged over windows: (P, L D) and (P, N, D)."""
    frames = encoder(series, torch.full((len(series),), series.shape[2]))
    assert frames.regions is not None
    return torch.cat([layer.mean(1) for layer in frames.layers], dim=1), frames.regions.mean(1)


def _of_encoder(encoder: ConnectivityEncoder, measured: dict[str, float]) -> Reader:
    encoder.eval().cpu()

    def vectors(series: Float[Tensor, "P N T"]) -> dict[str, Tensor]:
        pooled, nodes = _frames(encoder, series)
        return {"": nodes.flatten(1), "pooled": pooled}

    return Reader(vectors, lambda series: {"": _frames(encoder, series[None])[1][0]}, measured)


def _of_mae(objective: ConnectivityMAE, measured: dict[str, float]) -> Reader:
    """The model is read by the connectivity that it tells (logits of edges); `nodes` and `pooled` are its encoder's outputs."""

    def told(series: Float[Tensor, "P N T"]) -> Tensor:
        return objective.reconstruct(series, torch.full((len(series),), series.shape[2])).mean(1)

    def vectors(series: Float[Tensor, "P N T"]) -> dict[str, Tensor]:
        pooled, nodes = _frames(objective.encoder, series)
        return {"": told(series), "nodes": nodes.flatten(1), "pooled": pooled}

    def regions(series: Float[Tensor, "N T"]) -> dict[str, Tensor]:
        return {"": from_vector(told(series[None])[0], 0.0), "nodes": _frames(objective.encoder, series[None])[1][0]}

    return Reader(vectors, regions, measured)


def _everything(reader: Reader, runs: Runs, model: GraphModel, config: ConnectivityRecipe) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    of_task, _ = whole_runs(runs, config)
    if config.fingerprint.volumes and model.kind not in ("tangent", "brainnetcnn"):
        drawn = [[reader.vectors(part) for part in pair] for pair in segments(runs, config)]
        mean, deviation = _statistics(reader, runs, config)
        for variant in drawn[0][0]:
            plain = torch.stack([torch.stack([part[variant] for part in pair]) for pair in drawn], dim=1)
            found[f"{SEGMENTS}/{variant}"] = plain
            found[f"{SEGMENTS}/{_joined(variant, 'standardised')}"] = (plain - mean[variant]) / deviation[variant]
    if config.networks and model.kind not in ("tangent", "brainnetcnn"):
        each = [reader.regions(series) for series in of_task.series]
        found |= {f"{REGIONS}/{variant}": torch.stack([one[variant] for one in each]) for variant in each[0]}
    if config.phenotypes:
        each = [reader.vectors(series[None]) for series in of_task.series]
        found |= {f"{RUNS}/{variant}": torch.cat([one[variant] for one in each]) for variant in each[0]}
    return found


def _statistics(reader: Reader, runs: Runs, config: ConnectivityRecipe) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Mean and deviation of every entry over half-overlapping segments of what pre-training saw that keep enough volumes."""
    each: dict[str, list[Tensor]] = {}
    for pieces in training_segments(runs, config)[0]:
        for variant, values in reader.vectors(pieces).items():
            each.setdefault(variant, []).append(values)
    together = {variant: torch.cat(values) for variant, values in each.items()}
    mean = {variant: values.mean(0) for variant, values in together.items()}
    return mean, {variant: values.std(0, correction=0).clamp(min=1e-6) for variant, values in together.items()}


def _joined(variant: str, more: str) -> str:
    return f"{variant}_{more}" if variant else more


def _network_numbers(runs: Runs) -> list[int] | None:
    """Number of each region's network, where the recordings say them."""
    said = runs.recordings[0].custom.get("networks")
    if not said:
        return None
    of_region = dict(zip(runs.recordings[0].channels, str(said).split("|"), strict=True))
    names = sorted(set(of_region.values()))
    return [names.index(of_region[region]) for region in runs.regions]
