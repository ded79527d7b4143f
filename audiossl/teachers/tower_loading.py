"""Loading of an audio tower: alone, or out of a larger model that it was published in."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import reduce
from types import ModuleType

import torch
from torch import nn

from audiossl.errors import ConfigError
from audiossl.kinds import import_place
from audiossl.teachers.foreign import Foreign
from audiossl.teachers.hugging_face_loading import first_sentence, import_transformers, precision, read_extractor
from audiossl.teachers.tower_encoder import TowerEncoder
from audiossl.teachers.towers import LARGER, TOWERS, Inside, Tower


def is_tower(model_type: str) -> bool:
    """Whether models of a type are, or have, an audio tower.

    >>> is_tower("qwen2_audio"), is_tower("bert")
    (True, False)
    """
    return model_type in TOWERS or model_type in LARGER


def tower_titles() -> list[str]:
    """Common names of the families.

    >>> tower_titles()[:2]
    ['w2v-BERT', 'AST']
    """
    return [tower.title for tower in TOWERS.values()]


def load_tower(name: str, config: Foreign, last_layer: int | None = None) -> TowerEncoder:
    """Load the tower of a folder or a repository of the Hugging Face hub, without running code from either.

    Of a larger model only the weights of the tower are put into memory.

    Args:
        name: folder or repository.
        config: its config.
        last_layer: the highest layer to compute.

    Raises:
        ConfigError: if it cannot be loaded, its extractor does not fit, or the installed transformers does not have its class.
    """
    inside = LARGER.get(config.model_type)
    row = TOWERS[inside.tower if inside else config.model_type]
    transformers = import_transformers()
    try:
        part = _part(config, inside)
        model = _weights(name, part, _class_of(row, transformers.__version__), inside)
        return TowerEncoder(model, row, _extractor(transformers, name, row, part), last_layer)
    except ConfigError as error:
        raise ConfigError(f"'{name}' cannot be served: {error}") from error
    except Exception as error:  # of many kinds, from transformers, safetensors and the hub's client
        raise ConfigError(f"cannot load '{name}' from the Hugging Face hub or a folder: {first_sentence(error)}") from error


def _part(config: Foreign, inside: Inside | None) -> Foreign:
    """The tower's section of a config; None sections are refused."""
    sections = inside.section.split(".") if inside and inside.section else []
    part = reduce(lambda value, section: getattr(value, section, None), sections, config)
    if part is None:
        raise ConfigError(f"its config has no {inside.section if inside else ''}: it is published without its audio tower")
    return part


def _class_of(row: Tower, version: str) -> Foreign:
    module, _, name = row.place.partition(":")
    try:
        return getattr(importlib.import_module(f"transformers.models.{module}"), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{row.title} needs a newer transformers than {version}, which has no {name}. Install it with: "
            "pip install -U transformers"
        ) from error


def _weights(name: str, config: Foreign, kind: Foreign, inside: Inside | None) -> nn.Module:
    """Read the weights, under the names that the larger model gives them or their own."""
    renamed = {f"^{prefix.replace('.', chr(92) + '.')}": "" for prefix in inside.prefixes} if inside else {}
    options: Mapping[str, object] = {"config": config, **precision(torch.float32)}
    if renamed:
        options = {**options, "key_mapping": renamed}
    model, found = kind.from_pretrained(name, output_loading_info=True, trust_remote_code=False, **options)
    if missing := sorted(found["missing_keys"]):
        raise ConfigError(f"it lacks {len(missing)} weights of its tower, such as {missing[0]}")
    if bad := next((key for key, weight in model.named_parameters() if not weight.isfinite().all()), None):
        raise ConfigError(f"it has weights that are no finite numbers, such as {bad}: the training that made them diverged")
    return model


def usual_extractor(transformers: Foreign | ModuleType, row: Tower, config: Foreign) -> Foreign:
    """Make the feature extractor of a family, with the options that a config sets."""
    kind = import_place(row.extractor, "feature extractor") if ":" in row.extractor else getattr(transformers, row.extractor)
    return kind(**row.options(config))


def _extractor(transformers: Foreign | ModuleType, name: str, row: Tower, config: Foreign) -> Foreign:
    """The extractor that is published with the model, or the usual one of its family."""
    if ":" in row.extractor:
        return usual_extractor(transformers, row, config)
    found = read_extractor(transformers, name)
    # A processor of a larger model may name another extractor first, and clips are read as the tower needs it.
    if found is not None and isinstance(found, getattr(transformers, row.extractor)):
        return found
    return usual_extractor(transformers, row, config)
