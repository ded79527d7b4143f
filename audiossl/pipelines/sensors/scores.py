"""Score every model of a sensor recipe on the test subjects: probes with all and with few labels, neighbours, fine-tuning."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.progress import track
from safetensors.torch import load_file
from torch import Tensor

from audiossl.console import console
from audiossl.errors import DataError
from audiossl.evaluation.results import ResultRow, write_results
from audiossl.evaluation.windows.subject_scores import SubjectScores
from audiossl.evaluation.windows.task import WindowTask
from audiossl.pipelines.sensors.config import WindowTaskConfig
from audiossl.pipelines.sensors.data import FoldsConfig, SensorFold, SensorFolds
from audiossl.pipelines.sensors.details import Details, Ends, RowDetails
from audiossl.pipelines.sensors.models import ANSWERS, FEATURES, folder_name
from audiossl.stage import ADDED, Names, StageConfig

RANKING = "ranking of "  # before the name of a readout: how it ranks windows, whatever it answers
Scored = dict[str, dict[str, SubjectScores]]  # by readout, by model
Naming = Callable[[str, SubjectScores], tuple[str, dict[str, str]]]


@dataclass(frozen=True)
class EvaluateConfig(StageConfig):
    """What decides the scores of a sensor recipe.

    Attributes:
        dataset: name in results.
        task: readouts.
        models: names, in the order of the recipe.
        folds: windows, sides and labels.
        keep_scale: names of models whose features have scales that were learned, which probes leave as they are.
    """

    dataset: str
    task: WindowTaskConfig
    models: list[str]
    folds: FoldsConfig
    keep_scale: tuple[str, ...] = field(default=(), metadata=ADDED)

    def names(self) -> Names:
        """Names of the fields, and of what the folds are decided by."""
        kept = ["keep_scale"] if self.keep_scale else []
        return ("dataset", "task", "models", self.folds.names(), *kept)


def evaluate_models(out: Path, inputs: Mapping[str, Path], config: EvaluateConfig) -> None:
    """Write `results.json`, and `details.json` with the spread over seeds, scores of each subject and paired differences."""
    folds = SensorFolds(inputs["recordings"] / "set", config.folds)
    scores = _score_all(folds, inputs, config)
    details = Details(config.folds.seeds, asdict(folds.labels), notes=[said] if (said := str(folds.labels)) else [])
    rows = tabulate(scores, details, config.dataset, lambda readout, scored: _task_and_metrics(readout, scored, config.task))
    write_scores(out, rows, details)


def tabulate(scores: Scored, details: Details, dataset: str, names: Naming) -> list[ResultRow]:
    """Rows of results, and what `details` shows of them: values of each seed and subject, and differences.

    Args:
        scores: scores by readout and model.
        details: details that are added to.
        dataset: name in results.
        names: function of a readout and its scores, that gives the task of its rows, and metrics by the name they have there.
    """
    rows: list[ResultRow] = []
    for readout, models in scores.items():
        if not all(scored.metric_names for scored in models.values()):
            details.notes.append(f"{readout}: every fold tests windows of one class only, so there is no area under a ROC curve")
            continue
        for name, scored in models.items():
            task, metrics = names(readout, scored)
            for shown, metric in metrics.items():
                found = scored.interval(metric)
                rows.append(ResultRow.of(dataset, task, name, shown, found, scored.num_windows, scored.scores(metric)))
            main = next(iter(metrics.values()))
            of_each = dict(zip(scored.subjects, _finite(scored.each_subject(main)), strict=True))
            details.readouts.setdefault(readout, {})[name] = RowDetails(main, scored.each_seed(main), of_each)
        details.differences[readout] = _differences(models)
    if len(tested := next(iter(next(iter(scores.values())).values())).subjects) == 1:
        details.notes.append(f"one test subject, {tested[0]}: values have no interval over subjects, and models are not compared")
    return rows


def write_scores(out: Path, rows: list[ResultRow], details: Details) -> None:
    """Write `results.json` and `details.json`, and print the notes."""
    write_results(out / "results.json", rows)
    details.write(out)
    for note in details.notes:
        console.print(note, markup=False)


def readout_of(fraction: float) -> str:
    """Name of the probe on a share of the labels: `probe`, `probe_10pct`, `probe_1pct`."""
    return "probe" if fraction >= 1 else f"probe_{100 * fraction:g}pct"


def _score_all(folds: SensorFolds, inputs: Mapping[str, Path], config: EvaluateConfig) -> Scored:
    parts: dict[str, dict[str, list[SubjectScores]]] = defaultdict(lambda: defaultdict(list))
    for number in range(len(folds)):
        _score_fold(folds.open(number), inputs, config, parts)
    return {readout: {name: scores[0].join(scores) for name, scores in models.items()} for readout, models in parts.items()}


def _score_fold(
    fold: SensorFold, inputs: Mapping[str, Path], config: EvaluateConfig, parts: dict[str, dict[str, list[SubjectScores]]]
) -> None:
    """Add the scores of a fold to those of the folds before."""
    for name in track(config.models, f"probing, fold {fold.number + 1}", console=console, transient=True):
        answers = _answers(inputs[f"model_{name}"], name, fold.number, fold.task, config)
        for readout, models in answers.items():
            for variant, of_seeds in models.items():
                parts[readout][variant].append(fold.task.score(of_seeds))
                if of_seeds[0].ndim == 2:
                    parts[RANKING + readout][variant].append(fold.task.rank(of_seeds))


def _answers(folder: Path, model: str, fold: int, task: WindowTask, config: EvaluateConfig) -> dict[str, dict[str, list[Tensor]]]:
    """Answers of every seed, by readout and row."""
    found: dict[str, dict[str, list[Tensor]]] = defaultdict(lambda: defaultdict(list))
    kept = model in config.keep_scale
    for seed in config.folds.seeds:
        place = folder / folder_name(seed, fold)
        if not place.is_dir():
            place = folder / folder_name(config.folds.seeds[0], fold)  # a model without anything random
        if (place / FEATURES).is_file():
            for variant, features in load_file(place / FEATURES).items():
                row = f"{model}_{variant}" if variant else model
                if len(features) != len(task.rows):
                    raise DataError(
                        f"{place / FEATURES} holds {len(features)} windows, the task {len(task.rows)}: remove {folder} and run "
                        f"the recipe again"
                    )
                for fraction in config.task.fractions:
                    found[readout_of(fraction)][row].append(task.probe(features, fraction, seed, keep_scale=kept))
                if config.task.knn and task.classes:
                    found["knn"][row].append(task.nearest(features, keep_scale=kept))
                if config.task.bins and not task.classes:
                    found["bins"][row].append(task.probe_bins(features, keep_scale=kept))
        if (place / ANSWERS).is_file():
            for key, answer in load_file(place / ANSWERS).items():
                variant, _, fraction = key.partition("@")
                found[readout_of(float(fraction))][f"{model}_{variant}" if variant else model].append(answer)
    return found


def _finite(values: list[float]) -> list[float | None]:
    """None in place of what is not defined: JSON has no NaN."""
    return [value if math.isfinite(value) else None for value in values]


def _task_and_metrics(readout: str, scored: SubjectScores, task: WindowTaskConfig) -> tuple[str, dict[str, str]]:
    """Task of a result row, and its metrics by the name they have there."""
    readout = readout.removeprefix(RANKING)
    if readout == "knn":
        return task.name, {"knn_accuracy": "accuracy"}
    return task.name + readout.removeprefix("probe"), {name: name for name in scored.metric_names}


def _differences(models: Mapping[str, SubjectScores]) -> dict[str, Ends]:
    """The first model minus each other one, paired over subjects; nothing where there is one subject."""
    first, *others = models
    mine = models[first]
    if len(mine.subjects) == 1:
        return {}
    metric = mine.metric_names[0]
    gaps: dict[str, Ends] = {}
    for name in others:
        gap = mine.minus(models[name], metric)
        gaps[name] = gap.ends
    return gaps
