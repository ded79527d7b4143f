"""Pictures of training, of codebooks and of layer weights, as matplotlib figures made without pyplot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Real

from audiossl.errors import DataError
from audiossl.report.palette import HEAT, MUTED, PAGE_WIDTH, SERIES, house_style, series_style

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

Row = Mapping[str, Any]


def plot_training(rows: Sequence[Row]) -> matplotlib.figure.Figure:
    """Draw loss and accuracy over steps, as `metrics.jsonl` holds them: training and validation apart.

    Accuracy is the key `accuracy`, or one `<head>_accuracy_masked` for each head of masked token prediction.
    """
    titles = {"loss": "Loss", "accuracy": "Accuracy, %"}
    for key in dict.fromkeys(key for row in rows for key in row if key.endswith("accuracy_masked")):
        head = key.removesuffix("accuracy_masked").strip("_")
        titles[key] = f"Accuracy on masked frames, %{f': {head}' if head else ''}"
    return plot_curves(rows, titles, percent=[key for key in titles if key != "loss"])


def plot_curves(rows: Sequence[Row], titles: Mapping[str, str], percent: Sequence[str] = ()) -> matplotlib.figure.Figure:
    """Draw one panel for each key of `titles` over `step`, one line for each `split` (a row without one is `train`).

    Long training curves are shown pale with their moving average on top. A key that no row holds has no panel.

    Args:
        rows: dicts with `step`, perhaps `split`, and numbers; missing keys, None and NaN leave a gap.
        titles: key to the title of its panel.
        percent: keys whose fractions are drawn as per cent.

    Raises:
        DataError: if no row holds any of the keys.
    """
    from matplotlib.figure import Figure

    shown = {key: title for key, title in titles.items() if any(_number(row, key) is not None for row in rows)}
    if not shown:
        raise DataError(f"no row of the metrics holds any of {', '.join(titles)}; got {len(rows)} rows")
    across = min(len(shown), 2)
    down = math.ceil(len(shown) / across)
    with house_style():
        figure = Figure((PAGE_WIDTH, 3.1 * down), layout="constrained")
        panels = list(figure.subplots(down, across, squeeze=False).flat)
        for axes, (key, title) in zip(panels, shown.items(), strict=False):
            _draw_curve(axes, rows, key, 100.0 if key in percent else 1.0)
            axes.set_title(title)
            axes.set_xlabel("step")
            axes.grid(axis="y")
        for axes in panels[len(shown) :]:
            axes.axis("off")
    return figure


def _draw_curve(axes: matplotlib.axes.Axes, rows: Sequence[Row], key: str, scale: float) -> None:
    splits = list(dict.fromkeys(str(row.get("split", "train")) for row in rows if _number(row, key) is not None))
    all_values = [value for row in rows if (value := _number(row, key)) is not None]
    for position, split in enumerate(splits):
        points = [
            (float(row["step"]), scale * value)
            for row in rows
            if str(row.get("split", "train")) == split and (value := _number(row, key)) is not None
        ]
        steps, values = np.array(sorted(points)).T
        colour = SERIES[position % len(SERIES)]
        if len(values) > 60:
            axes.plot(steps, values, color=colour, alpha=0.28, linewidth=0.9)
            axes.plot(steps, moving_average(values, len(values) // 50), color=colour, label=split)
        else:
            axes.plot(steps, values, color=colour, marker="o", markersize=3.6, label=split)
    if len(splits) > 1:
        falls = all_values[-1] < all_values[0]
        axes.legend(loc="upper right" if falls else "lower right")
    axes.margins(x=0.02)


def moving_average(values: Float[np.ndarray, "T"], reach: int) -> Float[np.ndarray, "T"]:
    """Mean over the neighbours up to `reach` places to each side; at the ends over those that exist."""
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    places = np.arange(len(values))
    first, last = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(values))
    return (sums[last] - sums[first]) / (last - first)


def _number(row: Row, key: str) -> float | None:
    value = row.get(key)
    return float(value) if isinstance(value, int | float | np.number) and math.isfinite(value) else None


def plot_codebook_usage(counts: Real[np.ndarray, "N K"]) -> matplotlib.figure.Figure:
    """Draw how often each code of each codebook occurs, most frequent first, next to the share of codes in effective use.

    That share is the perplexity of the codes, exp(entropy), over K: 100 % when all codes are equally frequent.

    Raises:
        DataError: if a count is negative or not finite, or a codebook has none.
    """
    from matplotlib.figure import Figure

    shares = _shares(counts)
    num_codebooks, num_codes = shares.shape
    relative = -np.sort(-shares, axis=1) * num_codes  # 1 = as often as in even use
    with house_style():
        figure = Figure((PAGE_WIDTH, 1.35 + 0.27 * num_codebooks), layout="constrained")
        heat, bars = figure.subplots(1, 2, width_ratios=[3, 2], sharey=True)
        image = heat.imshow(
            np.log2(relative.clip(2.0**-3, 2.0**3)),
            aspect="auto",
            interpolation="none",
            cmap=HEAT,
            vmin=-3,
            vmax=3,
            extent=(0.5, num_codes + 0.5, num_codebooks - 0.5, -0.5),
        )
        bar = figure.colorbar(image, ax=heat, location="left", aspect=9 + 2 * num_codebooks, pad=0.02, ticks=range(-3, 4))
        bar.ax.set_yticklabels(["≤ 1/8", "1/4", "1/2", "even", "2 ×", "4 ×", "≥ 8 ×"])
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
        _name_codebooks(heat, num_codebooks)
        heat.set_title("How often each code occurs")
        heat.set_xlabel("codes, most frequent first")

        perplexity = np.exp(_entropy(shares))
        bars.barh(np.arange(num_codebooks), 100 * perplexity / num_codes, color=SERIES[0], height=0.62)
        for position, (effective, unused) in enumerate(zip(perplexity, (shares == 0).sum(axis=1), strict=True)):
            words = f"{100 * effective / num_codes:.0f} %" + (f", {unused} unused" if unused else "")
            bars.text(100 * effective / num_codes + 1.5, position, words, va="center", fontsize=9)
        bars.set_xlim(0, 135)
        bars.set_xticks([0, 25, 50, 75, 100])
        bars.tick_params(left=False, labelleft=False)
        bars.spines["left"].set_visible(False)
        bars.set_title(f"Codes in effective use, % of {num_codes}")
        bars.set_xlabel("perplexity, % of all codes")
    return figure


def plot_entropy(entropies: Mapping[str, Float[np.ndarray, "N"]], num_codes: int) -> matplotlib.figure.Figure:
    """Draw bits per codebook for each name (such as "train", "valid") under the most that `num_codes` codes can carry.

    `entropy_bits` gives the values from counts.

    Raises:
        DataError: if there are no values.
    """
    from matplotlib.figure import Figure

    if not any(len(values) for values in entropies.values()):
        raise DataError("expected entropies of at least one codebook, got none")
    num_codebooks = max(len(values) for values in entropies.values())
    with house_style():
        figure = Figure((PAGE_WIDTH, 2.7), layout="constrained")
        axes = figure.subplots()
        ceiling = math.log2(num_codes)
        axes.axhline(ceiling, color=MUTED, linewidth=1.1, linestyle=(0, (4, 3)))
        words = f"{ceiling:.3g} bits: all codes equally frequent"
        axes.annotate(words, (num_codebooks + 0.6, ceiling), (0, 3), textcoords="offset points", ha="right", fontsize=9)
        width = 0.8 / len(entropies)
        for position, (name, values) in enumerate(entropies.items()):
            places = np.arange(1, len(values) + 1) + width * (position - (len(entropies) - 1) / 2)
            axes.bar(places, values, width=0.9 * width, color=SERIES[position % len(SERIES)], label=name)
        axes.set_ylim(0, 1.16 * ceiling)
        axes.set_xlim(0.4, num_codebooks + 0.6)
        axes.set_xticks(range(1, num_codebooks + 1))
        axes.tick_params(bottom=False)
        axes.set_xlabel("codebook")
        axes.set_title("Entropy of the codes, bits a frame")
        axes.grid(axis="y")
        if len(entropies) > 1:
            figure.legend(loc="outside right upper")
    return figure


def entropy_bits(counts: Real[np.ndarray, "N K"]) -> Float[np.ndarray, "N"]:
    """Entropy of the codes of each codebook in bits, at most log2 K."""
    return _entropy(_shares(counts)) / math.log(2)


def _shares(counts: Real[np.ndarray, "N K"]) -> Float[np.ndarray, "N K"]:
    counts = counts.astype(np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    if not np.isfinite(counts).all() or (counts < 0).any() or counts.size == 0 or (totals == 0).any():
        raise DataError(f"expected counts of codes (N, K), none negative and some in every codebook; got shape {counts.shape}")
    return counts / totals


def _entropy(shares: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N"]:
    return -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1)


def _name_codebooks(axes: matplotlib.axes.Axes, num_codebooks: int) -> None:
    step = math.ceil(num_codebooks / 16)
    axes.set_yticks(range(0, num_codebooks, step), [str(codebook + 1) for codebook in range(0, num_codebooks, step)])
    axes.tick_params(axis="y", left=False)
    axes.set_ylabel("codebook")


def plot_layer_weights(weights: Mapping[str, Float[np.ndarray, "L"]]) -> matplotlib.figure.Figure:
    """Draw the weight that each probe gave each layer, in per cent of its sum, over an even share for comparison.

    Raises:
        DataError: if there are no weights.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if not weights or any(len(values) == 0 for values in weights.values()):
        raise DataError("expected weights of at least one layer for every name")
    with house_style():
        figure = Figure((PAGE_WIDTH, 3.0), layout="constrained")
        axes = figure.subplots()
        for num_layers in {len(values) for values in weights.values()}:
            axes.plot([-0.3, num_layers - 0.7], [100 / num_layers] * 2, color=MUTED, linewidth=1.1, linestyle=(0, (4, 3)))
            axes.annotate(
                "even", (num_layers - 0.7, 100 / num_layers), (3, 0), textcoords="offset points", va="center", fontsize=9
            )
        for position, (name, values) in enumerate(weights.items()):
            colour = SERIES[position % len(SERIES)]
            _, marker = series_style(len(SERIES) * position)
            axes.plot(range(len(values)), 100 * values, color=colour, marker=marker, markersize=6, label=name)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=20))
        axes.set_xlabel("layer (0 is the first)")
        axes.set_title("Weight of each layer, %")
        axes.grid(axis="y")
        if len(weights) > 1:
            figure.legend(loc="outside right upper")
        else:
            axes.set_title(f"Weight of each layer, %: {next(iter(weights))}")
    return figure
