"""A comparison on the console and as a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table as ConsoleTable

from audiossl.console import print_table
from audiossl.evaluation.comparison import Comparison
from audiossl.evaluation.cost import Cost
from audiossl.evaluation.results import LOWER_IS_BETTER
from audiossl.report.content import ReportContent, Section, Table
from audiossl.report.page import write_report
from audiossl.report.results import is_share, results_tables, shown, shown_interval
from audiossl.version import __version__

COST_COLUMNS = ("parameters", "GFLOP per audio s", "CPU s per audio s", "peak GiB")


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print models as rows and settings as columns, the best of each marked, and the z-score over tasks."""
    console = console or Console()
    z = comparison.z_scores()
    table = ConsoleTable(title="value [95 % interval] (groups)")
    table.add_column("model", overflow="fold", min_width=max(map(len, comparison.models)))
    for dataset, task, metric in comparison.settings:
        unit = " %" if is_share(metric) else ""
        table.add_column(f"{dataset}\n{task}\n{metric}{unit}", justify="right")
    table.add_column("z over\ntasks", justify="right")
    best = {}
    for setting in comparison.settings:
        values = {model: row.value for model in comparison.models if (row := comparison.rows.get((setting, model)))}
        best[setting] = (min if setting[2] in LOWER_IS_BETTER else max)(values.values())
    for model in sorted(comparison.models, key=lambda model: -z.get(model, (0.0, 0))[0]):
        cells = []
        for setting in comparison.settings:
            row = comparison.rows.get((setting, model))
            text = (
                ""
                if row is None
                else f"{shown(row.metric, row.value)}\n{shown_interval(row.metric, row.low, row.high, row.groups)}".rstrip()
            )
            is_best = row is not None and row.value == best[setting]
            cells.append(f"[bold]{text.replace('[', chr(92) + '[')}[/bold]" if is_best else text.replace("[", "\\["))
        score = f"{z[model][0]:+.2f}\n({z[model][1]} tasks)" if model in z else ""
        table.add_row(model, *cells, score)
    print_table(table, console)
    if comparison.costs:
        costs = ConsoleTable("model", title="cost of encoding, one thread")
        for name in COST_COLUMNS:
            costs.add_column(name, justify="right")
        for model, cost in comparison.costs.items():
            costs.add_row(model, *_cost_cells(cost))
        print_table(costs, console)
    for (first, second), value in comparison.agreement().items():
        console.print(f"rank correlation {value:+.2f}: {' '.join(first)} and {' '.join(second)}", markup=False)


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write a page with a table for each dataset, z-scores and agreement of tasks."""
    rows = [replace(row, model=model) for (_, model), row in comparison.rows.items()]
    scores = [
        [model, f"{z:+.3f}", count] for model, (z, count) in sorted(comparison.z_scores().items(), key=lambda item: -item[1][0])
    ]
    agreement = [
        [" ".join(first), " ".join(second), f"{value:+.2f}"] for (first, second), value in comparison.agreement().items()
    ]
    sections = [
        Section("Results", list(results_tables(rows))),
        Section(
            "Over all tasks",
            [Table("Mean z-score", ["Model", "z", "Tasks"], scores)],
            "z over the models of a setting, averaged over the metrics of a task, then over tasks. Models with other tasks than "
            "the others are not comparable by it.",
        ),
        Section("Do tasks agree?", [Table("Rank correlation of models", ["One", "Another", "Spearman"], agreement)]),
    ]
    if comparison.costs:
        costs = [[model, *_cost_cells(cost)] for model, cost in comparison.costs.items()]
        note = "One clip of 10 s on one thread. Operations: products, convolutions, attention. Memory: of a whole process."
        sections.append(Section("Cost", [Table("Cost of encoding", ["Model", *COST_COLUMNS], costs, note)]))
    names = ", ".join(dict.fromkeys(dataset for dataset, _, _ in comparison.settings))
    lead = f"{len(comparison.models)} models on {names}."
    write_report(ReportContent("Comparison", lead, sections, [], "audiossl compare", f"audiossl {__version__}"), path)


def _cost_cells(cost: Cost) -> list[str]:
    return [f"{cost.num_parameters:,}", f"{cost.gflop:.3g}", f"{cost.cpu_seconds:.3g}", f"{cost.peak_gib:.2f}"]
