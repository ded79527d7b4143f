"""From windows to features: pre-train an objective on all but test subjects, and represent every labelled window with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import save_file
from torch import Tensor, nn

from audiossl.errors import ConfigError, import_extra
from audiossl.features.window_statistics import window_statistics
from audiossl.files import whole_file, write_json
from audiossl.models.resnet1d import ResNet1d
from audiossl.objectives.contrastive_family import make_contrastive, read_options
from audiossl.objectives.frame_projection import TIME, FrameProjection, FrameProjectionConfig, fit_mappers
from audiossl.objectives.pooling import mean_frame
from audiossl.objectives.window_labels import LabelledWindowBatch, WindowLabels
from audiossl.pipelines.sensors.batches import WindowBatches, say_once, windows_of
from audiossl.pipelines.sensors.checks import check_labels
from audiossl.pipelines.sensors.config import NOT_RANDOM, UNTRAINED, SensorModel, SensorsRecipe
from audiossl.pipelines.sensors.data import SensorFold, SensorFolds
from audiossl.pipelines.sensors.encoders import check_channels, check_encoder, describe, embed_windows, encoder_options, seen_by
from audiossl.seeds import derive_seed
from audiossl.signals.sensors.label_counts import LabelCounts
from audiossl.signals.sensors.windows import WindowSet
from audiossl.training.fit import fit
from audiossl.world import World

FEATURES, ANSWERS = "features.safetensors", "answers.safetensors"
LABELS = "labels.json"  # what became of the labels
BLOCK = 512  # windows encoded at once
Vectors = dict[str, Float[Tensor, "N _"]]


def represent(out: Path, recordings: Path, model: SensorModel, config: SensorsRecipe) -> None:
    """Write, for every seed and fold, features of the labelled windows, or answers of a model that was trained on labels.

    A model without anything random is run for the first seed only. Finished folders of an interrupted run are kept.
    """
    seeds = config.seeds[:1] if model.kind in NOT_RANDOM else config.seeds
    folds = SensorFolds(recordings, config)
    check_channels(config, folds.recordings[0])
    if World.join().is_first:
        _tell_labels(out, folds.labels, config)
    check_labels(folds)
    if model.kind == "encoder":
        check_encoder(out, model, config, folds)
    for number in range(len(folds)):
        _represent_fold(out, folds.open(number), model, config, seeds)


def _tell_labels(out: Path, labels: LabelCounts, config: SensorsRecipe) -> None:
    """Write `labels.json`, and say once in a run which labels are lost."""
    write_json(out / LABELS, asdict(labels))
    if said := str(labels):
        is_most = labels.lost > labels.labels / 2 and config.windows.by == "time"
        say_once(said + ("; windows.by=annotation cuts a window from the start of each" if is_most else ""))


def _represent_fold(out: Path, fold: SensorFold, model: SensorModel, config: SensorsRecipe, seeds: list[int]) -> None:
    for seed in seeds:
        folder = out / folder_name(seed, fold.number)
        if (folder / "done.json").is_file():
            continue
        torch.manual_seed(derive_seed(seed, "encoder"))
        features, answers = _run(folder, fold, model, config, seed)
        if World.join().is_first:
            folder.mkdir(parents=True, exist_ok=True)
            for values, name in ((features, FEATURES), (answers, ANSWERS)):
                if values:
                    with whole_file(folder / name) as partial:
                        save_file({key: value.contiguous() for key, value in values.items()}, partial)
            write_json(folder / "done.json", {"seed": seed, "fold": fold.number, "trained_on": list(fold.sides.known)})


def folder_name(seed: int, fold: int) -> str:
    """Folder of one training below a model's stage."""
    return f"seed{seed}-fold{fold}"


