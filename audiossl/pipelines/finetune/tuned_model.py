"""A fine-tuned model on disk: the encoder in the public layout, the head beside it, and what its outputs mean."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from audiossl.encoder_names import refuse_place
from audiossl.errors import StoreError
from audiossl.files import read_json, write_json
from audiossl.load import load
from audiossl.models import hub
from audiossl.models.encoder import Encoder
from audiossl.objectives.ctc import CTC, CTCConfig
from audiossl.objectives.specaugment import SpecAugmentConfig
from audiossl.objectives.tagging import Tagging, TaggingConfig
from audiossl.objectives.text_units import TextUnits, load_units
from audiossl.pipelines.finetune.labels import CLASSES, UNITS

ENCODER, HEAD, CONFIG = "encoder", "head.safetensors", "head.json"
Objective = CTC | Tagging
KINDS: dict[str, tuple[type, type]] = {"ctc": (CTC, CTCConfig), "tagging": (Tagging, TaggingConfig)}


def save_tuned(objective: Objective, folder: Path, labels: Path, encoder_name: str) -> None:
    """Write a fine-tuned model; `audiossl.load` reads its folder `encoder`.

    Args:
        objective: encoder and head.
        folder: where to write.
        labels: folder with the units or the classes, which are copied.
        encoder_name: what the encoder was loaded by; those that do not say what they are made from need it again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    encoder = objective.encoder.model
    hub.save(encoder, folder / ENCODER, name=encoder_name)
    save_file({key: value.detach().cpu().contiguous() for key, value in objective.head.state_dict().items()}, folder / HEAD)
    if (labels / CLASSES).is_file():
        shutil.copyfile(labels / CLASSES, folder / CLASSES)
    else:
        shutil.copytree(labels / UNITS, folder / UNITS, dirs_exist_ok=True)
    task = "ctc" if isinstance(objective, CTC) else "tagging"
    outputs = objective.head["output"].out_features
    write_json(folder / CONFIG, {"task": task, "encoder": ENCODER, "outputs": outputs, "options": asdict(objective.config)})


def load_tuned(folder: Path, trust_code: bool | str | type = False) -> tuple[Objective, TextUnits | list[str]]:
    """Read a fine-tuned model, in evaluation mode, with the units or the tags of its outputs.

    Args:
        folder: that `save_tuned` wrote.
        trust_code: of an encoder that is not part of audiossl, see `audiossl.models.hub.load`.

    Raises:
        StoreError: if the folder is incomplete or damaged.
    """
    try:
        values: dict[str, Any] = read_json(folder / CONFIG)
        objective_kind, config_kind = KINDS[values["task"]]
        options = {**values["options"], "spec_augment": SpecAugmentConfig(**values["options"]["spec_augment"])}
        objective = objective_kind(
            _load_encoder(folder, values["encoder"], trust_code), values["outputs"], config_kind(**options)
        )
        objective.head.load_state_dict(load_file(folder / HEAD))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise StoreError(f"expected a fine-tuned model in {folder}, could not read it: {error!r}") from error
    labels = read_json(folder / CLASSES) if values["task"] == "tagging" else load_units(folder / UNITS)
    return objective.eval(), labels


def _load_encoder(folder: Path, name: str, trust_code: bool | str | type) -> Encoder:
    if name == ENCODER:
        return hub.load(folder / ENCODER, trust_code=trust_code)
    refuse_place(name, folder / CONFIG, trust_code)
    encoder: Any = load(name).encoder
    encoder.load_state_dict(load_file(folder / ENCODER / hub.WEIGHTS))
    return encoder
