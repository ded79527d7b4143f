"""`audiossl.compare`: the results of several runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audiossl.evaluation.comparison import Comparison
    from audiossl.verbs.run import Run


def compare(
    runs: str | Path | Run | Sequence[str | Path | Run],
    *,
    metrics: Sequence[str] = (),
    csv: str | Path | None = None,
    html: str | Path | None = None,
    cost: Mapping[str, str | Path] | None = None,
) -> Comparison:
    """Compare models over runs: values with intervals, a z-score over tasks, and how much tasks agree on the order of models.

    Args:
        runs: a run, its folder or file of results, or several of these.
        metrics: only these, such as "accuracy"; all by default.
        csv: file that gets a row for each result.
        html: file that gets a page.
        cost: encoders to measure the cost of, by the name of a compared model.

    Raises:
        StoreError: if a run holds no results.
        ConfigError: if `cost` names a model that is not compared.

    >>> compare([])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    audiossl.errors.ConfigError: ...
    """
    from audiossl.evaluation.compare import compare_runs, with_costs, write_csv
    from audiossl.report.comparison import write_comparison
    from audiossl.verbs.run import Run

    several = [runs] if isinstance(runs, str | Path | Run) else runs
    comparison = compare_runs([run.folder if isinstance(run, Run) else Path(run) for run in several], metrics)
    if cost:
        comparison = with_costs(comparison, {name: str(model) for name, model in cost.items()})
    if csv:
        write_csv(comparison, Path(csv))
    if html:
        write_comparison(comparison, Path(html))
    return comparison
