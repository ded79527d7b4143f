"""Files of estimators: `config.json` with the parameters and `model.safetensors` with the weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from audiossl.errors import ConfigError, StoreError
from audiossl.files import read_json, whole_folder, write_json

MODEL_TYPE = "audiossl_estimator"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
KEYS = {"estimator": str, "params": dict, "shape": dict}


def write_estimator(
    folder: Path, name: str, params: Mapping[str, object], shape: Mapping[str, int], state: Mapping[str, Tensor]
) -> Path:
    """Write a fitted estimator into a folder, which takes the place of an earlier one.

    Args:
        folder: folder to be written.
        name: name of the class.
        params: arguments of the constructor, plain values.
        shape: what was seen in `fit`.
        state: tensors by name.

    Raises:
        StoreError: if the folder holds something that is no estimator.
        ConfigError: if it cannot be written, or a parameter is no plain value.
    """
    if folder.exists() and not is_estimator(folder) and (folder.is_file() or any(folder.iterdir())):
        raise StoreError(f"{folder} holds something that is no estimator, and is left as it is. Choose another folder.")
    plain = {key: _plain(value, key) for key, value in params.items()}
    with whole_folder(folder) as partial:
        save_file({key: value.detach().cpu().contiguous() for key, value in state.items()}, partial / WEIGHTS)
        write_json(partial / CONFIG, {"model_type": MODEL_TYPE, "estimator": name, "params": plain, "shape": dict(shape)})
    return folder


def read_estimator(folder: Path) -> tuple[dict[str, object], dict[str, Tensor]]:
    """Read what `write_estimator` wrote.

    Raises:
        StoreError: if something is missing or damaged.
    """
    if not is_estimator(folder):
        raise StoreError(f"{folder} holds no estimator: expected a folder that `save` of an estimator wrote")
    try:
        about = read_json(folder / CONFIG)
        if bad := [key for key, kind in KEYS.items() if not isinstance(about.get(key), kind)]:
            raise ValueError(f"{CONFIG} has no {bad[0]}")
        return about, load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise StoreError(f"{folder} holds no estimator that can be read ({error}). Fit and save it again.") from error


def is_estimator(folder: Path) -> bool:
    """Whether a folder's `config.json` says that it is one."""
    try:
        return read_json(folder / CONFIG).get("model_type") == MODEL_TYPE
    except (OSError, ValueError, AttributeError):
        return False


def _plain(value: object, key: str) -> object:
    """A parameter as JSON has it."""
    if isinstance(value, np.random.RandomState):
        raise ConfigError(f"{key} is a generator; its state is not saved: give a whole number")
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): _plain(item, f"{key}.{name}") for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, key) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise ConfigError(f"{key}: expected a plain value, which a file can hold, got {value!r}")
