"""Loading of a `transformers` model with the front end that its config and feature extractor ask for."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from audiossl.errors import ConfigError, import_extra
from audiossl.files import read_json
from audiossl.models.hub import MODELS, read_model_type
from audiossl.teachers.foreign import Foreign
from audiossl.teachers.hugging_face_families import FrontEnd, family_of
from audiossl.torchaudio_import import import_torchaudio

EXTRACTOR_FILES = ("preprocessor_config.json", "processor_config.json")  # the second holds one since transformers 5
UNTRAINED = {"masked_spec_embed"}  # of training only


def import_transformers() -> ModuleType:
    """Import `transformers`, also next to a torchaudio whose compiled parts do not fit the installed torch.

    Raises:
        MissingExtraError: if it is not installed.
    """
    transformers = import_extra("transformers", "hf")
    # Where it is installed, transformers imports it, though nothing of it is needed here.
    if "torchaudio" not in sys.modules and importlib.util.find_spec("torchaudio") is not None:
        import_torchaudio()
    return transformers


def read_config(name: str) -> Foreign:
    """Read the config of a model.

    Raises:
        MissingExtraError: if `transformers` is not installed.
        ConfigError: if there is none that can be read.
    """
    transformers = import_transformers()
    try:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # of many kinds
        named = (kind for kind in MODELS if f"`{kind}`" in str(error))  # all that is known of a repository
        refuse_own(name, read_model_type(Path(name)) or next(named, ""))
        raise ConfigError(f"cannot load '{name}' from the Hugging Face hub or a folder: {first_sentence(error)}") from error
    refuse_own(name, config.model_type)  # which `audiossl.register_transformers` made known
    return config


def refuse_own(name: str, model_type: str) -> None:
    """Refuse an encoder of audiossl, which needs no `hf:`.

    Raises:
        ConfigError: saying how it is loaded.
    """
    if model_type in MODELS:
        raise ConfigError(f"'{name}' is an encoder of audiossl, of type {model_type}: load it as '{name}', without hf:")


def load_pretrained(name: str) -> tuple[nn.Module, FrontEnd]:
    """Load a model in float32, whatever precision its weights are stored in, and what stands before it.

    Raises:
        MissingExtraError: if `transformers` is not installed.
        ConfigError: if it cannot be loaded, or no encoder here serves it.
    """
    transformers = import_transformers()
    try:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
        family = family_of(config.model_type)
        if getattr(config, "quantization_config", None) is not None:
            raise ConfigError("has quantised weights; expected float32, float16 or bfloat16")
        model, loaded = transformers.AutoModel.from_pretrained(
            name, output_loading_info=True, trust_remote_code=False, **precision(torch.float32)
        )
        # Of Whisper only the encoder is read.
        missing = sorted(key for key in set(loaded["missing_keys"]) - UNTRAINED if not key.startswith("decoder."))
        if missing:
            raise ConfigError(f"lacks {len(missing)} weights of its model, such as {missing[0]}")
        if bad := next((key for key, weight in model.named_parameters() if not weight.isfinite().all()), None):
            raise ConfigError(f"has weights that are no finite numbers, such as {bad}: the training that made them diverged")
        extractor = read_extractor(transformers, name)
        front_end = family.front_end(config, extractor or family.default_extractor(transformers, config))
    except ConfigError as error:
        verb = "" if str(error).startswith(("is ", "has ", "lacks ")) else "cannot be served: "
        raise ConfigError(f"'{name}' {verb}{error}") from error
    except Exception as error:  # of many kinds, from transformers, safetensors and the hub's client
        raise ConfigError(f"cannot load '{name}' from the Hugging Face hub or a folder: {first_sentence(error)}") from error
    return model, front_end


def first_sentence(error: Exception) -> str:
    """The first sentence of an error; a line that ends with a colon continues in the next.

    >>> first_sentence(ValueError("no such file:\\n  config.json\\nTry again."))
    'no such file: config.json'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    last = next((place for place, line in enumerate(lines) if not line.endswith(":")), len(lines) - 1)
    return " ".join(lines[: last + 1])


def precision(dtype: torch.dtype) -> dict[str, torch.dtype]:
    """The option of `from_pretrained` for the precision of weights, under the name that the installed version has for it."""
    return {"dtype" if _version(import_transformers()) >= (4, 56) else "torch_dtype": dtype}


def _version(transformers: Any) -> tuple[int, int]:
    major, minor = transformers.__version__.split(".")[:2]
    return int(major), int(minor)


def read_extractor(transformers: Foreign | ModuleType, name: str) -> Foreign | None:
    """The feature extractor that is published with a model; None where there is none."""
    if _has_no_extractor(name):
        return None
    for file in EXTRACTOR_FILES:
        if (path := Path(name, file)).is_file():
            try:
                read_json(path)
            except (OSError, ValueError) as error:
                raise ConfigError(f"{path} cannot be read ({error})") from error
    try:
        return transformers.AutoFeatureExtractor.from_pretrained(name, trust_remote_code=False)
    except OSError:
        if _is_known_to_be_absent(name):
            return None
        raise


def _has_no_extractor(name: str) -> bool:
    folder = Path(name)
    if not folder.is_dir() or (folder / EXTRACTOR_FILES[0]).is_file():
        return False
    processor = folder / EXTRACTOR_FILES[1]
    return not processor.is_file() or "feature_extractor" not in read_json(processor)


def _is_known_to_be_absent(repository: str) -> bool:
    """Whether the hub said that a repository has no such file; then an error is no trouble of the network."""
    import huggingface_hub

    known = [huggingface_hub.try_to_load_from_cache(repository, file) for file in EXTRACTOR_FILES[:1]]
    return all(found is not None and not isinstance(found, str) for found in known)
