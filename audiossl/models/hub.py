"""Encoders on disk and on the Hugging Face hub: one way to save and to load all of them.

A folder holds `config.json` and `model.safetensors`. `model_type` of the config says which class it is: a name in `MODELS`, or
the place `module:Class` of a class from outside the package. Classes of the table are imported when they are needed, any other
only if the caller names the class or says `trust_code=True`.

A class says what it is made from by its dataclass `config`, or by `to_json()` and `from_json(values)`, see
`audiossl.models.building`. Three methods are optional: `saved_state()` gives the weights under the keys of a public layout, the
class method `from_saved(values, state)` builds a model around such weights, and `untrained()` draws its weights anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from audiossl.encoder_names import refuse_place
from audiossl.errors import ConfigError, StoreError
from audiossl.files import read_json, write_json
from audiossl.kinds import Kind, find_kind, place_of, trusted_class
from audiossl.models.building import describe_encoder, restore_encoder
from audiossl.models.encoder import Encoder
from audiossl.models.weights import fill, read_checkpoint, read_weights, write_weights
from audiossl.models.zipformer_config import ZipformerConfig
from audiossl.seeds import derive_seed

CONFIG, WEIGHTS = "config.json", "model.safetensors"
SPEAR, SENSOR, CONNECTIVITY, NAMED = "spear", "audiossl_sensor", "audiossl_connectivity", "audiossl_named"
MODELS: dict[str, Kind] = {
    SPEAR: Kind("audiossl.models.zipformer:Zipformer", "Zipformer"),
    SENSOR: Kind("audiossl.models.sensor_encoder:SensorEncoder", "sensor encoder"),
    CONNECTIVITY: Kind("audiossl.models.connectivity_encoder:ConnectivityEncoder", "connectivity encoder"),
    NAMED: Kind("audiossl.models.named_weights:NamedWeights", "encoder with weights of its own"),
}
SEEN = "pretrained_on"
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
T = TypeVar("T")
Trust = bool | str | type  # of code outside the package: none, all that a config names, or one class by its place or itself


def save(model: object, folder: str | Path, seen: Mapping[str, object] | None = None, name: str = "") -> None:
    """Write `config.json` and `model.safetensors` into a folder, each by rename, the config last.

    Of a Zipformer the keys and the config are those of published SPEAR models, so that published inference code reads the folder.

    Args:
        model: an encoder of `MODELS`, or one from outside that says what it is made from.
        folder: folder that is written; other files in it stay.
        seen: description of what the model was pre-trained on, kept in the config.
        name: name by which `audiossl.load` makes the encoder; needed where it does not say what it is made from.

    Raises:
        ConfigError: if the model does not say what it is made from, and no name is given.
    """
    folder = Path(folder)
    kind = model_type_of(model)
    try:
        about = {"model_type": kind, **describe_encoder(model)}
    except ConfigError:
        if not name:
            raise
        about = {"model_type": NAMED, "name": name}
    saved_state = getattr(model, "saved_state", None) or cast(nn.Module, model).state_dict
    write_weights(folder / WEIGHTS, saved_state())
    write_json(folder / CONFIG, about if seen is None else {**about, SEEN: dict(seen)})


def load(
    source: str | Path, padding: str = "invariant", config: ZipformerConfig | None = None, *, trust_code: Trust = False
) -> Encoder:
    """Load an encoder in evaluation mode.

    Args:
        source: a folder that holds `config.json` and `model.safetensors`, the id of a Hugging Face repository that does, or an
            icefall checkpoint `*.pt`.
        padding: "invariant" or "reference", of encoders that have it, see `Zipformer`.
        config: configuration of an icefall checkpoint, a `ZipformerConfig`; by default the `config.json` next to it.
        trust_code: import the class that the config names, if it is none of ours: True, or the class itself or its place,
            `module:Class` or `FILE.py:Class`. Without, no code from outside is imported or run.

    Raises:
        StoreError: if a file is missing or cannot be read, or the weights do not fit the config; the message names keys.
        ConfigError: if the config has unknown fields, or a model type that is not known or not trusted.
    """
    path = Path(source)
    if not path.is_file():
        if config is not None:
            raise ConfigError(f"a config can be given for an icefall checkpoint only; {source} brings its own.")
        path = folder_of(source)
        values = read_config(path / CONFIG)
        model = _restored(_class_of(values, path, trust_code), values, path, lambda: read_weights(path / WEIGHTS))
    elif path.suffix == ".pt":
        values = read_config(path.with_name(CONFIG)) if config is None else config.to_json()
        model = _restored(find_kind(SPEAR, MODELS, "model"), values, path, lambda: read_checkpoint(path))
    else:
        raise StoreError(f"{path} is a file; expected a folder with {CONFIG} and {WEIGHTS}, or an icefall checkpoint *.pt.")
    if hasattr(model, "padding"):
        model.padding = padding
    return model.eval()


def folder_of(source: str | Path, **how: str | Path | bool | None) -> Path:
    """The folder that a name leads to; a repository of the hub is downloaded, config and weights alone.

    Args:
        source: folder, or the id of a repository, owner/name.
        how: options of `huggingface_hub.snapshot_download`, such as `revision`, `token`, `cache_dir`.

    Raises:
        StoreError: if the repository cannot be downloaded.
    """
    if Path(source).exists() or not (isinstance(source, str) and REPOSITORY.fullmatch(source)):
        return Path(source)
    from huggingface_hub import snapshot_download

    options: dict[str, Any] = dict(how)
    try:
        return Path(snapshot_download(source, allow_patterns=[CONFIG, WEIGHTS], **options))
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise StoreError(
            f"'{source}' is no folder here and could not be fetched from the Hugging Face hub ({reason}). "
            "Check the name and the network."
        ) from error


def load_as(kind: type[T], folder: Path) -> T:
    """Load an encoder that has to be of a class of `MODELS`.

    Raises:
        StoreError: if it is of another, or as `load`.
    """
    model = load(folder)
    if not isinstance(model, kind):
        raise StoreError(f"{folder} holds no {_noun(kind)} that can be read, but a {type(model).__name__}.")
    return model


def untrained_like(encoder: object, seed: int) -> Encoder:
    """Make an encoder of the same class and sizes with random weights, which the seed decides.

    Raises:
        ConfigError: if the encoder does not say what it is made from.

    >>> from audiossl.models import Zipformer
    >>> twin = untrained_like(Zipformer.from_preset("tiny"), seed=1)
    >>> twin.dim, torch.equal(twin.mask_emb, untrained_like(twin, seed=1).mask_emb)
    (192, True)
    """
    kind = type(encoder)
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(seed, "random"))
        draw: Callable[[], Encoder] | None = getattr(encoder, "untrained", None)
        if draw is not None:
            return draw()
        try:
            values = describe_encoder(encoder)
        except ConfigError as error:
            raise ConfigError(f"random weights cannot be drawn, not for a {kind.__name__}: {error}; set random=false.") from error
        twin = restore_encoder(kind, values, kind.__name__)
    if hasattr(encoder, "padding"):
        twin.padding = encoder.padding  # pyright: ignore[reportAttributeAccessIssue]
    return cast(Encoder, twin)


def model_type_of(model: object) -> str:
    """What `model_type` of a config says of a model: a name in `MODELS`, or the place of its class."""
    place = place_of(type(model))
    return next((name for name, kind in MODELS.items() if kind.place == place), place)


def read_model_type(folder: Path) -> str:
    """What a folder's `config.json` says that it holds; "" if there is none that can be read."""
    try:
        kind = read_config(folder / CONFIG).get("model_type")
    except (OSError, StoreError):
        return ""
    return kind if isinstance(kind, str) else ""


