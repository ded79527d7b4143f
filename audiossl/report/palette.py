"""Colours and the matplotlib style of every picture.

Pictures are drawn in the light colours below; in the SVG each becomes a CSS variable with a second value for dark pages
(`media.themed_svg`). The series are those of Okabe and Ito (2008), distinguishable with any common colour blindness; their
yellow, too pale on white, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INK = "#1c2430"
MUTED = "#5f6b7a"
GRID = "#dde2e9"
PAPER = "#fefefe"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b5b95")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

DARK = {
    INK: "#e8ebf0",
    MUTED: "#a3adba",
    GRID: "#343b46",
    PAPER: "#1a1e25",
    "#0072b2": "#4ba3dc",
    "#d55e00": "#f0813a",
    "#009e73": "#2fc598",
    "#cc79a7": "#dd94bb",
    "#e69f00": "#f0b232",
    "#56b4e9": "#86ccf3",
    "#6b5b95": "#a597cf",
}
"""Light colour to the colour that takes its place on a dark page."""

PAGE_WIDTH = 8.9  # inches at 96 px: a picture as wide as the text column of the page
HEAT = "viridis"
SOUND = "magma"


@contextmanager
def house_style() -> Iterator[None]:
    """Draw figures in the house style inside this block; matplotlib's own settings come back after it."""
    import matplotlib

    settings: dict[Any, Any] = {
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "axes.titlesize": 10.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 9,
        "axes.labelsize": 10,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": MUTED,
        "axes.titlecolor": INK,
        "axes.facecolor": "none",
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": False,
        "axes.axisbelow": True,
        "figure.facecolor": PAPER,
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "text.color": INK,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelsize": 9.5,
        "ytick.labelsize": 9.5,
        "lines.linewidth": 1.9,
        "lines.solid_capstyle": "round",
        "legend.frameon": False,
        "legend.fontsize": 9.5,
    }
    with matplotlib.rc_context(settings):
        yield


def series_style(position: int) -> tuple[str, str]:
    """Colour and marker of the class at `position`; 49 pairs before one comes again."""
    return SERIES[position % len(SERIES)], MARKERS[(position // len(SERIES)) % len(MARKERS)]
