"""Rows of an array as windows of recordings, which objectives are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, get_args

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.lengths import standardise_known
from audiossl.signals.sensors.recording import SAFE_ID, SensorRecording
from audiossl.signals.sensors.statistics import ChannelStatistics
from audiossl.signals.sensors.windows import Normalisation, Window, WindowSet

FILLING = 0.9  # share of the windows that must be of groups large enough for a batch


class Normaliser(nn.Module):
    """Normalise windows as a recipe does: by channels of what was fitted, by the window itself, or not at all."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, how: str, num_channels: int, statistics: ChannelStatistics | None = None) -> None:
        super().__init__()
        self.how = check_normalise(how)
        self.register_buffer("mean", torch.zeros(num_channels) if statistics is None else statistics.mean)
        self.register_buffer("deviation", torch.ones(num_channels) if statistics is None else statistics.deviation)

    def forward(self, signal: Float[Tensor, "B C T"]) -> Float[Tensor, "B C T"]:
        """Normalise windows."""
        if self.how == "window":
            return standardise_known(signal, torch.ones_like(signal, dtype=torch.bool))
        return (signal - self.mean[:, None]) / self.deviation[:, None]


def check_normalise(how: str) -> Normalisation:
    """Return a normalisation that there is.

    Raises:
        ConfigError: naming those that there are.
    """
    if how not in get_args(Normalisation):
        raise ConfigError(f"normalise: expected one of {', '.join(get_args(Normalisation))}, got {how!r}")
    return cast(Normalisation, how)


def windows_of_array(
    values: Float32[np.ndarray, "N C T"], groups: Sequence[str] | None, rate: float, normalise: str
) -> tuple[WindowSet, Normaliser]:
    """Take the rows of a group, in their order, for the windows of one recording, one after the other.

    Args:
        values: values of the windows.
        groups: whom each is of; without, each is of somebody else.
        rate: Hz.
        normalise: how.

    Returns:
        the windows, group by group in the order of their first rows, and what normalised them.
    """
    how = check_normalise(normalise)
    num_channels, length = values.shape[1:]
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(groups if groups is not None else map(str, range(len(values)))):
        rows.setdefault(name, []).append(row)
    channels, units = tuple(f"channel_{number}" for number in range(num_channels)), ("1",) * num_channels
    recordings = [
        SensorRecording(
            # A group's name decides random draws, so that they do not depend on the order of groups.
            id=name if SAFE_ID.fullmatch(name) and not name.startswith(".") else f"group-{number}",
            subject=name, rate=rate, channels=channels, units=units,
            values=values[of_group].transpose(1, 0, 2).reshape(num_channels, -1),
        )
        for number, (name, of_group) in enumerate(rows.items())
    ]  # fmt: skip
    places = [Window(number, place * length, length, None) for number, of in enumerate(rows.values()) for place in range(len(of))]
    statistics = ChannelStatistics.fit(recordings, rows) if how == "training" else None
    return WindowSet(recordings, places, how, statistics), Normaliser(how, num_channels, statistics)


def fewest_groups(sizes: Sequence[int], batch_size: int) -> int:
    """Number of groups in a batch: the fewest, but two, of which nearly all groups can give an equal share.

    Groups that are smaller than a share are never drawn; they may hold a tenth of the windows.

    Args:
        sizes: windows of each group.
        batch_size: windows of a batch.

    Returns:
        the number; 0 where batches are better drawn from all windows.

    >>> fewest_groups([300, 280, 310], 128), fewest_groups([10] * 30, 128), fewest_groups([1] * 500, 128), fewest_groups([90], 8)
    (2, 13, 128, 0)
    """
    for count in range(2, len(sizes) + 1):
        large = [size for size in sizes if size * count >= batch_size]
        if len(large) >= count and sum(large) >= FILLING * sum(sizes):
            return count
    return 0
