"""The page of a SPEAR run: what came out, how training went, what the tokens and the representation look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from audiossl.embedding.store import EmbeddingStore
from audiossl.evaluation.frame_task import ordered, sample_at, segment_at
from audiossl.evaluation.label_rows import Segment
from audiossl.evaluation.layer_choice import frames_of_layer
from audiossl.evaluation.results import ResultRow, read_results
from audiossl.features.logmel import LogMel
from audiossl.files import read_json, read_jsonl
from audiossl.pipelines.sides import open_split, read_sides
from audiossl.pipelines.spear.config import SpearRecipe, TaskConfig
from audiossl.pipelines.spear.details import TaskDetails, read_details
from audiossl.pipelines.spear.embedding import teacher_models
from audiossl.pipelines.spear.labels import frame_labels, read_task_sides
from audiossl.recipe import plain
from audiossl.report.clip_picture import plot_spectrogram_tokens
from audiossl.report.content import Highlight, KeyValues, Part, Picture, ReportContent, Section, Table, Text, TokenClip
from audiossl.report.map_picture import plot_embedding_map
from audiossl.report.maps import map_embeddings
from audiossl.report.page import write_report
from audiossl.report.pictures import plot_curves, plot_layer_weights
from audiossl.report.results import gap_cells, interval_in_words, plot_results, results_tables, shown
from audiossl.report.token_quality import quality_section
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.corpus_faults import complaints
from audiossl.stage import StageConfig
from audiossl.teachers.teacher import load_teacher
from audiossl.tokens.factory import load_quantiser
from audiossl.version import __version__

MAP_POINTS = 2000
CLIP_SECONDS = (2.0, 4.5)  # of the recording that is shown


@dataclass(frozen=True)
class ReportStage(StageConfig):
    """What decides the page: the whole recipe, which it shows."""

    recipe: SpearRecipe


def report_run(out: Path, inputs: Mapping[str, Path], stage: ReportStage) -> None:
    """Write `report.html`."""
    config = stage.recipe
    rows = read_results(inputs["evaluate"] / "results.json")
    details = read_details(inputs["evaluate"])
    streams = zip(config.token_streams, teacher_models(config.token_streams), strict=True)
    names = {
        "student": "student",
        **{model: f"teacher ({_quality(inputs, name)['teacher']})" for name, model in streams},
        "logmel": f"log-mel, ±{config.evaluation.context} frames",
        "random": "student, random weights",
    }
    sections: list[Section | Part] = [
        _results(rows, details, names),
        _training(inputs["pretrain"]),
        *_tokens(inputs, config),
        _representation(inputs, config, details),
        _facts(inputs, config),
    ]
    summary = read_json(inputs["corpus"] / "corpus" / "corpus.json")
    lead = (
        f"A student learned to predict the tokens of {_teachers(config)} from masked log-mel features of the training side of "
        f"{summary['hours']:.2f} h of {config.dataset}, without labels. Linear probes then read its frozen frames on held-out "
        f"{config.split.by}s."
    )
    content = ReportContent(
        f"{config.dataset}: masked token prediction",
        lead,
        sections,
        _highlights(rows, names),
        eyebrow="audiossl run",
        footer=f"audiossl {__version__}, seed {config.seed}",
    )
    write_report(content, out / "report.html")


def _highlights(rows: list[ResultRow], names: Mapping[str, str]) -> list[Highlight]:
    first = rows[0]
    return [
        Highlight(
            names[row.model],
            f"{shown(row.metric, row.value)} %",
            f"{row.task}, {interval_in_words(row.metric, row.low, row.high, row.groups)}",
        )
        for row in rows
        if (row.task, row.metric) == (first.task, first.metric)
    ]


def _results(rows: list[ResultRow], details: Mapping[str, TaskDetails], names: Mapping[str, str]) -> Section:
    differences = [
        [f"student - {names[other]}", task, *gap_cells("accuracy", gap)]
        for task, detail in details.items()
        for other, gap in detail.differences.items()
    ]
    chosen = [
        [
            names[model],
            task,
            detail.number,
            ", ".join(shown("accuracy", value) for value in detail.valid_by_layer) or "one layer",
        ]
        for task, found in details.items()
        for model, detail in found.models.items()
    ]
    return Section(
        "Results",
        [
            *results_tables(rows, names),
            Picture(
                "Accuracies with their intervals", plot_results(rows, names), alt="Accuracy of each model with its interval."
            ),
            Table(
                "Paired differences in accuracy, points", ["Pair", "Task", "Difference", "95 % interval", "Groups"], differences
            ),
            Table("Layers, chosen on validation", ["Model", "Task", "Layer", "Validation accuracy by layer, %"], chosen),
        ],
        "The layer and the strength of regularisation are chosen on validation items; intervals are over groups of test items.",
    )


def _training(pretrain: Path) -> Section:
    metrics = read_jsonl(pretrain / "metrics.jsonl")
    keys = sorted({key for row in metrics for key in row})
    titles = {"loss": "Loss, nats per code"}
    titles |= {key: "Accuracy on masked frames, %" for key in keys if key.endswith("_accuracy_masked")}
    titles |= {key: "Accuracy on other frames, %" for key in keys if key.endswith("_accuracy_unmasked")}
    percent = tuple(key for key in titles if "accuracy" in key)
    titles |= {key: title for key, title in (("rankme", "RankMe of the frames"), ("lr", "Learning rate")) if key in keys}
    figure = plot_curves(metrics, titles, percent)
    return Section("Training", [Picture("Loss, accuracy and health", figure, alt="Training and validation curves over steps.")])


def _teachers(config: SpearRecipe) -> str:
    return "a frozen teacher" if len(config.token_streams) == 1 else f"{len(config.token_streams)} frozen teachers"


def _quality(inputs: Mapping[str, Path], stream: str) -> dict[str, Any]:
    return read_json(inputs["token_quality"] / stream / "quality.json")


def _tokens(inputs: Mapping[str, Path], config: SpearRecipe) -> list[Section]:
    """A section for each stream; the first also shows a clip above its tokens."""
    sections = []
    for name in config.token_streams:
        section = quality_section(_quality(inputs, name))
        if not sections:
            section = replace(section, parts=[*section.parts, _clip(inputs, config)])
        sections.append(replace(section, title=f"{section.title}: {name}") if config.streams else section)
    return sections


def _clip(inputs: Mapping[str, Path], config: SpearRecipe) -> TokenClip:
    """One held-out recording: spectrogram above its tokens, with its sound."""
    corpus = Corpus.open(inputs["corpus"] / "corpus")
    labelled = frame_labels(inputs["labels"], config.evaluation.tasks)
    phones = labelled[1] if labelled else {}
    held_out = open_split(inputs["corpus"], "test").items
    wanted = [item for item in held_out if item.id in phones] or held_out
    item = min(wanted, key=lambda item: (not CLIP_SECONDS[0] <= item.duration <= CLIP_SECONDS[1], item.id))
    signal = corpus.read(item)
    name, stream = next(iter(config.token_streams.items()))
    teacher = load_teacher(stream.teacher)
    quantiser = load_quantiser(inputs["quantiser"] / name / "quantiser", trust_code=stream.quantiser.kind)
    codes = quantiser.encode(teacher.frames([signal], corpus.sample_rate)[0])
    logmel, _ = LogMel(80)(signal[None], torch.tensor([len(signal)]))
    spans = [(segment.label, segment.start, segment.end) for segment in phones.get(item.id, [])]
    figure = plot_spectrogram_tokens(logmel[0].numpy(), LogMel.frame_rate, codes.numpy(), teacher.frame_rate, spans or None)
    return TokenClip(
        "A held-out clip above its tokens", figure, signal.numpy(), corpus.sample_rate, f"“{item.text or item.id}” ({item.id})",
        "Spectrogram of the clip with its tokens below.",
    )  # fmt: skip


def _representation(inputs: Mapping[str, Path], config: SpearRecipe, details: Mapping[str, TaskDetails]) -> Section:
    parts: list[Part] = []
    weights = {
        f"{model}, {task}": np.asarray(detail.layer_weights)
        for task, found in details.items()
        for model, detail in found.models.items()
        if detail.layer_weights is not None
    }
    if weights:
        parts.append(Picture("Learned layer weights", plot_layer_weights(weights), alt="Weight of each layer in a learned sum."))
    if labelled := frame_labels(inputs["labels"], config.evaluation.tasks):
        task = labelled[0].name
        layer = details[task].models["student"].layer or 0
        frames, labels = _labelled_frames(inputs, *labelled, layer)
        placed = map_embeddings(frames, limit=MAP_POINTS, seed=config.seed)
        figure = plot_embedding_map(placed.points, [labels[index] for index in placed.chosen])
        parts.append(Picture("Student frames of held-out clips", figure, f"t-SNE, coloured by {task}.", "A 2-D map of frames."))
    return Section("Representation", parts)


def _labelled_frames(
    inputs: Mapping[str, Path], task: TaskConfig, segments: Mapping[str, Sequence[Segment]], layer: int
) -> tuple[np.ndarray, list[str]]:
    """Student frames at the centres of the labelled segments of test items."""
    store = EmbeddingStore.open(inputs["embed"] / "frames" / "student")
    frames, labels = [], []
    for id_ in (read_task_sides(inputs["labels"], task) or read_sides(inputs["corpus"]))["test"]:
        own = ordered(segments.get(id_, ()), id_)
        centres = torch.tensor([(segment.start + segment.end) / 2 for segment in own], dtype=torch.float64)
        if len(centres):
            frames.append(sample_at(*frames_of_layer(store, layer)(id_), centres))
            labels += [own[index].label for index in segment_at(own, centres)]
    return torch.cat(frames).numpy(), labels


def _facts(inputs: Mapping[str, Path], config: SpearRecipe) -> Section:
    minutes = [(name, f"{read_json(folder / 'stage.json')['seconds'] / 60:.1f} min") for name, folder in inputs.items()]
    corpus = read_json(inputs["corpus"] / "corpus" / "corpus.json")
    rejected = [[row["id"], row["reason"]] for row in read_jsonl(inputs["corpus"] / "corpus" / "rejected.jsonl")]
    data = [("items", corpus["num_items"]), ("hours", f"{corpus['hours']:.2f}"), ("rejected", corpus["num_rejected"])]
    data += [("of the items", line) for line in complaints(corpus)]
    result = read_json(inputs["pretrain"] / "result.json")
    data += [("optimiser steps", result["steps"]), ("hours of audio seen in training", f"{result['seconds'] / 3600:.1f}")]
    return Section(
        "Facts",
        [
            KeyValues("Data and training", data),
            KeyValues("Time", minutes),
            Table("Rejected recordings", ["Item", "Reason"], rejected or [["none", ""]]),
            Text("Configuration", yaml.safe_dump(plain(config), sort_keys=False, allow_unicode=True), preformatted=True),
        ],
    )
