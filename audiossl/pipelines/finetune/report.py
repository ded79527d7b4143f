"""The page of a fine-tuning run: what came out, how training went, and some answers to listen to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from audiossl.evaluation.results import ResultRow, read_results
from audiossl.files import read_json, read_jsonl
from audiossl.pipelines.finetune.config import FinetuneRecipe
from audiossl.pipelines.finetune.scores import STAGE_OF
from audiossl.pipelines.finetune.task import LEFT_OUT
from audiossl.pipelines.sides import read_sides
from audiossl.recipe import plain
from audiossl.report.content import Highlight, KeyValues, Part, Picture, ReportContent, Section, Table, Text
from audiossl.report.page import write_report
from audiossl.report.pictures import plot_curves
from audiossl.report.results import gap_cells, interval_in_words, plot_results, results_tables, shown
from audiossl.stage import StageConfig
from audiossl.version import __version__


@dataclass(frozen=True)
class ReportStage(StageConfig):
    """What decides the page: the whole recipe, which it shows."""

    recipe: FinetuneRecipe


def report_run(out: Path, inputs: Mapping[str, Path], stage: ReportStage) -> None:
    """Write `report.html`."""
    config, task = stage.recipe, stage.recipe.task_class
    models = {name: inputs[STAGE_OF[name]] for name in config.models}
    rows = read_results(inputs["evaluate"] / "results.json")
    details = read_json(inputs["evaluate"] / "details.json")
    names = {"finetuned": f"fine-tuned ({Path(config.encoder).name})", "random": "the same from random weights"}
    lead = f"An encoder was trained further to give {task.title} of {config.dataset}, and scored on held-out items."
    sections: list[Section | Part] = [
        _results(rows, details["differences"], names),
        _training(models),
        *([answers] if (answers := task.section(inputs, config.models, details["tags"])) else []),
        _facts(inputs, config, models),
    ]
    first = rows[0]
    highlights = [
        Highlight(
            names[row.model],
            f"{shown(row.metric, row.value)} %",
            f"{row.metric}, {interval_in_words(row.metric, row.low, row.high, row.groups)}",
        )
        for row in rows
        if (row.task, row.metric) == (first.task, first.metric)
    ]
    footer = f"audiossl {__version__}, seed {config.seed}"
    title = f"{config.dataset}: fine-tuning, {config.task_name}"
    write_report(ReportContent(title, lead, sections, highlights, "audiossl finetune", footer), out / "report.html")


def _results(rows: list[ResultRow], differences: dict[str, Any], names: Mapping[str, str]) -> Section:
    gaps = [[task, metric, *gap_cells(metric, gap)] for task, metrics in differences.items() for metric, gap in metrics.items()]
    parts: list[Part] = [
        *results_tables(rows, names),
        Picture("Values with their intervals", plot_results(rows, names), alt="Each metric of each model with its interval."),
    ]
    if gaps:
        parts.append(Table("Fine-tuned minus random, points", ["Task", "Metric", "Difference", "95 % interval", "Groups"], gaps))
    return Section("Results", parts, "Nothing was chosen on test items; intervals are over groups of them.")


def _training(models: Mapping[str, Path]) -> Section:
    metrics = [
        {**row, "split": f"{name}, {row['split']}"}
        for name, folder in models.items()
        for row in read_jsonl(folder / "metrics.jsonl")
    ]
    figure = plot_curves(metrics, {"loss": "Loss, nats", "lr": "Learning rate of the head"})
    return Section("Training", [Picture("Loss", figure, alt="Training and validation loss of each model over steps.")])


def _facts(inputs: Mapping[str, Path], config: FinetuneRecipe, models: Mapping[str, Path]) -> Section:
    minutes = [(name, f"{read_json(folder / 'stage.json')['seconds'] / 60:.1f} min") for name, folder in inputs.items()]
    sides = read_sides(inputs["corpus"])
    data: list[tuple[str, str | int | float]] = [(f"{side} items", len(ids)) for side, ids in sides.items()]
    data.append(("encoder", config.encoder))
    left_out = [[row["id"], row["reason"]] for row in read_jsonl(inputs["labels"] / LEFT_OUT)]
    for name, folder in models.items():
        result = read_json(folder / "result.json")
        data.append((f"{name}: steps", result["steps"]))
        data.append((f"{name}: hours of audio seen", f"{result['seconds'] / 3600:.1f}"))
        left_out += [[id_, f"{name}: {reason}"] for id_, reason in result["left_out"].items()]
    return Section(
        "Facts",
        [
            KeyValues("Data and training", data),
            KeyValues("Time", minutes),
            Table("Items that were left out", ["Item", "Reason"], left_out or [["none", ""]]),
            Text("Configuration", yaml.safe_dump(plain(config), sort_keys=False, allow_unicode=True), preformatted=True),
        ],
    )
