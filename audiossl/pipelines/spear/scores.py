"""Score models on the tasks of a recipe; choices (layer, regularisation) are made on the validation side only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from audiossl.embedding.store import EmbeddingStore
from audiossl.evaluation.readout import Outcome, difference
from audiossl.evaluation.results import ResultRow, write_results
from audiossl.evaluation.task import TaskDetail, TaskSetting
from audiossl.pipelines.sides import SplitConfig, read_sides
from audiossl.pipelines.spear.config import EvaluationConfig
from audiossl.pipelines.spear.details import TaskDetails, write_details
from audiossl.pipelines.spear.labels import groups_of, label_file, read_labels, read_task_sides
from audiossl.signals.corpora.corpus import Corpus
from audiossl.stage import StageConfig, hashed_by


@dataclass(frozen=True)
class EvaluateStage(StageConfig):
    """What decides the scores; `teachers` are their names in results."""

    dataset: str
    evaluation: EvaluationConfig
    split: SplitConfig
    seed: int
    teachers: Sequence[str] = field(metadata=hashed_by("quantiser"))


def evaluate_models(out: Path, inputs: Mapping[str, Path], config: EvaluateStage) -> None:
    """Write `results.json`, and `details.json` with the chosen layers, learned layer weights and paired differences."""
    groups = groups_of(Corpus.open(inputs["corpus"] / "corpus"), config.split.by)
    sides = read_sides(inputs["corpus"])
    rows: list[ResultRow] = []
    details: dict[str, TaskDetails] = {}
    models = ["student", *config.teachers, "logmel", "random"]
    for wanted in config.evaluation.tasks:
        labels = read_labels(label_file(inputs["labels"], wanted), wanted)
        own = read_task_sides(inputs["labels"], wanted) or sides
        task = wanted.task.from_rows(labels, TaskSetting(config.dataset, wanted.name, own, groups, config.evaluation.rate))
        outcomes: dict[str, Outcome] = {}
        chosen: dict[str, TaskDetail] = {}
        for model in models:
            store = EmbeddingStore.open(inputs["embed"] / task.reads / model)
            context = config.evaluation.context if model == "logmel" else 0
            outcomes[model], chosen[model] = task.score(model, store, replace(task.readout, seed=config.seed, context=context))
            rows += outcomes[model].rows
        gaps = {other: difference(outcomes["student"], outcomes[other]).ends for other in models[1:]}
        details[wanted.name] = TaskDetails(chosen, gaps)
    write_results(out / "results.json", rows)
    write_details(out, details)
