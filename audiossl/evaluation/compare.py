"""Results of several runs, read, measured in cost, and written as one table."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

from audiossl.errors import ConfigError, StoreError
from audiossl.evaluation.comparison import Comparison, Setting
from audiossl.evaluation.cost import Cost, measure_cost
from audiossl.evaluation.results import ResultRow, read_results
from audiossl.files import whole_file


def compare_runs(paths: Sequence[Path], metrics: Sequence[str] = ()) -> Comparison:
    """Read the results of runs.

    Args:
        paths: folders of runs, or results.json files.
        metrics: metrics that are taken; all by default.

    Raises:
        ConfigError: if no path is given, or nothing is left.
        StoreError: if a path has no results; the message names it.
    """
    named: dict[str, list[ResultRow]] = {}
    for path in paths:
        file = path / "results.json" if path.is_dir() else path
        if not file.is_file():
            raise StoreError(f"{path} has no results.json: run its recipe to the stage evaluate, or give the file")
        name = str(path) if path.name in named or path.stem == "results" else path.stem
        named[name] = [row for row in read_results(file) if not metrics or row.metric in metrics]
    settings: dict[Setting, None] = {}
    owners: dict[tuple[Setting, str], list[str]] = {}
    for run, rows in named.items():
        for row in rows:
            setting = (row.dataset, row.task, row.metric)
            settings[setting] = None
            owners.setdefault((setting, row.model), []).append(run)
    if not settings:
        raise ConfigError(
            f"no results to compare in {', '.join(map(str, paths)) or 'no run'}" + (" of these metrics" if metrics else "")
        )
    shared = {model for (_, model), runs in owners.items() if len(runs) > 1}
    found: dict[tuple[Setting, str], ResultRow] = {}
    for run, rows in named.items():
        for row in rows:
            model = f"{run}/{row.model}" if row.model in shared else row.model
            found[(row.dataset, row.task, row.metric), model] = row
    models = list(dict.fromkeys(model for _, model in found))
    return Comparison(list(settings), models, found)


def with_costs(comparison: Comparison, encoders: Mapping[str, str]) -> Comparison:
    """Measure what models cost, each in a process of its own.

    Args:
        comparison: comparison of models.
        encoders: what `audiossl.load` takes, by the name of a compared model.

    Raises:
        ConfigError: if no model of that name is compared, or an encoder cannot be measured.
    """
    if unknown := [name for name in encoders if name not in comparison.models]:
        raise ConfigError(f"no results of {', '.join(unknown)}; compared are {', '.join(comparison.models)}")
    return replace(comparison, costs={name: measure_cost(encoder) for name, encoder in encoders.items()})


def write_csv(comparison: Comparison, path: Path) -> None:
    """Write a row for each setting and model, with interval, z-score and, where it was measured, cost."""
    kinds = [item.name for item in fields(Cost)] if comparison.costs else []
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["dataset", "task", "metric", "model", "value", "low", "high", "n", "groups", "z", *kinds])
        for setting in comparison.settings:
            z = comparison._oriented_z(setting)
            for model in comparison.models:
                if row := comparison.rows.get((setting, model)):
                    score = f"{z[model]:.6f}" if model in z else ""
                    cost = comparison.costs.get(model)
                    costs = [getattr(cost, kind) if cost else "" for kind in kinds]
                    writer.writerow([*setting, model, row.value, row.low, row.high, row.n, row.groups, score, *costs])
