"""Pictures of what tokens share: codebooks with each other, and tokens with labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from audiossl.errors import DataError
from audiossl.report.palette import HEAT, MUTED, PAGE_WIDTH, SERIES, house_style

if TYPE_CHECKING:
    import matplotlib.figure


def plot_codebook_correlation(correlation: Float[np.ndarray, "N N"]) -> matplotlib.figure.Figure:
    """Draw how far the subspaces of codebooks overlap, 0 to 1.

    Raises:
        DataError: if the matrix is empty.
    """
    from matplotlib.figure import Figure

    size = len(correlation)
    if size == 0:
        raise DataError("expected the correlation of at least one codebook, got none")
    with house_style():
        side = min(PAGE_WIDTH, 2.2 + 0.34 * size)
        figure = Figure((side + 0.6, side), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(correlation, cmap=HEAT, vmin=0, vmax=1, interpolation="none")
        if size <= 16:
            for (row, column), value in np.ndenumerate(correlation):
                shade = "#111111" if value > 0.6 else "#f8f8f8"  # not the page's own colours, which dark pages exchange
                axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=8, color=shade)
        bar = figure.colorbar(image, ax=axes, shrink=0.8)
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
        step = math.ceil(size / 16)
        names = [str(codebook + 1) for codebook in range(0, size, step)]
        axes.set_xticks(range(0, size, step), names)
        axes.set_yticks(range(0, size, step), names)
        axes.set_xlabel("codebook")
        axes.set_ylabel("codebook")
    return figure


def plot_label_agreement(purity: Float[np.ndarray, "N"], pnmi: Float[np.ndarray, "N"], chance: float) -> matplotlib.figure.Figure:
    """Draw for each codebook how often its code predicts the label, and its normalised mutual information with labels, in per
    cent.

    Raises:
        DataError: if there is no codebook.
    """
    from matplotlib.figure import Figure

    if len(purity) == 0:
        raise DataError("expected purity and PNMI of at least one codebook, got none")
    with house_style():
        figure = Figure((PAGE_WIDTH, 2.8), layout="constrained")
        panels = figure.subplots(1, 2)
        for axes, values, title in zip(panels, (purity, pnmi), ("Purity, %", "Mutual information (PNMI), %"), strict=True):
            axes.bar(np.arange(1, len(values) + 1), 100 * values, color=SERIES[0], width=0.7)
            axes.set_title(title)
            axes.set_xlabel("codebook")
            axes.grid(axis="y")
        panels[0].axhline(100 * chance, color=MUTED, linewidth=1.1, linestyle=(0, (4, 3)))
        panels[0].set_title("Purity, % (dashed: the most frequent label)")
    return figure
