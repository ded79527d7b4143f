"""Encoders of sensor runs: what is saved with one, and what a row of kind `encoder` may be tested on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.encoder_names import OWN, WRITTEN, parse_name
from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.files import read_json, write_json
from audiossl.load import encoder_folder, load
from audiossl.models.hub import CONFIG, SENSOR, read_model_type
from audiossl.models.resnet1d import ResNet1d
from audiossl.models.sensor_encoder import SensorEncoder, SensorInput
from audiossl.pipelines.sensors.config import SensorModel, SensorsRecipe
from audiossl.pipelines.sensors.data import SensorFold, SensorFolds
from audiossl.pipelines.sensors.encoder_channels import CONVERT, ChannelMatch, check_other_encoder, match_channels
from audiossl.signals.sensors.recording import SensorRecording
from audiossl.signals.sensors.subjects import SubjectSides
from audiossl.signals.sensors.units import Conversion

ORIGIN = "encoder.json"  # in the stage of a row: what its encoder was pre-trained on
BLOCK = 512  # windows embedded at once
MOST_NAMES = 40  # of subjects in a message
FLAGS = ("transductive", CONVERT)  # options of a row that are true or false


def describe(fold: SensorFold, encoder: ResNet1d, config: SensorsRecipe) -> SensorEncoder:
    """Put the fold's channels and normalisation around an encoder that was trained on it."""
    first, statistics = fold.first, fold.statistics
    takes = SensorInput(first.channels, first.units, first.rate, config.windows.normalise)
    if statistics is None:
        return SensorEncoder(encoder, takes)
    return SensorEncoder(encoder, takes, statistics.mean, statistics.deviation)


def seen_by(fold: SensorFold, config: SensorsRecipe, seed: int) -> dict[str, Any]:
    """What pre-training on a fold sees, for `SensorEncoder.save`."""
    return {"dataset": config.dataset, "subjects": sorted(fold.sides.known), "seed": seed, "fold": fold.number}


def check_channels(config: SensorsRecipe, recording: SensorRecording) -> None:
    """Compare the channels of all rows of kind `encoder` that a sensor run saved with the set's, before any row is worked on.

    Raises:
        ConfigError: if an encoder lies nowhere.
        DataError: if one takes other channels, another order or other units.
    """
    for row, model in config.models.items():
        if model.kind != "encoder":
            continue
        name = str(encoder_options(model)["name"])
        if _takes(name) is not None:
            _match(model, recording)
        elif parse_name(name)[0] is OWN and not Path(name).exists() and name.count("/") != 1:  # else of a hub
            raise ConfigError(f"models.{row}: there is no '{name}'; expected a folder of an encoder or of its run, {WRITTEN}")


def check_encoder(out: Path, model: SensorModel, config: SensorsRecipe, folds: SensorFolds) -> None:
    """Refuse an encoder that takes other signals or was pre-trained on people whom a fold tests; `encoder.json` tells of it.

    Raises:
        ConfigError: for options that such a row does not have, or windows that lost their units.
        DataError: if it takes other channels, order or units, or saw test people and the row does not say `transductive: true`.
    """
    options, divisions = encoder_options(model), folds.sides
    if config.windows.normalise == "window":
        raise ConfigError(
            "an encoder reads recordings in their units, which windows.normalise=window loses; use training or none"
        )
    _match(model, folds.recordings[0])
    folder = _folder(str(options["name"]))
    origin = (read_json(folder / CONFIG).get("pretrained_on") if folder else None) or {}
    same = origin.get("dataset") == config.dataset
    tested = sorted({name for sides in divisions for name in sides.test})
    seen = sorted(set(tested) & set(origin["subjects"])) if same else []
    if seen and not options["transductive"]:
        raise DataError(_refusal(str(options["name"]), origin, seen, divisions))
    write_json(out / ORIGIN, {"name": str(options["name"]), "pretrained_on": origin, "tested": len(tested), "seen": seen})


def _refusal(name: str, origin: dict[str, Any], seen: list[str], divisions: Sequence[SubjectSides]) -> str:
    everybody = sorted({name for sides in divisions for name in (*sides.known, *sides.test)})
    unseen = [name for name in everybody if name not in set(origin["subjects"])]
    ways = ["evaluate on another data set", "say transductive: true in the options of the row, and the report will say it, too"]
    if unseen:
        names = ", ".join(unseen[:MOST_NAMES]) + ", ..." * (len(unseen) > MOST_NAMES)
        ways.insert(0, f"test the {len(unseen)} that fold {origin.get('fold')} of its own run held out, subjects.test=[{names}]")
    others = f" and {len(seen) - 5} others" if len(seen) > 5 else ""
    return (
        f"{name} was pre-trained on {len(seen)} of those that are tested here ({', '.join(seen[:5])}{others}), so its scores "
        f"would not be those of new people. Either {'; or '.join(ways)}."
    )


def embed_windows(fold: SensorFold, rows: list[int], model: SensorModel) -> Float[Tensor, "N D"]:
    """Mean frame of an encoder that `audiossl.load` knows, which reads windows in the units of the recordings."""
    embedder, windows, match = load(model.options["name"]), fold.windows, _match(model, fold.first)
    pooled = []
    for block in torch.tensor(rows).split(BLOCK):
        signal = windows.values[block]
        if fold.statistics is not None:
            signal = signal * fold.statistics.deviation[:, None] + fold.statistics.mean[:, None]
        signal = match.convert(signal)
        signals = [row[:, :length] for row, length in zip(signal, windows.lengths[block].tolist(), strict=True)]
        pooled += [embedding.pooled for embedding in embedder.embed(signals, windows.rate)]
    return torch.stack(pooled)


def encoder_options(model: SensorModel) -> dict[str, Any]:
    """Options of a row of kind `encoder`, with their defaults.

    Raises:
        ConfigError: for options that such a row does not have.
    """
    options = {**dict.fromkeys(FLAGS, False), **model.options}
    if set(options) != {"name", *FLAGS} or not all(isinstance(options[flag], bool) for flag in FLAGS):
        raise ConfigError(
            f"expected a model of kind encoder to have the option name, and perhaps {' and '.join(FLAGS)} (true or false), "
            f"got {model.options}"
        )
    return options


def _match(model: SensorModel, recording: SensorRecording) -> ChannelMatch:
    options = encoder_options(model)
    name = str(options["name"])
    if (takes := _takes(name)) is not None:
        return match_channels(name, takes, recording, options[CONVERT])
    check_other_encoder(name, load(name).encoder, recording)
    return ChannelMatch(tuple(range(len(recording.channels))), (Conversion(),) * len(recording.channels))


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
    folder = encoder_folder(Path(name))
    return folder if (folder / CONFIG).is_file() else None
