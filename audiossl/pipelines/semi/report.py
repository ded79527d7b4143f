"""The page of a semi-supervised run: what came out with how many labels, and what pseudo-labels were worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audiossl.evaluation.results import read_results
from audiossl.files import read_json
from audiossl.pipelines.semi.config import SemiRecipe
from audiossl.pipelines.semi.labels import read_draws
from audiossl.pipelines.semi.methods import PSEUDO, draw_folder
from audiossl.pipelines.sensors.details import Details
from audiossl.pipelines.sensors.report import facts_section, results_section, subjects_section
from audiossl.report.content import Part, ReportContent, Section, Table
from audiossl.report.page import write_report
from audiossl.report.results import highlights_of
from audiossl.stage import StageConfig
from audiossl.version import __version__

SHOWN = ("accuracy", "macro_f1")


@dataclass(frozen=True)
class ReportConfig(StageConfig):
    """The whole recipe, which the page shows."""

    recipe: SemiRecipe


def report_few_labels(out: Path, inputs: Mapping[str, Path], config: ReportConfig) -> None:
    """Write `report.html`."""
    recipe = config.recipe
    rows = [row for row in read_results(inputs["evaluate"] / "results.json") if row.metric in SHOWN]
    details = Details.read(inputs["evaluate"])
    sections: list[Section | Part] = [
        results_section(rows, details), _pseudo_labels(inputs, recipe), subjects_section(details, recipe),
        facts_section(inputs, recipe),
    ]  # fmt: skip
    lead = (
        f"{'Frames' if recipe.frames else 'Windows'} of {recipe.dataset} were classified from few labels, on "
        f"{recipe.subjects_are} of whom nothing was seen in training{_exceptions(recipe)}. All rows read the same labels, drawn "
        f"{recipe.labels.draws} times; the draws are in draws/draws.jsonl. Each model is read by a linear probe; methods also "
        f"learn from unlabelled windows."
    )
    footer = f"audiossl {__version__}, seed {recipe.seed}"
    title = f"{recipe.dataset}: few labels"
    write_report(ReportContent(title, lead, sections, highlights_of(rows), "audiossl run", footer), out / "report.html")


def _exceptions(recipe: SemiRecipe) -> str:
    names = [name for name, method in recipe.methods.items() if (method.pool or recipe.pool).test]
    return f", except that {', '.join(names)} saw their windows, without labels" if names else ""


def _pseudo_labels(inputs: Mapping[str, Path], recipe: SemiRecipe) -> Section:
    draws = read_draws(inputs["draws"])
    body = []
    for name in recipe.methods:
        for budget in recipe.labels.budgets:
            folders = [inputs[f"method_{name}"] / draw_folder(draw) for draw in draws if draw.budget == budget]
            found = [read_json(folder / PSEUDO) for folder in folders]
            use = [[values["use"][k] for values in found] for k in range(len(found[0]["use"]))]
            shares = [_mean([values[key] for values in found]) for key in ("accuracy", "confident", "used")]
            body.append(
                [
                    name,
                    budget,
                    *map(_percent, shares),
                    " / ".join(_percent(_mean(of_class)) for of_class in use),
                    _percent(_mean([values["ece"] for values in found])),
                ]
            )
    columns = ["Method", "Labels", "Accuracy %", "Of confident ones %", "Confident %", "Of each class %", "Calibration error %"]
    note = (
        "Predictions of the pool after training, compared with labels that were not shown; confident are those with a "
        "probability of 0.95 or more. Classes are in alphabetical order. Means over draws."
    )
    return Section("Pseudo-labels", [Table("Predictions of the unlabelled windows", columns, body, note)] if body else [])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"
