"""Models side by side over any runs: one table, a z-score over tasks, and how much tasks agree (arXiv 2310.19909, section 3)."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from audiossl.errors import ConfigError, StoreError, import_extra
from audiossl.evaluation.cost import Cost, measure_cost
from audiossl.evaluation.results import LOWER_IS_BETTER, ResultRow, read_results
from audiossl.files import whole_file

if TYPE_CHECKING:
    import pandas

Setting = tuple[str, str, str]  # dataset, task, metric


@dataclass(frozen=True)
class Comparison:
    """Results of every model in every setting.

    Attributes:
        settings: dataset, task and metric, in the order in which they came.
        models: names; of several runs with the same name in one setting, `RUN/MODEL`.
        rows: rows by setting and model.
        costs: costs of the models that were measured.
    """

    settings: list[Setting]
    models: list[str]
    rows: dict[tuple[Setting, str], ResultRow]
    costs: Mapping[str, Cost] = field(default_factory=dict)

    def z_scores(self) -> dict[str, tuple[float, int]]:
        """Mean z of each model, and over how many tasks.

        z is taken over the models of a setting, its sign so that more is better; it is averaged over the metrics of a task, then
        over tasks. Settings in which all models are equal, or that have one model, say nothing.
        """
        of_task: dict[str, dict[tuple[str, str], list[float]]] = {model: {} for model in self.models}
        for setting in self.settings:
            for model, z in self._oriented_z(setting).items():
                of_task[model].setdefault(setting[:2], []).append(z)
        return {model: (fmean(map(fmean, tasks.values())), len(tasks)) for model, tasks in of_task.items() if tasks}

    def agreement(self) -> dict[tuple[Setting, Setting], float]:
        """Spearman's correlation of how two settings rank the models that both have, from three models on."""
        found: dict[tuple[Setting, Setting], float] = {}
        for place, first in enumerate(self.settings):
            for second in self.settings[place + 1 :]:
                one, other = self._oriented_z(first), self._oriented_z(second)
                common = [model for model in self.models if model in one and model in other]
                if len(common) >= 3:
                    value = _rank_correlation([one[model] for model in common], [other[model] for model in common])
                    if math.isfinite(value):
                        found[first, second] = value
        return found

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each result, with its z in its setting.

        Raises:
            MissingExtraError: if pandas is not installed.
        """
        rows = [
            {"dataset": setting[0], "task": setting[1], "metric": setting[2], "model": model, **_numbers(row), "z": z.get(model)}
            for setting in self.settings
            for z in [self._oriented_z(setting)]
            for model in self.models
            if (row := self.rows.get((setting, model)))
        ]
        return import_extra("pandas", "pandas").DataFrame(rows)

    def _oriented_z(self, setting: Setting) -> dict[str, float]:
        values = {model: self.rows[setting, model].value for model in self.models if (setting, model) in self.rows}
        spread = float(np.std(list(values.values())))
        if len(values) < 2 or spread < 1e-12:
            return {}
        sign, mean = -1 if setting[2] in LOWER_IS_BETTER else 1, float(np.mean(list(values.values())))
        return {model: sign * (value - mean) / spread for model, value in values.items()}


def _numbers(row: ResultRow) -> dict[str, float | int | None]:
    return {"value": row.value, "low": row.low, "high": row.high, "n": row.n, "groups": row.groups}


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


def _rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's correlation, equal values sharing their mean rank; NaN where all are equal. SciPy takes 0.8 s to be imported."""
    ranks = []
    for values in (one, other):
        _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
        rank = (np.cumsum(counts) - (counts - 1) / 2)[which]
        ranks.append(rank - rank.mean())
    spread = math.sqrt(float(ranks[0] @ ranks[0] * (ranks[1] @ ranks[1])))
    return float(ranks[0] @ ranks[1]) / spread if spread else math.nan


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
