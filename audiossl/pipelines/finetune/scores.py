"""Score fine-tuned models on the test side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audiossl.encoder_names import outside_place
from audiossl.errors import DataError
from audiossl.evaluation.error_rates import ErrorCounts, count_errors, error_difference, error_rows
from audiossl.evaluation.intervals import Interval
from audiossl.evaluation.results import ResultRow, write_results
from audiossl.evaluation.tag_scores import TagScores, leave_out_scores, tag_rows, tag_scores
from audiossl.files import read_json, write_json, write_jsonl
from audiossl.pipelines.finetune.batches import LabelledBatches
from audiossl.pipelines.finetune.config import FinetuneRecipe
from audiossl.pipelines.finetune.labels import Tags, Transcripts, field_of, open_labels
from audiossl.pipelines.finetune.tuned_model import load_tuned
from audiossl.recipe import console
from audiossl.signals.corpora.corpus import Corpus
from audiossl.training.devices import choose_device
from audiossl.world import World


@dataclass(frozen=True)
class ScoredItems:
    """Ids of the test items of a task, and the group of each."""

    task: str
    ids: Sequence[str]
    groups: Mapping[str, str]


def evaluate_models(out: Path, inputs: Mapping[str, Path], config: FinetuneRecipe, models: Mapping[str, Path]) -> None:
    """Write `results.json`, `details.json` with paired differences, and what each model answered in `MODEL.jsonl`."""
    corpus = Corpus.open(inputs["corpus"] / "corpus")
    labels = open_labels(inputs["labels"])
    test = corpus.subset(id_ for id_ in read_json(inputs["corpus"] / "splits.json")["test"] if id_ in labels.truth)
    answers = {name: predict(folder, test, labels, config) for name, folder in models.items()}
    for name, answer in answers.items():
        lines = [{"id": item.id, "reference": labels.truth[item.id], "answer": answer[item.id]} for item in test]
        write_jsonl(out / f"{name}.jsonl", lines)
    rows: list[ResultRow] = []
    details: dict[str, Any] = {}
    for items in _tasks(test, config):
        score = _score_texts if isinstance(labels, Transcripts) else _score_tags
        new, differences = score(items, labels, answers, config)  # pyright: ignore[reportArgumentType]
        rows += new
        details[items.task] = {metric: gap.ends for metric, gap in differences.items()}
    write_results(out / "results.json", rows)
    write_json(out / "details.json", {"differences": details, "tags": _by_tag(test, labels, answers, config)})
    for row in rows:
        console.print(f"{row.task} {row.model}: {row.metric} {row.value:.3f}")


def predict(folder: Path, corpus: Corpus, labels: Transcripts | Tags, config: FinetuneRecipe) -> dict[str, Any]:
    """A model's answer for every item: its text, or the log-odds of all tags.

    Raises:
        DataError: if a recording cannot be read.
    """
    outside = outside_place(config.encoder)  # then the recipe names the class
    objective, _ = load_tuned(folder, outside.where if outside else False)
    device = choose_device(config.training, World())
    objective.to(device)
    seconds = max(config.training.batch_seconds, *corpus.durations)
    batches = LabelledBatches(corpus, {item.id: labels.target(item.id) for item in corpus}, seconds, config.seed)
    found: dict[str, Any] = {}
    for batch in batches.whole():
        found |= dict(zip(batch.ids, objective.predict(batch.to(device)), strict=True))
    if batches.failed:
        raise DataError(f"{len(batches.failed)} test recordings cannot be read, such as {next(iter(batches.failed.values()))}")
    return {id_: labels.units.decode(units) for id_, units in found.items()} if isinstance(labels, Transcripts) else found


def _tasks(test: Corpus, config: FinetuneRecipe) -> list[ScoredItems]:
    """All test items, then those of each value of `evaluation.by` that holds two groups or more, as an interval needs."""
    groups = _values(test, config.split.by)
    tasks = [ScoredItems(config.task, list(groups), groups)]
    values = _values(test, config.evaluation.by) if config.evaluation.by else {}
    for value in sorted(set(values.values())):
        ids = [id_ for id_ in values if values[id_] == value]
        if len({groups[id_] for id_ in ids}) > 1:
            tasks.append(ScoredItems(f"{config.task}_{value}", ids, groups))
    return tasks


def _values(test: Corpus, name: str) -> dict[str, str]:
    """An attribute or custom field of every item."""
    values = {item.id: field_of(item, name) for item in test}
    if lacking := [id_ for id_, value in values.items() if value is None]:
        raise DataError(f"{len(lacking)} test items, such as '{lacking[0]}', have no '{name}' to be grouped by")
    return {id_: value for id_, value in values.items() if value is not None}


def _score_texts(
    items: ScoredItems, labels: Transcripts, answers: Mapping[str, Mapping[str, str]], config: FinetuneRecipe
) -> tuple[list[ResultRow], dict[str, Interval]]:
    references = {id_: labels.truth[id_] for id_ in items.ids}
    counts: dict[str, dict[str, ErrorCounts]] = {
        name: count_errors(references, {id_: answer[id_] for id_ in items.ids}, items.groups) for name, answer in answers.items()
    }
    rows = [row for name, found in counts.items() for row in error_rows(config.dataset, items.task, name, found)]
    if "random" not in counts:
        return rows, {}
    pairs = {metric: (counts["finetuned"][metric], counts["random"][metric]) for metric in counts["random"]}
    return rows, {metric: error_difference(*pair) for metric, pair in pairs.items()}


def _score_tags(
    items: ScoredItems, labels: Tags, answers: Mapping[str, Mapping[str, list[float]]], config: FinetuneRecipe
) -> tuple[list[ResultRow], dict[str, Interval]]:
    rows: list[ResultRow] = []
    left_out = {}
    for name, answer in answers.items():
        scored = _tag_scores(items.ids, items.groups, labels, answer)
        left_out[name] = leave_out_scores(scored, config.seed)
        rows += tag_rows(config.dataset, items.task, name, scored, left_out[name])
    if "random" not in answers:
        return rows, {}
    return rows, {metric: left_out["finetuned"].minus(left_out["random"], metric) for metric in left_out["finetuned"].whole}


def _by_tag(test: Corpus, labels: Transcripts | Tags, answers: Mapping[str, Any], config: FinetuneRecipe) -> dict[str, Any]:
    """Average precision of each tag; None where it cannot be had."""
    if isinstance(labels, Transcripts):
        return {}
    ids, found = [item.id for item in test], {}
    for name, answer in answers.items():
        values = tag_scores(_tag_scores(ids, dict.fromkeys(ids, ""), labels, answer))["map"].tolist()
        found[name] = {tag: None if value != value else value for tag, value in zip(labels.classes, values, strict=True)}
    return found


def _tag_scores(ids: Sequence[str], groups: Mapping[str, str], labels: Tags, answer: Mapping[str, list[float]]) -> TagScores:
    tags = np.array([labels.target(id_).int().tolist() for id_ in ids])
    return TagScores(np.array([answer[id_] for id_ in ids]), tags, [groups[id_] for id_ in ids])
