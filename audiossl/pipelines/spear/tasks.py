"""Score models on the tasks of a recipe; choices (layer, regularisation) are made on the validation side only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiossl.embedding.store import EmbeddingStore
from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.clip_task import CLIP_READOUT, ClipTask
from audiossl.evaluation.folded_clip_task import FoldedClipTask
from audiossl.evaluation.frame_task import FrameTask, Segment
from audiossl.evaluation.layer_weights import learn_layer_weights
from audiossl.evaluation.readout import Outcome, Readout, difference
from audiossl.evaluation.results import ResultRow, write_results
from audiossl.evaluation.segment_task import SegmentTask
from audiossl.evaluation.splits import SPLITS, Split, Splits
from audiossl.files import read_json, read_jsonl, write_json
from audiossl.pipelines.spear.config import SpearRecipe, TaskConfig
from audiossl.pipelines.spear.embedding import teacher_models
from audiossl.recipe import console
from audiossl.seeds import derive_generator
from audiossl.signals.corpora.corpus import Corpus

Task = FrameTask | ClipTask | FoldedClipTask


def evaluate_models(out: Path, inputs: Mapping[str, Path], config: SpearRecipe) -> None:
    """Write `results.json`, and `details.json` with the chosen layers, learned layer weights and paired differences."""
    corpus = Corpus.open(inputs["corpus"] / "corpus")
    groups = groups_of(corpus, config)
    sides: dict[Split, list[str]] = read_json(inputs["corpus"] / "splits.json")
    readout = Readout(seed=config.seed)
    rows: list[ResultRow] = []
    details: dict[str, Any] = {}
    for wanted in config.evaluation.tasks:
        labels = read_labels(inputs["labels"] / f"{wanted.name}.jsonl", wanted)
        given = inputs["labels"] / f"{wanted.name}.splits.json"
        task = make_task(wanted, labels, read_json(given) if given.is_file() else sides, groups, config)
        outcomes: dict[str, Outcome] = {}
        details[wanted.name] = {"models": {}, "differences": {}}
        models = ["student", *teacher_models(config), "logmel", "random"]
        for model in models:
            store = EmbeddingStore.open(inputs["embed"] / ("pooled" if wanted.kind == "clips" else "frames") / model)
            outcomes[model], details[wanted.name]["models"][model] = _score(task, model, store, config, readout)
            rows += outcomes[model].rows
        for other in models[1:]:
            interval = difference(outcomes["student"], outcomes[other])
            details[wanted.name]["differences"][other] = interval.ends
    write_results(out / "results.json", rows)
    write_json(out / "details.json", details)


def groups_of(corpus: Corpus, config: SpearRecipe) -> dict[str, str]:
    """What the intervals resample, by item: the attribute or custom field that `split.by` names.

    Raises:
        ConfigError: if an item lacks it.
    """
    found: dict[str, str] = {}
    for item in corpus.items:
        value = getattr(item, config.split.by, None) or item.custom.get(config.split.by)
        if value is None:
            fields = ", ".join(["speaker", "recording", *item.custom])
            raise ConfigError(f"split.by={config.split.by}: '{item.id}' has no such field; items have {fields}")
        found[item.id] = str(value)
    return found


def read_labels(path: Path, task: TaskConfig) -> dict[str, Any]:
    """Read the label rows of a task by recording id.

    Raises:
        DataError: if a row lacks what tasks of its kind read.
    """
    key, example = "segments", '{"id": "a", "segments": [["AH", 0.0, 0.12]]}'
    if task.kind == "clips":
        key, example = "label", '{"id": "a", "label": "en"}'
    try:
        rows = read_jsonl(path)
    except ValueError as error:
        raise DataError(f"{path} holds no JSON lines such as {example}: {error}") from error
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or not {"id", key} <= row.keys() or not isinstance(row["id"], str):
            raise DataError(
                f"{path}: row {number} of the task '{task.name}' of kind {task.kind}: expected rows such as {example}, "
                f"got {str(row)[:80]}. Correct prepare_labels, or evaluation.tasks of the recipe."
            )
    return {row["id"]: row for row in rows}


def make_task(
    wanted: TaskConfig,
    labels: Mapping[str, Any],
    sides: Mapping[Split, list[str]],
    groups: Mapping[str, str],
    config: SpearRecipe,
) -> Task:
    """Build the task of a recipe from its label rows."""
    classes = {id_: str(row["label"]) for id_, row in labels.items()} if wanted.kind == "clips" else {}
    if wanted.folds:
        return FoldedClipTask(config.dataset, wanted.name, classes, groups)
    splits = Splits({side: [id_ for id_ in sides[side] if id_ in labels] for side in SPLITS}, groups)
    if wanted.kind == "clips":
        return ClipTask(config.dataset, wanted.name, classes, splits)
    segments = {id_: [Segment(str(label), *times) for label, *times in row["segments"]] for id_, row in labels.items()}
    if wanted.kind == "segments":
        return SegmentTask(config.dataset, wanted.name, segments, splits)
    return FrameTask(config.dataset, wanted.name, segments, splits, config.evaluation.rate)


def _score(
    task: Task, model: str, store: EmbeddingStore, config: SpearRecipe, readout: Readout
) -> tuple[Outcome, dict[str, Any]]:
    """Score the layer of a model that does best on the validation side; the test side has no say in the choice."""
    numbers = store.description.layers  # the teacher is stored at one layer, whose number is not its place
    if isinstance(task, FoldedClipTask):
        layers = [_vectors_of(store, layer) for layer in range(store.description.num_layers)]
        folded = task.run(model, layers)
        console.print(f"{task.task} {model}: accuracy {folded.rows[0].value:.3f}")
        return folded, {"layer": None, "number": "by fold", "valid_by_layer": [], "chosen": folded.chosen, "context": 0}
    context = config.evaluation.context if model == "logmel" and isinstance(task, FrameTask) else 0
    num_layers = store.description.num_layers

    def run(layer: int, with_: Readout) -> Outcome:
        if isinstance(task, FrameTask):
            return task.run(model, _frames_of(store, layer), context, with_)
        vectors = task.vectors_of(_frames_of(store, layer)) if isinstance(task, SegmentTask) else _vectors_of(store, layer)
        return task.run(model, vectors, with_)

    by_layer: list[float] = []
    if num_layers > 1:
        # One strength for all layers here; the chosen layer then gets the whole grid.
        grid = (readout if isinstance(task, FrameTask) else CLIP_READOUT).l2_grid
        quick = replace(readout, knn=False, l2_grid=grid[len(grid) // 2 :][:1])
        for layer in range(num_layers):
            by_layer.append(run(layer, quick).valid_accuracy["accuracy"])
            console.print(f"{task.task} {model} layer {layer}: validation accuracy {by_layer[-1]:.3f}")
    layer = max(range(num_layers), key=by_layer.__getitem__) if by_layer else 0
    whole_grid = readout if isinstance(task, FrameTask) else replace(CLIP_READOUT, seed=readout.seed)
    outcome = run(layer, whole_grid)
    console.print(f"{task.task} {model}: accuracy {outcome.rows[0].value:.3f}")
    number = layer if numbers == "last" else numbers[layer]
    detail: dict[str, Any] = {
        "layer": layer,
        "number": number,
        "valid_by_layer": by_layer,
        "chosen": outcome.chosen,
        "context": context,
    }
    if num_layers > 1 and isinstance(task, FrameTask):
        detail["layer_weights"] = _layer_weights(task, store, config.seed)
    return outcome, detail


def _frames_of(store: EmbeddingStore, layer: int) -> Callable[[str], tuple[Tensor, Tensor]]:
    return lambda id_: (torch.from_numpy(store[id_][layer].astype("float32")), torch.from_numpy(store.times(id_)))


def _vectors_of(store: EmbeddingStore, layer: int) -> Callable[[str], Tensor]:
    vectors = dict(zip(store.ids, torch.from_numpy(store.pooled()[:, layer].copy()), strict=True))
    return vectors.__getitem__


def _layer_weights(task: FrameTask, store: EmbeddingStore, seed: int) -> list[float]:
    def stacked(side: Split) -> tuple[Tensor, Tensor]:
        examples = [task.examples(side, _frames_of(store, layer)) for layer in range(store.description.num_layers)]
        return torch.stack([example.x.half() for example in examples]), examples[0].y

    generator = derive_generator(seed, task.task, "layer weights")
    learned = learn_layer_weights(*stacked("train"), *stacked("valid"), len(task.labels), generator, epochs=3)
    return learned.weights.tolist()
