"""A clip as a spectrogram above its tokens, on one axis of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Integer

from audiossl.errors import DataError
from audiossl.report.palette import HEAT, PAGE_WIDTH, SOUND, house_style

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

MOST_INCHES = 40.0
INCHES_A_SECOND = 2.1  # room for the name of a 70 ms phone
GOLDEN_STEP = (5**0.5 - 1) / 2  # multiples of it spread evenly over [0, 1), so neighbouring codes differ in colour

Span = tuple[str, float, float]


def plot_spectrogram_tokens(
    logmel: Float[np.ndarray, "T M"],
    frame_rate: float,
    codes: Integer[np.ndarray, "T2 N"],
    token_rate: float,
    phones: Sequence[Span] | None = None,
) -> matplotlib.figure.Figure:
    """Draw a log-mel spectrogram, its phones above it where given, and its tokens below: a row a codebook, a colour a code.

    Colours only distinguish codes of one row; they carry no order. Clips longer than the page is wide make a wider picture.

    Args:
        logmel: log-mel energies, `frame_rate` frames a second.
        codes: tokens, `token_rate` frames a second.
        phones: (label, start, end) in seconds.

    Raises:
        DataError: if either array is empty or a rate is not positive.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if logmel.size == 0 or codes.size == 0 or not (frame_rate > 0 and token_rate > 0):
        raise DataError(
            f"expected log-mel (T, M) and codes (T, N) with frames and positive rates, got shapes {logmel.shape} and "
            f"{codes.shape} at {frame_rate} and {token_rate} Hz"
        )
    seconds = len(logmel) / frame_rate
    num_codebooks = codes.shape[1]
    width = min(max(PAGE_WIDTH, INCHES_A_SECOND * seconds), MOST_INCHES)
    rows = min(max(0.17 * num_codebooks, 0.5), 4.0)
    left, right, top, bottom, gap, sound = 0.62, 0.15, 0.36 if phones else 0.12, 0.52, 0.1, 2.1  # inches
    height = top + sound + gap + rows + bottom
    with house_style():
        figure = Figure((width, height))
        across = (left / width, (width - left - right) / width)
        # Fixed places: the page lays a playhead over the picture and must know where time begins and ends.
        spectrogram = figure.add_axes((across[0], (bottom + rows + gap) / height, across[1], sound / height))
        tokens = figure.add_axes((across[0], bottom / height, across[1], rows / height), sharex=spectrogram)
        _draw_spectrogram(spectrogram, logmel, seconds)
        _draw_tokens(tokens, codes, len(codes) / token_rate)
        for label, start, end in phones or ():
            _draw_phone(spectrogram, label, max(start, 0.0), min(end, seconds), across[1] * width / seconds)
        spectrogram.set_xlim(0, seconds)
        spectrogram.xaxis.set_major_locator(MaxNLocator(nbins=round(width), steps=[1, 2, 5, 10]))
        figure.align_ylabels([spectrogram, tokens])
    return figure


def _draw_spectrogram(axes: matplotlib.axes.Axes, logmel: Float[np.ndarray, "T M"], seconds: float) -> None:
    finite = logmel[np.isfinite(logmel)]
    low, high = np.percentile(finite, [5, 99.7]) if finite.size else (0.0, 1.0)
    axes.imshow(
        np.nan_to_num(logmel, nan=low, posinf=high, neginf=low).T,
        origin="lower",
        aspect="auto",
        interpolation="none",
        cmap=SOUND,
        vmin=low,
        vmax=max(high, low + 1e-6),
        extent=(0.0, seconds, 0.0, float(logmel.shape[1])),
    )
    axes.set_ylabel("mel bin")
    axes.tick_params(labelbottom=False, bottom=False)
    axes.spines[:].set_visible(False)


def _draw_tokens(axes: matplotlib.axes.Axes, codes: Integer[np.ndarray, "T N"], seconds: float) -> None:
    num_codebooks = codes.shape[1]
    axes.imshow(
        (codes.astype(np.float64) * GOLDEN_STEP % 1.0).T,
        aspect="auto",
        interpolation="none",
        cmap=HEAT,
        vmin=0.0,
        vmax=1.0,
        extent=(0.0, seconds, num_codebooks + 0.5, 0.5),
    )
    for boundary in range(1, num_codebooks):
        axes.axhline(boundary + 0.5, color="white", linewidth=1.0)
    shown = sorted({1, num_codebooks}) if num_codebooks <= 8 else [1, *range(8, num_codebooks + 1, 8)]
    axes.set_yticks(shown)
    axes.tick_params(axis="y", left=False)
    axes.set_ylabel("codebook")
    axes.set_xlabel("seconds", loc="left")
    axes.spines[:].set_visible(False)


def _draw_phone(axes: matplotlib.axes.Axes, label: str, start: float, end: float, inches_a_second: float) -> None:
    """A thin line where the phone begins and its name above; upright where it is too short for its name."""
    if end <= start:
        return
    axes.axvline(start, color="white", linewidth=0.7, alpha=0.55)
    room = 72 * inches_a_second * (end - start)  # points
    axes.annotate(
        label,
        ((start + end) / 2, 1.0),
        (0, 4),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=8.5,
        rotation=0 if room > 6.2 * len(label) else 90,
        annotation_clip=False,
    )
