"""The rows of `results.json` as tables and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from audiossl.evaluation.results import LOWER_IS_BETTER, ResultRow
from audiossl.report.content import Cell, Highlight, Table
from audiossl.report.palette import INK, SERIES, house_style

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

MOST_DRAWN = 20.0  # times the value: an interval of two groups can be wider than any picture
WIDTH = 6.8  # inches: narrower than the page, so that a phone shows most of it
FRACTIONS = frozenset(
    {
        "accuracy",
        "knn_accuracy",
        "balanced_accuracy",
        "uar",
        "f1",
        "macro_f1",
        "micro_f1",
        "weighted_f1",
        "precision",
        "recall",
        "map",
        "mean_ap",
    }
    | {"top1_acc", "pitch_acc", "chroma_acc", "aucroc"}  # HEAR's names
    | {"event_onset_200ms_fms", "event_onset_50ms_fms", "event_onset_offset_50ms_20perc_fms", "segment_1s_er"}
    | {"auc", "auroc", "top1", "top5", "iou", "wer", "cer", "per", "eer", "der", "error_rate", "identification_rate"}
)
"""Metrics in [0, 1] that people read in per cent; all others are shown as they are."""

TaskKey = tuple[str, str, str]


def results_tables(rows: Sequence[ResultRow], model_names: Mapping[str, str] | None = None) -> list[Table]:
    """One table a dataset: a row for each model, a column for each task and metric, value with its 95 % interval.

    The best value of a column is marked; models keep the order of their first row.

    Args:
        rows: rows of `results.json`; rates are fractions there and per cent here.
        model_names: longer names to show, such as {"logmel": "log-mel, 5 frames of context"}.
    """
    names = model_names or {}
    datasets = dict.fromkeys(row.dataset for row in rows)
    return [_dataset_table(dataset, [row for row in rows if row.dataset == dataset], names) for dataset in datasets]


def _dataset_table(dataset: str, rows: Sequence[ResultRow], names: Mapping[str, str]) -> Table:
    tasks = list(dict.fromkeys(_task(row) for row in rows))
    models = list(dict.fromkeys(row.model for row in rows))
    value_at = {(row.model, _task(row)): row for row in rows}
    best = {task: _best(task, [row for row in rows if _task(row) == task]) for task in tasks}
    body = [
        [names.get(model, model), *(_result_cell(value_at.get((model, task)), best[task]) for task in tasks)] for model in models
    ]
    return Table(dataset, ["Model", *(_task_title(task) for task in tasks)], body, _note(tasks, rows))


def _result_cell(row: ResultRow | None, best: float | None) -> Cell:
    if row is None:
        return Cell("–")
    metric, value, low, high = row.metric, row.value, row.low, row.high
    return Cell(shown(metric, value), shown_interval(metric, low, high, row.groups), best=value == best)


def shown_interval(metric: str, low: float | None, high: float | None, groups: int | None) -> str:
    """An interval for a cell, such as "[67.8, 70.7] (9)" over 9 groups; empty where there is none."""
    if low is None or high is None:
        return ""
    over = "" if groups is None else f" ({groups:,})"
    return f"[{shown(metric, low)}, {shown(metric, high)}]{over}"


def interval_in_words(metric: str, low: float | None, high: float | None, groups: int | None) -> str:
    """An interval for a sentence, such as "95 % interval 67.8 to 70.7 over 9 groups"."""
    over = "" if groups is None else f" over {groups:,} group{'' if groups == 1 else 's'}"
    if low is None or high is None:
        return f"no interval{over}"
    return f"95 % interval {shown(metric, low)} to {shown(metric, high)}{over}"


def is_share(metric: str) -> bool:
    """Whether people read a metric in per cent."""
    return metric.lower() in FRACTIONS


def name_of(metric: str) -> str:
    """A metric as people write it, with its unit, such as "macro f1 %"."""
    return f"{metric.replace('_', ' ')}{' %' if is_share(metric) else ''}"


def highlights_of(rows: Sequence[ResultRow]) -> list[Highlight]:
    """The first models of the first metric, for the top of a page.

    >>> highlights_of([ResultRow("digits", "speaker", "logmel", "accuracy", 0.9, 0.8, 1.0, 50, 5)])[0].value
    '90.0 %'
    """
    first = rows[0]
    return [
        Highlight(
            row.model,
            shown(row.metric, row.value) + (" %" if is_share(row.metric) else ""),
            f"{name_of(row.metric).removesuffix(' %')}, {interval_in_words(row.metric, row.low, row.high, row.groups)}",
        )
        for row in rows
        if (row.task, row.metric) == (first.task, first.metric)
    ][:4]


def gap_cells(metric: str, gap: Mapping[str, float | int | None]) -> list[str]:
    """A difference of a metric, its interval and over how many groups that is, of `Interval.ends`; shares in points."""
    scale, digits = (100, ".1f") if is_share(metric) else (1, ".3g")
    ends = [f"{scale * end:+{digits}}" for end in (gap["low"], gap["high"]) if end is not None]
    groups, value = gap.get("groups"), gap["value"] or 0
    return [f"{scale * value:+{digits}}", " to ".join(ends) or "none", "not said" if groups is None else f"{groups:,}"]


def shown(metric: str, value: float) -> str:
    """A value as people read it: a fraction in per cent with one decimal, anything else to three figures."""
    return f"{100 * value:.1f}" if is_share(metric) else f"{value:.3g}"


def _best(task: TaskKey, rows: Sequence[ResultRow]) -> float | None:
    values = [row.value for row in rows]
    if len(values) < 2:
        return None
    return min(values) if task[2].lower() in LOWER_IS_BETTER else max(values)


def _note(tasks: Sequence[TaskKey], rows: Sequence[ResultRow]) -> str:
    sentences = ["Bold: the best of its column. In brackets: 95 % interval."]
    if any(row.groups is not None and row.low is not None for row in rows):
        sentences.append("In parentheses: over how many groups, such as people, it is.")
    if any(row.low is None for row in rows):
        sentences.append("Values without brackets have no interval.")
    lower = [metric for _, _, metric in tasks if metric.lower() in LOWER_IS_BETTER]
    if lower:
        sentences.append(f"Lower is better for {', '.join(dict.fromkeys(lower))}.")
    for task in tasks:
        sizes = sorted({row.n for row in rows if _task(row) == task})
        if sizes:
            span = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
            sentences.append(f"{task[1].replace('_', ' ')}: n\u00a0=\u00a0{span}.")
    return " ".join(sentences)


def plot_results(rows: Sequence[ResultRow], model_names: Mapping[str, str] | None = None) -> matplotlib.figure.Figure:
    """Draw each result as a dot with its interval and groups, a panel for each task and metric, a colour for each model."""
    from matplotlib.figure import Figure

    names = model_names or {}
    tasks = list(dict.fromkeys(_task(row) for row in rows))
    models = list(dict.fromkeys(row.model for row in rows))
    colours = {model: SERIES[position % len(SERIES)] for position, model in enumerate(models)}
    groups = [[row for row in rows if _task(row) == task] for task in tasks]
    heights = [0.85 + 0.3 * len(group) for group in groups]
    with house_style():
        figure = Figure((WIDTH, max(sum(heights), 1.0)), layout="constrained")
        if not groups:
            return figure
        panels = figure.subplots(len(groups), 1, height_ratios=heights, squeeze=False, gridspec_kw={"hspace": 0.16})[:, 0]
        several = len({dataset for dataset, _, _ in tasks}) > 1
        for axes, task, group in zip(panels, tasks, groups, strict=True):
            _draw_dots(axes, task[2], group, colours, names)
            axes.set_title(f"{task[0]}: {_task_title(task)}" if several else _task_title(task))
    return figure


def _draw_dots(
    axes: matplotlib.axes.Axes, metric: str, rows: Sequence[ResultRow], colours: Mapping[str, str], names: Mapping[str, str]
) -> None:
    scale = 100.0 if is_share(metric) else 1.0
    for position, row in enumerate(rows):
        model, value, low, high = row.model, row.value, row.low, row.high
        if low is not None and high is not None:
            if not is_share(metric):
                low, high = max(low, value - MOST_DRAWN * abs(value)), min(high, value + MOST_DRAWN * abs(value))
            axes.plot([scale * low, scale * high], [position] * 2, color=colours[model], linewidth=3.2, alpha=0.45)
        axes.plot([scale * value], [position], "o", color=colours[model], markersize=7)
        right = scale * (value if high is None else max(high, value))
        over = "" if low is None or row.groups is None else f" ({row.groups:,})"
        axes.annotate(
            shown(metric, value) + over, (right, position), (7, 0), textcoords="offset points", va="center", fontsize=9.5
        )
    axes.set_yticks(range(len(rows)), [names.get(row.model, row.model) for row in rows])
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.tick_params(axis="y", left=False, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.09)
    axes.grid(axis="x")


def _task_title(task: TaskKey) -> str:
    _, name, metric = task
    return f"{name.replace('_', ' ')}, {name_of(metric)}"


def _task(row: ResultRow) -> TaskKey:
    return row.dataset, row.task, row.metric
