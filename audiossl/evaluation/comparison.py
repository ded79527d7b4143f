"""Results of every model in every setting: z-scores over tasks, and how much tasks agree (arXiv 2310.19909, section 3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from audiossl.errors import import_extra
from audiossl.evaluation.cost import Cost
from audiossl.evaluation.results import LOWER_IS_BETTER, ResultRow

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


def _rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's correlation, equal values sharing their mean rank; NaN where all are equal. SciPy takes 0.8 s to be imported."""
    ranks = []
    for values in (one, other):
        _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
        rank = (np.cumsum(counts) - (counts - 1) / 2)[which]
        ranks.append(rank - rank.mean())
    spread = math.sqrt(float(ranks[0] @ ranks[0] * (ranks[1] @ ranks[1])))
    return float(ranks[0] @ ranks[1]) / spread if spread else math.nan