def _run(
    folder: Path, fold: SensorFold, model: SensorModel, config: SensorsRecipe, seed: int
) -> tuple[Vectors, dict[str, Tensor]]:
    """Features by variant (empty name: the model itself) and answers by variant and fraction."""
    windows = fold.windows
    rows = fold.task.rows
    if model.kind == "statistics":
        return {"": _in_blocks(windows, rows, window_statistics)}, {}
    if model.kind == "minirocket":
        return {"": _minirocket(fold, rows, seed)}, {}
    if model.kind == "encoder":
        return {"": embed_windows(fold, rows, model)}, {}
    sizes = replace(config.encoder, dim=model.dim or config.encoder.dim)
    encoder = ResNet1d(windows.values.shape[1], windows.rate, sizes)
    if model.kind == "random":
        return {"": _in_blocks(windows, rows, _pooled(encoder))}, {}
    if model.kind == "supervised":
        own = replace(config, task=replace(config.task, finetune_lr=model.lr or config.task.finetune_lr))
        return {}, _trained_on_labels(folder, fold, encoder, replace(own, batches=model.batches or config.batches), seed, "")
    objective = make_objective(model, encoder)
    train = windows.of(fold.sides.known)
    if not model.untrained:
        batches = WindowBatches(windows, train, model.batches or config.batches, seed)
        training = replace(config.training, seed=seed, lr=model.lr or config.training.lr)
        fit(objective, batches, training, folder / "pretrain")
    objective.eval().cpu()  # windows are there
    if World.join().is_first:
        seen = None if model.untrained else seen_by(fold, config, seed)
        describe(fold, objective.encoder, config).save(folder / "encoder", seen)
    features = _features(objective, windows, rows, train, model, seed)
    answers = _trained_on_labels(folder, fold, objective.encoder, config, seed, "finetuned") if model.finetune else {}
    return features, answers


def check_objective(name: str, model: SensorModel, config: SensorsRecipe) -> None:
    """Make the objective of a row once, in vain: mistakes in options are better found before anything is trained.

    Raises:
        ConfigError: naming the row.
    """
    try:
        if model.kind == "encoder":
            encoder_options(model)
        if model.kind in UNTRAINED | {"supervised"}:
            return
        with torch.random.fork_rng(devices=[]):
            make_objective(model, ResNet1d(1, 50.0, replace(config.encoder, dim=model.dim or config.encoder.dim)))
    except ConfigError as error:
        raise ConfigError(f"models.{name}: {error}") from error


def make_objective(model: SensorModel, encoder: ResNet1d) -> Any:
    """Make the objective of a model around an encoder."""
    if model.kind == "frame_projection":
        options = read_options(model.kind, FrameProjectionConfig, {"dim": encoder.dim, **model.options})
        return FrameProjection(encoder, encoder.stem.in_channels, options)
    return make_contrastive(model.kind, encoder, model.options)


def _features(objective: Any, windows: WindowSet, rows: list[int], train: list[int], model: SensorModel, seed: int) -> Vectors:
    if not isinstance(objective, FrameProjection):
        return {"": _in_blocks(windows, rows, _pooled(objective.encoder))}
    views = _views(objective, windows, rows)
    known = _views(objective, windows, train)
    found: Vectors = {}
    for index, kind in enumerate(model.mappers):
        name = kind if index else ""
        if kind == "none":
            found[name] = views[TIME]
        elif kind == "real":
            found[name] = torch.cat(list(views.values()), dim=1)
        else:
            mappers = fit_mappers(known, kind, seed)
            with torch.no_grad():
                found[name] = torch.cat([views[TIME], *(mapper(views[TIME]) for mapper in mappers.values())], dim=1)
    return found


def _views(objective: FrameProjection, windows: WindowSet, rows: list[int]) -> dict[str, Float[Tensor, "N D"]]:
    names = [TIME, *objective.view_encoders]
    together = _in_blocks(windows, rows, lambda *batch: torch.stack(list(objective.represent_views(*batch).values()), dim=1))
    return dict(zip(names, together.unbind(1), strict=True))


