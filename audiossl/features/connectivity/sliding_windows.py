"""Correlation in sliding windows: dynamic functional connectivity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from audiossl.errors import ConfigError, DataError
from audiossl.features.connectivity.estimators import correlation
from audiossl.features.frames.precision import full_precision

BLOCK = 2**24  # entries of a block of correlation matrices that is computed at once


@dataclass(frozen=True)
class WindowPlan:
    """Length and stride of windows, in volumes or in seconds.

    Attributes:
        window: length G.
        stride: distance from start to start, S.
        unit: unit of both; seconds are rounded to volumes by a run's repetition time.

    >>> WindowPlan(100.0, 20.0, "seconds").in_volumes(tr=2.0)
    (50, 10)
    """

    window: int | float = 50
    stride: int | float = 16
    unit: Literal["volumes", "seconds"] = "volumes"

    def in_volumes(self, tr: float) -> tuple[int, int]:
        """G and S in volumes of `tr` seconds.

        Raises:
            ConfigError: if a window would have fewer than 3 volumes or a stride none.
        """
        scale = 1.0 if self.unit == "volumes" else 1.0 / tr
        window, stride = round(self.window * scale), round(self.stride * scale)
        if window < 3 or stride < 1:
            raise ConfigError(
                f"expected windows of at least 3 volumes and a stride of at least 1, got {window} and {stride} volumes "
                f"({self.window} and {self.stride} {self.unit} at {tr} s a volume)"
            )
        return window, stride

    def slowest(self, tr: float) -> float:
        """The lowest frequency, in Hz, of which a window holds one period."""
        return 1 / (self.in_volumes(tr)[0] * tr)


def window_starts(num_volumes: int, window: int, stride: int) -> list[int]:
    """First volumes of all windows that fit, the last one included: floor((T - G) / S) + 1 of them.

    Args:
        num_volumes: T, length of the run.
        window: G, volumes of a window.
        stride: S, volumes from start to start.

    Raises:
        DataError: if not even one fits; the message names the volumes that are needed.

    >>> window_starts(100, window=50, stride=16)
    [0, 16, 32, 48]
    """
    if num_volumes < window:
        raise DataError(f"a run of {num_volumes} volumes is shorter than a window of {window}: at least {window} are needed")
    return list(range(0, num_volumes - window + 1, stride))


def dynamic_correlation(series: Float[Tensor, "*B N T"], window: int, stride: int) -> Float[Tensor, "*B K N N"]:
    """Pearson correlation in each of K windows.

    Args:
        series: regions x volumes.
        window: G, volumes of a window.
        stride: S, volumes from start to start.

    Raises:
        DataError: if the run is shorter than a window.

    >>> dynamic_correlation(torch.randn(4, 40), window=10, stride=5).shape
    torch.Size([7, 4, 4])
    """
    return correlations(cut(series, window, stride))


def cut(series: Float[Tensor, "*B N T"], window: int, stride: int) -> Float[Tensor, "*B K N G"]:
    """The windows of series, as a view.

    Args:
        series: regions x volumes.
        window: G, volumes of a window.
        stride: S, volumes from start to start.

    Raises:
        DataError: if the run is shorter than a window.

    >>> cut(torch.randn(4, 40), window=10, stride=5).shape
    torch.Size([7, 4, 10])
    """
    window_starts(series.shape[-1], window, stride)
    return full_precision(series).unfold(-1, window, stride).movedim(-2, -3)


def correlations(windows: Float[Tensor, "*B K N G"], kept: Bool[Tensor, "*B K G"] | None = None) -> Float[Tensor, "*B K N N"]:
    """Correlation of each window over its kept volumes, in blocks, so that memory beyond the result is bounded.

    Args:
        windows: windows of regions x volumes, as `cut` gives them.
        kept: volumes that count; all by default.

    Raises:
        DataError: if fewer than two volumes of a window are kept.

    >>> correlations(cut(torch.randn(4, 40), 10, 5)).diagonal(dim1=1, dim2=2).mean().round(decimals=4)
    tensor(1.)
    """
    *outer, count, num_regions, _ = windows.shape
    size = max(1, BLOCK // (num_regions**2 * math.prod(outer)))
    blocks = [
        correlation(
            windows[..., first : first + size, :, :].contiguous(), None if kept is None else kept[..., first : first + size, :]
        )
        for first in range(0, count, size)
    ]
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=-3)
