"""Rows of kind `encoder`: what they may be tested on, and how they read windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.embedding.embedder import Embedding
from audiossl.encoder_names import OWN, WRITTEN, parse_name
from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.features.rich_pooling import rich_pooling
from audiossl.files import read_json, write_json
from audiossl.load import load
from audiossl.models.hub import CONFIG, SEEN, SENSOR, read_model_type
from audiossl.models.run_folder import encoder_folder, local_path, weights_digest
from audiossl.models.sensor_encoder import SensorInput
from audiossl.pipelines.origin import people_of
from audiossl.pipelines.sensors.config import SensorModel, SensorsRecipe
from audiossl.pipelines.sensors.data import SensorFold, SensorFolds
from audiossl.pipelines.sensors.encoder_channels import ChannelMatch, check_other_encoder, match_channels
from audiossl.pipelines.sensors.rows import Row
from audiossl.signals.sensors.recording import SensorRecording
from audiossl.signals.sensors.subjects import SubjectSides
from audiossl.signals.sensors.units import Conversion
from audiossl.stage import Names

ORIGIN = "encoder.json"  # in the stage of a row: what its encoder was pre-trained on
BLOCK = 512  # windows embedded at once
MOST_NAMES = 40  # of subjects in a message


@dataclass(frozen=True)
class EncoderOptions:
    """Options of a row of kind `encoder`.

    Attributes:
        name: anything that `audiossl.load` knows.
        transductive: test people whom it was pre-trained on.
        convert_units: bring units and the order of channels to those that it takes.
    """

    name: str
    transductive: bool = False
    convert_units: bool = False


@dataclass(frozen=True)
class EncoderRow(Row):
    """Mean frame of an encoder that `audiossl.load` knows, which reads windows in the units of the recordings.

    Attributes:
        dataset: name of the data set, compared with that of the encoder's people.
        digest: digest of its weights: another encoder may come to lie under the same name.
    """

    Options = EncoderOptions
    random = False
    pools = True

    options: EncoderOptions
    dataset: str
    digest: str | None

    @classmethod
    def of(cls, name: str, model: SensorModel, recipe: SensorsRecipe) -> EncoderRow:
        """Take the name of the data set, and look at the weights."""
        options = cast(EncoderOptions, cls.read_options(name, model))
        return cls(name, model, options, recipe.dataset, weights_digest(options.name))

    @property
    def of_dataset(self) -> bool:
        """An encoder is refused on people of its own data set."""
        return True

    def entries(self) -> list[tuple[str | Names, object]]:
        """The model and the weights."""
        return [(f"models.{self.name}", self.model), ("its weights", self.digest)]

    def check_recording(self, recording: SensorRecording) -> None:
        """Compare the channels of an encoder that a sensor run saved with a recording's, before any row is worked on.

        Raises:
            ConfigError: if the encoder lies nowhere.
            DataError: if it takes other channels, another order or other units.
        """
        name = self.options.name
        check_takes(f"models.{self.name}", name, recording, self.options.convert_units)

    def check(self, out: Path, folds: SensorFolds) -> None:
        """Refuse an encoder that was pre-trained on people whom a fold tests, as `encoder.json` says.

        Raises:
            ConfigError: for windows that lost their units.
            DataError: if it takes other channels, or saw test people and the row does not say `transductive: true`.
        """
        name = self.options.name
        check_units(folds.config.windows.normalise)
        match_of(name, folds.recordings[0], self.options.convert_units)
        origin, seen = people_seen(name, self.dataset, folds.sides)
        if seen and not self.options.transductive:
            raise DataError(_refusal(name, people_of(origin, self.dataset), seen, folds.sides))
        tested = {name for sides in folds.sides for name in sides.test}
        write_json(out / ORIGIN, {"name": name, "pretrained_on": origin, "tested": len(tested), "seen": seen})

    def features(self, fold: SensorFold, seed: int) -> Float[Tensor, "N D"]:
        """Embed windows."""
        found = embed_windows(self.options.name, fold, fold.task.rows, self.options.convert_units)
        if self.model.pooling == "mean":
            return torch.stack([embedding.pooled for embedding in found])
        return torch.cat([rich_pooling(one.frames[None], torch.tensor([len(one.frames)])) for one in found])


def check_takes(place: str, name: str, recording: SensorRecording, convert: bool = False) -> None:
    """Compare the channels of an encoder that a sensor run saved with a recording's, before anything is loaded.

    Args:
        place: what names the encoder, for messages.
        name: name of the encoder.
        recording: a recording of the set.
        convert: bring units and the order of channels to those that it takes.

    Raises:
        ConfigError: if the encoder lies nowhere.
        DataError: if it takes other channels, another order or other units.
    """
    if _takes(name) is not None:
        match_of(name, recording, convert)
    elif parse_name(name)[0] is OWN and not Path(name).exists() and name.count("/") != 1:  # else of a hub
        raise ConfigError(f"{place}: there is no '{name}'; expected a folder of an encoder or of its run, {WRITTEN}")


def check_units(normalise: str) -> None:
    """Refuse windows that lost their units.

    Raises:
        ConfigError: saying which are taken.
    """
    if normalise == "window":
        raise ConfigError(
            "an encoder reads recordings in their units, which windows.normalise=window loses; use training or none"
        )


def people_seen(name: str, dataset: str, divisions: Sequence[SubjectSides]) -> tuple[dict[str, object], list[str]]:
    """What an encoder was pre-trained on, and which of the people whom a division tests are among it.

    People of encoders that it comes from count as well, whatever data sets came after them.
    """
    folder = _folder(name)
    origin = (read_json(folder / CONFIG).get(SEEN) if folder else None) or {}
    tested = {name for sides in divisions for name in sides.test}
    return origin, sorted(tested & people_of(origin, dataset))


def embed_windows(name: str, fold: SensorFold, rows: Sequence[int], convert: bool = False) -> list[Embedding]:
    """Embed windows of a fold in the units of the recordings.

    Args:
        name: anything that `audiossl.load` knows.
        fold: windows, and what they were normalised by.
        rows: numbers of the windows.
        convert: bring units and the order of channels to those that it takes.
    """
    embedder, windows, match = load(name), fold.windows, match_of(name, fold.first, convert)
    found: list[Embedding] = []
    for block in torch.tensor(rows).split(BLOCK):
        signal = windows.values[block]
        if fold.statistics is not None:
            signal = signal * fold.statistics.deviation[:, None] + fold.statistics.mean[:, None]
        signal = match.convert(signal)
        signals = [row[:, :length] for row, length in zip(signal, windows.lengths[block].tolist(), strict=True)]
        found += embedder.embed(signals, windows.rate)
    return found


def match_of(name: str, recording: SensorRecording, convert: bool = False) -> ChannelMatch:
    """How a recording becomes what an encoder takes.

    Raises:
        DataError: if it takes other channels, another order or other units.
    """
    if (takes := _takes(name)) is not None:
        return match_channels(name, takes, recording, convert)
    check_other_encoder(name, load(name).encoder, recording)
    return ChannelMatch(tuple(range(len(recording.channels))), (Conversion(),) * len(recording.channels))


def _refusal(name: str, known: set[str], seen: list[str], divisions: Sequence[SubjectSides]) -> str:
    everybody = sorted({name for sides in divisions for name in (*sides.known, *sides.test)})
    unseen = [name for name in everybody if name not in known]
    ways = ["evaluate on another data set", "say transductive: true in the options of the row, and the report will say it, too"]
    if unseen:
        names = ", ".join(unseen[:MOST_NAMES]) + ", ..." * (len(unseen) > MOST_NAMES)
        ways.insert(0, f"test the {len(unseen)} whom it did not see, subjects.test=[{names}]")
    others = f" and {len(seen) - 5} others" if len(seen) > 5 else ""
    return (
        f"{name} was pre-trained on {len(seen)} of those that are tested here ({', '.join(seen[:5])}{others}), so its scores "
        f"would not be those of new people. Either {'; or '.join(ways)}."
    )


def _takes(name: str) -> SensorInput | None:
    """What an encoder takes, without its weights; None if no sensor run saved it."""
    folder = _folder(name)
    if folder is None or read_model_type(folder) != SENSOR:
        return None
    values = read_json(folder / CONFIG)
    try:
        return SensorInput(tuple(values["channels"]), tuple(values["units"]), values["rate"], values["normalise"])
    except (KeyError, TypeError) as error:
        raise StoreError(f"{folder / CONFIG} does not say which channels the encoder takes. Train it again.") from error


def _folder(name: str) -> Path | None:
    """The folder with a config that `audiossl.load` reads for a name; None if the name is no such folder."""
    folder = encoder_folder(local_path(name) or Path(name))
    return folder if (folder / CONFIG).is_file() else None