def _pooled(encoder: Any) -> Callable[[Tensor, Tensor], Tensor]:
    encoder.eval()
    return lambda signal, lengths: mean_frame(encoder(signal, lengths))


@torch.no_grad()
def _in_blocks(windows: WindowSet, rows: list[int], function: Callable[[Tensor, Tensor], Tensor]) -> Float[Tensor, "N *D"]:
    """Apply a function of signals and lengths to windows, on the CPU."""
    blocks = torch.tensor(rows).split(BLOCK)
    return torch.cat([function(windows.values[block], windows.lengths[block]).float() for block in blocks])


def _minirocket(fold: SensorFold, rows: list[int], seed: int) -> Float[Tensor, "N D"]:
    """MiniRocket features (arXiv 2012.08791) of aeon, their biases fitted to windows of all but test subjects."""
    rocket = import_extra("aeon.transformations.collection.convolution_based", "sensors").MiniRocket(random_state=seed)
    windows = fold.windows
    rocket.fit(windows.values[windows.of(fold.sides.known)].numpy())
    return torch.from_numpy(np.array(rocket.transform(windows.values[rows].numpy()), dtype=np.float32))


def _trained_on_labels(
    folder: Path, fold: SensorFold, encoder: nn.Module, config: SensorsRecipe, seed: int, variant: str
) -> dict[str, Tensor]:
    """Train a copy of the encoder on each share of the labels, and answer the test windows.

    The number of steps is fixed, so labels of validation subjects are trained on, too.
    """
    start = {name: value.clone() for name, value in encoder.state_dict().items()}
    task, windows = fold.task, fold.windows
    answers = {}
    for fraction in config.task.fractions:
        encoder.load_state_dict(start)
        places = torch.cat(task.labelled(fraction, seed))
        known = task.y[places].float()
        mean, deviation = float(known.mean()), float(known.std(correction=0)) or 1.0
        torch.manual_seed(derive_seed(seed, "head"))
        objective = WindowLabels(cast(Any, encoder), len(task.classes), mean, deviation)
        batches = _LabelledBatches(fold, places, config, seed)
        training = replace(
            config.training, seed=seed, lr=config.task.finetune_lr, max_steps=config.task.finetune_steps, warmup_steps=20
        )
        fit(objective, batches, training, folder / f"{variant or 'supervised'}-{fraction:g}")
        objective.eval().cpu()
        test = [task.rows[place] for place in task.sides["test"].tolist()]
        blocks = torch.tensor(test).split(BLOCK)
        answers[f"{variant}@{fraction:g}"] = torch.cat([objective.answer(windows_of(windows, block)) for block in blocks])
    return answers


class _LabelledBatches:
    """Batches of labelled windows, drawn without end; where there are few, all of them each time."""

    def __init__(self, fold: SensorFold, places: Int[Tensor, "N"], config: SensorsRecipe, seed: int) -> None:
        self.fold, self.places, self.seed = fold, places, seed
        self.size = min(config.batches.size, len(places))
        self.world = World.join()

    def __call__(self, epoch: int, first_step: int = 0, batches_per_step: int = 1) -> Iterator[LabelledWindowBatch]:
        task, generator = self.fold.task, torch.Generator().manual_seed(derive_seed(self.seed, "labelled", epoch))
        order = self.places[torch.randperm(len(self.places), generator=generator)]
        batches = [batch for batch in order.split(self.size) if len(batch) == self.size]
        batches = batches * batches_per_step if len(batches) < batches_per_step else batches
        for step in range(first_step, len(batches) // batches_per_step):
            group = batches[step * batches_per_step : (step + 1) * batches_per_step]
            for batch in group[self.world.rank :: self.world.size]:
                rows = torch.tensor([task.rows[place] for place in batch.tolist()])
                yield LabelledWindowBatch(windows_of(self.fold.windows, rows, epoch, self.seed), task.y[batch])
