"""Whether an encoder takes the channels of recordings: their names, order and units, or what else it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import DataError
from audiossl.models.encoder import Encoder
from audiossl.models.sensor_encoder import SensorInput
from audiossl.signals.sensors.recording import SensorRecording
from audiossl.signals.sensors.units import Conversion, conversion

CONVERT = "convert_units"  # the option of a row
MOST_NAMES = 8  # channels in a message


@dataclass(frozen=True)
class ChannelMatch:
    """How windows of recordings become what an encoder takes: for each of its channels, where it is and how it is converted."""

    places: tuple[int, ...]
    conversions: tuple[Conversion, ...]

    def convert(self, signal: Float[Tensor, "B C S"]) -> Float[Tensor, "B C S"]:
        """Channels in the order and the units of the encoder."""
        if self.places == tuple(range(signal.shape[1])) and set(self.conversions) == {Conversion()}:
            return signal
        factors, offsets = torch.tensor(self.conversions, dtype=torch.float64).to(signal.dtype).T
        return signal[:, list(self.places)] * factors[:, None] + offsets[:, None]


def match_channels(name: str, takes: SensorInput, recording: SensorRecording, convert: bool = False) -> ChannelMatch:
    """Compare what a sensor encoder takes with what a recording has.

    Args:
        name: name of the encoder, for messages.
        takes: names and units of its channels.
        recording: recording of the set; all of a set have the same channels.
        convert: bring other orders and other units of the same quantities to those of the encoder; names must be the same.

    Raises:
        DataError: if they differ and cannot be, or were not asked to be, converted; both are named.
    """
    # What is said of the encoder and of the recordings in every message.
    both = f"{name} takes {_shown(takes.channels, takes.units)}; the recordings, such as {recording.id}, have " + _shown(
        recording.channels, recording.units
    )
    if set(takes.channels) != set(recording.channels) or len(takes.channels) != len(recording.channels):
        raise DataError(
            f"other channels: {both}.{_similar(takes.channels, recording.channels)} Take an encoder of these channels"
        )
    places = tuple(recording.channels.index(channel) for channel in takes.channels)
    found = [conversion(recording.units[place], unit) for place, unit in zip(places, takes.units, strict=True)]
    if None in found:
        odd = takes.channels[found.index(None)]
        raise DataError(f"other units: {both}. The unit of {odd} cannot be converted: take an encoder of the same quantities")
    match = ChannelMatch(places, tuple(one for one in found if one is not None))
    differ = [
        *(["units"] if set(match.conversions) != {Conversion()} else []),
        *(["order of channels"] if places != tuple(range(len(places))) else []),
    ]
    if differ and not convert:
        raise DataError(
            f"other {' and '.join(differ)}: {both}. To convert units and order to those of the encoder, say {CONVERT}: true in "
            f"the options of the row, or --convert-units with audiossl evaluate sensors"
        )
    return match


def check_other_encoder(name: str, encoder: Encoder, recording: SensorRecording) -> None:
    """Refuse recordings for an encoder that knows no names of sensors' channels: one of audio, or of regions of the brain.

    Raises:
        DataError: that names the encoder and what it takes.
    """
    have = f"the recordings, such as {recording.id}, have {_shown(recording.channels, recording.units)} at {recording.rate:g} Hz"
    regions = getattr(encoder, "regions", None)
    if regions is not None:
        if tuple(regions) != recording.channels:
            raise DataError(f"{name} takes {len(regions)} regions of the brain, {_names(tuple(regions))}; {have}")
        return
    # Telephone speech at half the rate is audio, too; what is slower or has several channels is not.
    if len(recording.channels) != 1 or 2 * recording.rate < encoder.sample_rate:
        raise DataError(
            f"{name} takes audio, one channel at {encoder.sample_rate:g} Hz; {have}. Take an encoder of these channels, such as "
            f"one that a sensor recipe trained"
        )


def _shown(channels: Sequence[str], units: Sequence[str]) -> str:
    return _names([f"{name} in {unit}" for name, unit in zip(channels, units, strict=True)])


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} others" if len(names) > MOST_NAMES else "")


def _similar(wanted: Sequence[str], have: Sequence[str]) -> str:
    """A sentence on names that differ in case, spaces or signs only."""
    plain = {"".join(filter(str.isalnum, name)).casefold(): name for name in have if name not in wanted}
    pairs = [
        f"{plain[key]} and {name}"
        for name in wanted
        if name not in have and (key := "".join(filter(str.isalnum, name)).casefold()) in plain
    ]
    return f" If {', '.join(pairs)} are the same, rename them in the prepare script." if pairs else ""
