"""A map of frames as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from audiossl.errors import DataError
from audiossl.report.palette import GRID, MUTED, PAGE_WIDTH, PAPER, house_style, series_style

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

MOST_CLASSES = 40
OTHER = "other"


def plot_embedding_map(points: Float[np.ndarray, "n 2"], labels: Sequence[str]) -> matplotlib.figure.Figure:
    """Draw a map with a colour and a marker for each label, the label's name at its middle, and a legend.

    Beyond 40 labels the rarest are drawn together in grey.

    Raises:
        DataError: if there is not one label for each point.
    """
    from matplotlib.figure import Figure

    if len(labels) != len(points) or not len(points):
        raise DataError(f"expected one label for each point, got {len(labels)} labels for {len(points)} points")
    names, label_of = _frequent_labels(labels)
    columns = 1 if len(names) <= 20 else 2
    with house_style():
        figure = Figure((PAGE_WIDTH, 6.2), layout="constrained")
        axes = figure.subplots()
        size = float(np.clip(9000 / len(points), 7, 42))
        for position, name in enumerate(names):
            colour, marker = (MUTED, ".") if name == OTHER else series_style(position)
            inside = points[label_of == name]
            axes.scatter(*inside.T, s=size, c=colour, marker=marker, linewidths=0, alpha=0.85, label=name, rasterized=True)
        for name in names:
            if name != OTHER:
                _draw_name(axes, name, points[label_of == name])
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(True)
        axes.spines[:].set_color(GRID)
        axes.margins(0.03)
        figure.legend(loc="outside right upper", ncols=columns, markerscale=max(1.0, (36 / size) ** 0.5), handletextpad=0.2)
        figure.set_dpi(96)
    return figure


def _draw_name(axes: matplotlib.axes.Axes, name: str, inside: Float[np.ndarray, "n 2"]) -> None:
    """The name at the point nearest to the class's median: inside the class even where it has the shape of a crescent."""
    middle = np.median(inside, axis=0)
    place = inside[((inside - middle) ** 2).sum(axis=1).argmin()]
    box = {"boxstyle": "round,pad=0.15", "facecolor": PAPER, "alpha": 0.78, "linewidth": 0}
    axes.text(place[0], place[1], name, fontsize=8.5, ha="center", va="center", bbox=box)


def _frequent_labels(labels: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Names in alphabetical order, `OTHER` last, and the name of each point."""
    known, counts = np.unique(np.array(labels, dtype=object).astype(str), return_counts=True)
    frequent = set(known) if len(known) <= MOST_CLASSES else set(known[np.argsort(-counts, kind="stable")[: MOST_CLASSES - 1]])
    label_of = np.array([label if label in frequent else OTHER for label in map(str, labels)])
    names = sorted(frequent - {OTHER})
    return names + ([OTHER] if (label_of == OTHER).any() else []), label_of
