"""The page of a sensor run: what came out, for whom, how training went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from audiossl.evaluation.results import ResultRow, read_results
from audiossl.files import read_json, read_jsonl
from audiossl.pipelines.sensors.config import SensorsRecipe
from audiossl.pipelines.sensors.details import Details
from audiossl.pipelines.sensors.encoders import ORIGIN
from audiossl.report.content import KeyValues, Part, Picture, ReportContent, Section, Table, Text
from audiossl.report.page import write_report
from audiossl.report.pictures import plot_curves
from audiossl.report.results import (
    gap_cells,
    highlights_of,
    name_of,
    plot_results,
    results_tables,
    shown,
)
from audiossl.stage import StageConfig, plain
from audiossl.version import __version__

SHOWN = ("accuracy", "macro_f1", "auroc", "knn_accuracy", "mae", "correlation")
MOST_SUBJECTS = 200  # rows of a table


@dataclass(frozen=True)
class ReportConfig(StageConfig):
    """The whole recipe, which the page shows."""

    recipe: SensorsRecipe


def report_run(out: Path, inputs: Mapping[str, Path], config: ReportConfig) -> None:
    """Write `report.html`."""
    recipe = config.recipe
    rows = [row for row in read_results(inputs["evaluate"] / "results.json") if row.metric in SHOWN]
    details = Details.read(inputs["evaluate"])
    sections: list[Section | Part] = [
        results_section(rows, details), subjects_section(details, recipe), _training(inputs, recipe),
        facts_section(inputs, recipe),
    ]  # fmt: skip
    lead = _lead(inputs, recipe)
    footer = f"audiossl {__version__}, seeds {', '.join(map(str, recipe.seeds))}"
    title = f"{recipe.dataset}: sensor streams"
    write_report(ReportContent(title, lead, sections, highlights_of(rows), "audiossl run", footer), out / "report.html")


def _lead(inputs: Mapping[str, Path], config: SensorsRecipe) -> str:
    """What was done, and how far test subjects are new: to the recipe, and to encoders that came from elsewhere."""
    people = config.subjects_are == "people"
    who = "people" if people else f"{config.subjects_are}, which are no people: this says nothing of new people"
    sentences, transductive = [], False
    for name in config.models:
        file = inputs[f"model_{name}"] / ORIGIN
        if not file.is_file():
            continue
        encoder = read_json(file)
        origin, seen = encoder["pretrained_on"], encoder["seen"]
        if not origin:
            sentences.append(f"What the encoder of {name} was pre-trained on is not known here.")
        elif seen:
            transductive = True
            both = f"{len(seen)} of the {encoder['tested']} that are tested"
            sentences.append(f"The encoder of {name} was pre-trained, without labels, on {both}.")
        else:
            sentences.append(f"The encoder of {name} was pre-trained on {origin['dataset']}, on none of those that are tested.")
    new = "held-out" if transductive else "never seen"
    first = f"Representations of {config.dataset} were learned without labels and read by probes, on {new} {who}."
    return " ".join([first, *sentences])


def results_section(rows: list[ResultRow], details: Details) -> Section:
    """Tables and pictures of the results, differences, and values of each seed."""
    main = [row for row in rows if row.task == rows[0].task]
    gaps = [
        [readout, name, *gap_cells(next(iter(details.readouts[readout].values())).metric, gap)]
        for readout, models in details.differences.items()
        for name, gap in models.items()
    ]
    spread = [
        [readout, name, name_of(found.metric), ", ".join(shown(found.metric, value) for value in found.seeds)]
        for readout, models in details.readouts.items()
        for name, found in models.items()
    ]
    parts: list[Part] = [
        *results_tables(rows),
        Picture("Values with their intervals", plot_results(main), alt="Each metric of each model with its interval."),
    ]
    if gaps:
        parts.append(
            Table(
                "First model minus the others",
                ["Readout", "Model", "Difference", "95 % interval over subjects", "Subjects"],
                gaps,
                "Differences of shares are in points.",
            )
        )
    parts.append(Table("Each seed", ["Readout", "Model", "Metric", "Values"], spread))
    notes = "".join(f" {note}." for note in details.notes)
    return Section(
        "Results", parts, f"Probes choose their strength on validation subjects; test subjects are scored once.{notes}"
    )


def subjects_section(details: Details, config: SensorsRecipe) -> Section:
    """Values of each test subject."""
    models = details.first
    metric = next(iter(models.values())).metric
    rows = [[name, *(_number(metric, found.subjects[name]) for found in models.values())] for name in _people(details)]
    part = f", {MOST_SUBJECTS} of {len(rows)}" if len(rows) > MOST_SUBJECTS else ""
    title = f"{config.task.name} of each test subject, {name_of(metric)}, mean over seeds{part}"
    return Section("Subjects", [Table(title, ["Subject", *models], rows[:MOST_SUBJECTS])])


def _people(details: Details) -> list[str]:
    """Names of the test subjects."""
    return list(next(iter(details.first.values())).subjects)


def _number(metric: str, value: float | None) -> str:
    return "–" if value is None else shown(metric, value)


def _training(inputs: Mapping[str, Path], config: SensorsRecipe) -> Section:
    metrics = [
        {**row, "split": f"{name}, {row['split']}"}
        for name in config.models
        for file in sorted(inputs[f"model_{name}"].glob("seed*-fold0/pretrain/metrics.jsonl"))[:1]
        for row in read_jsonl(file)
    ]
    if not metrics:
        return Section("Training", [], "No model was pre-trained.")
    figure = plot_curves(metrics, {"loss": "Loss, nats"})
    return Section("Training", [Picture("Loss", figure, alt="Training loss of the first seed of each objective over steps.")])


def facts_section(inputs: Mapping[str, Path], config: SensorsRecipe) -> Section:
    """Counts, times, rejected recordings and the configuration."""
    counts = read_json(inputs["recordings"] / "set" / "set.json")
    minutes = [(name, f"{read_json(folder / 'stage.json')['seconds'] / 60:.1f} min") for name, folder in inputs.items()]
    rejected = [[row["id"], row["reason"]] for row in read_jsonl(inputs["recordings"] / "set" / "rejected.jsonl")]
    return Section(
        "Facts",
        [
            KeyValues("Recordings", list(counts.items())),
            KeyValues("Time", minutes),
            Table("Recordings that were rejected", ["Recording", "Reason"], rejected or [["none", ""]]),
            Text("Configuration", yaml.safe_dump(plain(config), sort_keys=False, allow_unicode=True), preformatted=True),
        ],
    )
