"""Pictures of how well tokens stand for frames: search errors and spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from audiossl.errors import DataError
from audiossl.report.palette import INK, PAGE_WIDTH, SERIES, house_style

if TYPE_CHECKING:
    import matplotlib.figure


def plot_search_errors(errors: Mapping[str, float], bound: float) -> matplotlib.figure.Figure:
    """Draw the relative error of each search, in per cent, with Shannon's bound as a line.

    Raises:
        DataError: if there is no error, or one is not finite.
    """
    from matplotlib.figure import Figure

    if not errors or not np.isfinite([*errors.values(), bound]).all():
        raise DataError(f"expected a finite error for each search and a finite bound, got {dict(errors)} and {bound}")
    values = 100 * np.array(list(errors.values()))
    with house_style():
        figure = Figure((PAGE_WIDTH, 1.2 + 0.4 * len(errors)), layout="constrained")
        axes = figure.subplots()
        axes.barh(np.arange(len(values)), values, color=SERIES[0], height=0.6)
        for position, value in enumerate(values):
            axes.text(value + 0.01 * values.max(), position, f"{value:.2f} %", va="center", fontsize=9)
        axes.axvline(100 * bound, color=SERIES[1], linewidth=1.4)
        axes.annotate(
            f"bound {100 * bound:.2f} %", (100 * bound, 1), (4, 2), xycoords=("data", "axes fraction"),
            textcoords="offset points", color=INK, fontsize=9,
        )  # fmt: skip
        axes.set_yticks(range(len(errors)), list(errors))
        axes.invert_yaxis()
        axes.set_xlim(0, 1.15 * max(values.max(), 100 * bound))
        axes.set_xlabel("squared error, % of the variance")
    return figure


def plot_spectrum(shares: Float[np.ndarray, "D"], level: float) -> matplotlib.figure.Figure:
    """Draw the share of variance along each principal axis, and the error per axis that Shannon's bound leaves.

    Raises:
        DataError: if there is no share, or one is negative or not finite.
    """
    from matplotlib.figure import Figure

    if len(shares) == 0 or not np.isfinite(shares).all() or (shares < 0).any():
        raise DataError(f"expected shares of variance, finite and not negative, got {len(shares)} of them")
    floor = max(1e-9, float(shares.max()) * 1e-7)
    with house_style():
        figure = Figure((PAGE_WIDTH, 2.9), layout="constrained")
        axes = figure.subplots()
        axes.plot(np.arange(1, len(shares) + 1), 100 * shares.clip(floor), color=SERIES[0], label="share of variance, %")
        axes.axhline(100 * max(level, floor), color=SERIES[1], linewidth=1.4, label="error left by the bound, %")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("principal axis of the frames")
        axes.legend(loc="upper right")
        axes.grid(axis="y")
    return figure
