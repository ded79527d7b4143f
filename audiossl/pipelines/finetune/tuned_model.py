"""A fine-tuned model on disk: the encoder in the public layout, the head beside it, and what its outputs mean."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from audiossl.encoder_names import refuse_place
from audiossl.errors import ConfigError, StoreError
from audiossl.files import read_json, write_json
from audiossl.load import load
from audiossl.models import hub
from audiossl.models.encoder import Encoder
from audiossl.objectives.tuned_encoder import TunedObjective
from audiossl.options import read_options
from audiossl.pipelines.finetune.task import FinetuneTask
from audiossl.pipelines.finetune.tasks import FINETUNE_TASKS, find_finetune_task

ENCODER, HEAD, CONFIG = "encoder", "head.safetensors", "head.json"


def save_tuned(objective: TunedObjective, task: FinetuneTask, kind: str, folder: Path, encoder_name: str) -> None:
    """Write a fine-tuned model; `audiossl.load` reads its folder `encoder`.

    Args:
        objective: encoder and head.
        task: whose outputs the head has.
        kind: of the task, as a recipe names it.
        folder: where to write.
        encoder_name: what the encoder was loaded by; those that do not say what they are made from need it again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    hub.save(objective.encoder.model, folder / ENCODER, name=encoder_name)
    save_file({key: value.detach().cpu().contiguous() for key, value in objective.head.state_dict().items()}, folder / HEAD)
    task.save_outputs(folder)
    about = {"task": kind, "encoder": ENCODER, "outputs": task.size, "options": asdict(objective.tuning)}
    write_json(folder / CONFIG, about)


def load_tuned(folder: Path, trust_code: hub.Trust = False, *, task: str | None = None) -> tuple[TunedObjective, object]:
    """Read a fine-tuned model, in evaluation mode, with what its outputs mean: the units, or the tags.

    Args:
        folder: that `save_tuned` wrote.
        trust_code: of an encoder that is not part of audiossl, see `audiossl.models.hub.load`.
        task: `module:Class` of a task from outside, which the folder may name.

    Raises:
        StoreError: if the folder is incomplete or damaged.
        ConfigError: if it names a task or an encoder that is neither ours nor trusted.
    """
    try:
        values: dict[str, Any] = read_json(folder / CONFIG)
        found = _task_of(values["task"], task, folder)
        options = read_options(found.options, values["options"], str(folder / CONFIG))
        objective = found.make_objective(_load_encoder(folder, values["encoder"], trust_code), values["outputs"], options)
        objective.head.load_state_dict(load_file(folder / HEAD))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise StoreError(f"expected a fine-tuned model in {folder}, could not read it: {error!r}") from error
    return objective.eval(), found.open_outputs(folder)


def _load_encoder(folder: Path, name: str, trust_code: hub.Trust) -> Encoder:
    if name == ENCODER:
        return hub.load(folder / ENCODER, trust_code=trust_code)
    refuse_place(name, folder / CONFIG, trust_code)  # up to commit ba6cba2 the name of the encoder was kept here
    encoder: Any = load(name).encoder
    encoder.load_state_dict(load_file(folder / ENCODER / hub.WEIGHTS))
    return encoder


def _task_of(name: str, trusted: str | None, folder: Path) -> type[FinetuneTask]:
    if name not in FINETUNE_TASKS and name != trusted:
        raise ConfigError(
            f"{folder / CONFIG} names the task '{name}', which is none of {', '.join(FINETUNE_TASKS)}: say that you trust it"
        )
    return find_finetune_task(name)
