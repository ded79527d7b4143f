"""A picture of the score of each layer on each task."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from audiossl.errors import DataError
from audiossl.report.palette import HEAT, PAGE_WIDTH, house_style

if TYPE_CHECKING:
    import matplotlib.figure


def plot_layer_sweep(
    values: Mapping[str, Mapping[int, float]], lower_is_better: Collection[str] = ()
) -> matplotlib.figure.Figure:
    """Draw a row of cells for each task, from its worst layer (dark) to its best (bright), with the values.

    Args:
        values: values of each task by layer.
        lower_is_better: tasks whose metric is an error.

    Raises:
        DataError: if there are none.
    """
    from matplotlib.figure import Figure

    if not values or not all(values.values()):
        raise DataError("expected values of at least one layer for every task")
    layers = sorted({layer for row in values.values() for layer in row})
    shares = np.full((len(values), len(layers)), np.nan)
    for place, (task, row) in enumerate(values.items()):
        numbers = np.array([row.get(layer, np.nan) for layer in layers]) * (-1 if task in lower_is_better else 1)
        spread = np.nanmax(numbers) - np.nanmin(numbers)
        shares[place] = (numbers - np.nanmin(numbers)) / spread if spread > 0 else np.where(np.isnan(numbers), np.nan, 1.0)
    with house_style():
        figure = Figure((PAGE_WIDTH, 1.2 + 0.42 * len(values)), layout="constrained")
        axes = figure.subplots()
        axes.imshow(shares, cmap=HEAT, vmin=0, vmax=1, interpolation="none", aspect="auto")
        for place, row in enumerate(values.values()):
            for column, layer in enumerate(layers):
                if layer in row:
                    shade = "#111111" if shares[place, column] > 0.6 else "#f8f8f8"
                    axes.text(column, place, f"{row[layer]:.3g}", ha="center", va="center", fontsize=8, color=shade)
        axes.set_xticks(range(len(layers)), [str(layer) for layer in layers])
        axes.set_yticks(range(len(values)), [f"{task} (less is better)" if task in lower_is_better else task for task in values])
        axes.set_xlabel("layer (0 is the first)")
        axes.set_title("Validation value of each layer by itself")
    return figure
