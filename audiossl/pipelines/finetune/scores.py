"""Score fine-tuned models on the test side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audiossl.encoder_names import outside_place
from audiossl.errors import DataError
from audiossl.evaluation.results import ResultRow, write_results
from audiossl.files import write_json, write_jsonl
from audiossl.pipelines.finetune.batches import LabelledBatches
from audiossl.pipelines.finetune.config import FinetuneEvaluation
from audiossl.pipelines.finetune.task import Answers, FinetuneTask, ScoredItems
from audiossl.pipelines.finetune.tasks import find_finetune_task
from audiossl.pipelines.finetune.tuned_model import load_tuned
from audiossl.pipelines.sides import field_of, open_split
from audiossl.recipe import console
from audiossl.signals.corpora.corpus import Corpus
from audiossl.stage import FREE, StageConfig, hashed_by
from audiossl.training.config import TrainingConfig
from audiossl.training.devices import choose_device

STAGE_OF = {"finetuned": "train", "random": "train_random"}


@dataclass(frozen=True)
class EvaluateStage(StageConfig):
    """What decides the scores.

    Attributes:
        dataset, evaluation, seed: as in the recipe.
        by: field of the items that intervals leave out in turn.
        task: kind of labels.
        models: names of the models, whose stages are inputs.
        training: where and in which batches models are run, which changes no answer.
        encoder: what the models began with; where that is a class from outside, the folder of a model may name it.
    """

    dataset: str
    evaluation: FinetuneEvaluation
    by: str = field(metadata={"name": "split.by"})
    seed: int
    task: str = field(metadata=hashed_by("labels"))
    models: Sequence[str] = field(metadata=FREE)
    training: TrainingConfig = field(metadata=FREE)
    encoder: str = field(metadata=hashed_by("train"))


def evaluate_models(out: Path, inputs: Mapping[str, Path], config: EvaluateStage) -> None:
    """Write `results.json`, `details.json` with paired differences, and what each model answered in `MODEL.jsonl`."""
    task = find_finetune_task(config.task).open(inputs["labels"])
    test = open_split(inputs["corpus"], "test")
    test = test.subset(item.id for item in test if item.id in task.truth)
    answers = {name: predict(inputs[STAGE_OF[name]] / "model", test, task, config) for name in config.models}
    for name, answer in answers.items():
        lines = [{"id": item.id, "reference": task.truth[item.id], "answer": answer[item.id]} for item in test]
        write_jsonl(out / f"{name}.jsonl", lines)
    rows: list[ResultRow] = []
    differences: dict[str, object] = {}
    for items in _scored_together(test, config):
        new, gaps = task.score(items, answers)
        rows += new
        differences[items.task] = {metric: gap.ends for metric, gap in gaps.items()}
    write_results(out / "results.json", rows)
    write_json(out / "details.json", {"differences": differences, "tags": task.details([item.id for item in test], answers)})
    for row in rows:
        console.print(f"{row.task} {row.model}: {row.metric} {row.value:.3f}", markup=False)


def predict(folder: Path, corpus: Corpus, task: FinetuneTask, config: EvaluateStage) -> Answers:
    """A model's answer for every item, as the task understands it.

    Raises:
        DataError: if a recording cannot be read.
    """
    outside = outside_place(config.encoder)  # then the recipe names the class
    objective, _ = load_tuned(folder, outside.where if outside else False, task=config.task)
    device = choose_device(config.training)
    objective.to(device)
    seconds = max(config.training.batch_seconds, *corpus.durations)
    batches = LabelledBatches(corpus, {item.id: task.target(item.id) for item in corpus}, seconds, config.seed)
    found: dict[str, object] = {}
    for batch in batches.whole():
        found |= dict(zip(batch.ids, map(task.answer, objective.predict(batch.to(device))), strict=True))
    if batches.failed:
        raise DataError(f"{len(batches.failed)} test recordings cannot be read, such as {next(iter(batches.failed.values()))}")
    return found


def _scored_together(test: Corpus, config: EvaluateStage) -> list[ScoredItems]:
    """All test items, then those of each value of `evaluation.by` that holds two groups or more, as an interval needs."""
    groups, name = _values(test, config.by), config.task.rpartition(":")[2]
    tasks = [ScoredItems(config.dataset, name, list(groups), groups, config.seed)]
    values = _values(test, config.evaluation.by) if config.evaluation.by else {}
    for value in sorted(set(values.values())):
        ids = [id_ for id_ in values if values[id_] == value]
        if len({groups[id_] for id_ in ids}) > 1:
            tasks.append(ScoredItems(config.dataset, f"{name}_{value}", ids, groups, config.seed))
    return tasks


def _values(test: Corpus, name: str) -> dict[str, str]:
    """An attribute or custom field of every item."""
    values = {item.id: field_of(item, name) for item in test}
    if lacking := [id_ for id_, value in values.items() if value is None]:
        raise DataError(f"{len(lacking)} test items, such as '{lacking[0]}', have no '{name}' to be grouped by")
    return {id_: value for id_, value in values.items() if value is not None}