def is_own(model_type: str) -> bool:
    """Whether a model type is that of an encoder written by `save`, of ours or from outside."""
    return model_type in MODELS or ":" in model_type


def read_config(path: Path) -> dict[str, object]:
    """Read a `config.json`.

    Raises:
        StoreError: if it is missing, or holds no JSON object.
    """
    if not path.is_file():
        raise StoreError(f"{path.parent} holds no {CONFIG}; expected a folder with {CONFIG} and {WEIGHTS}.")
    try:
        values = read_json(path)
    except ValueError as error:
        raise StoreError(f"{path} is not JSON ({error}).") from error
    if not isinstance(values, dict):
        raise StoreError(f"{path} holds no JSON object.")
    return values


def _class_of(values: Mapping[str, object], folder: Path, trust: Trust) -> type:
    """The class that a config names; nothing is imported that is not in the table, unless it is trusted."""
    kind = values.get("model_type")
    if not isinstance(kind, str) or not is_own(kind):
        raise ConfigError(
            f"{folder / CONFIG}: model_type is {kind!r}; known are: {', '.join(MODELS)}. A Hugging Face model is named hf:NAME."
        )
    if kind == NAMED and not trust:
        refuse_place(str(values.get("name")), folder / CONFIG)
    if kind in MODELS:
        return find_kind(kind, MODELS, "model")
    refuse_place(kind, folder / CONFIG, trust, f', or name the class yourself, as in audiossl.load("{kind}@{folder}")')
    return trusted_class(kind, folder / CONFIG, trust, "encoder")


def _restored(kind: type, values: Mapping[str, object], origin: Path, read: Callable[[], dict[str, Tensor]]) -> Any:
    """A model of a class around its weights, whatever is wrong with the values or the weights."""
    own = {key: value for key, value in values.items() if key not in (SEEN, "model_type")}
    try:
        state = read()
        if callable(from_saved := getattr(kind, "from_saved", None)):
            return from_saved(own, state)
        model = restore_encoder(kind, own, CONFIG)
        fill(model, state)
        return model
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from error
    except (StoreError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise StoreError(f"{origin} holds no {_noun(kind)} that can be read ({reason}). Train or fetch it again.") from error


def _noun(kind: type) -> str:
    return next((row.about for row in MODELS.values() if row.place == place_of(kind)), kind.__name__)
