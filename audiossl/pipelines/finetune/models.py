"""The stages `train` and `train_random` of a fine-tuning run (arXiv 2510.25955)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from audiossl.errors import ConfigError
from audiossl.files import write_json
from audiossl.load import load
from audiossl.models import hub
from audiossl.models.encoder import Encoder
from audiossl.objectives.tuned_encoder import TuningConfig
from audiossl.pipelines.finetune.batches import LabelledBatches
from audiossl.pipelines.finetune.task import FinetuneTask
from audiossl.pipelines.finetune.tasks import find_finetune_task
from audiossl.pipelines.finetune.tuned_model import ENCODER, save_tuned
from audiossl.pipelines.sides import open_split, read_sides
from audiossl.pipelines.unseen import check_unseen, trained_ids, write_trained_on
from audiossl.recipe import console
from audiossl.seeds import derive_seed
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.loading_options import LoadingOptions
from audiossl.stage import FREE, Names, StageConfig
from audiossl.training.config import TrainingConfig
from audiossl.training.fit import fit
from audiossl.world import World


@dataclass(frozen=True)
class TrainStage(StageConfig):
    """What decides a fine-tuned model.

    Attributes:
        task: kind of labels.
        options: options of its objective.
        max_item_seconds: longer training items are left out or cropped, as the task does it.
        training: the loop, with the seed of the recipe.
        identity: digest that the encoder's weights are known by.
        digest: digest of the source of a task from outside.
        encoder: name that the encoder is loaded by.
        data: number of threads that read, and of batches that are read ahead.
    """

    task: str
    options: TuningConfig
    max_item_seconds: float
    training: TrainingConfig
    identity: str
    digest: str = ""
    encoder: str = field(default="", metadata=FREE)
    data: LoadingOptions = field(default_factory=LoadingOptions, metadata=FREE)

    def decides(self) -> list[object]:
        """The options, and the weights; a digest where there is one."""
        own: list[object] = [self.task, self.options, self.max_item_seconds, self.training]
        return [own, self.identity, *([self.digest] if self.digest else [])]

    def names(self) -> Names:
        """Names of these."""
        own = ("task", self.task, "max_item_seconds", "training")
        return (own, "the weights of the encoder", *(("the source of the task",) if self.digest else ()))


def train(out: Path, inputs: Mapping[str, Path], config: TrainStage) -> None:
    """Train the encoder further on labels, with a head, and save both.

    Raises:
        ConfigError: if the encoder was trained on test items, or wants another rate.
    """
    sides = read_sides(inputs["corpus"])
    check_unseen(sides["test"], config.encoder, Corpus.open(inputs["corpus"] / "corpus"))
    train_model(out, inputs, config, load(config.encoder).encoder)
    if World.join().is_first:  # the run that the encoder came from may be renamed later
        write_trained_on(out / "model" / ENCODER, trained_ids(config.encoder).union(sides["train"]))


def train_random(out: Path, inputs: Mapping[str, Path], config: TrainStage) -> None:
    """Train the same architecture from random weights, which there is no need to preserve: at once, and at the whole rate."""
    scratch = replace(config, options=replace(config.options, freeze_steps=0), training=replace(config.training, lr_scales={}))
    train_model(out, inputs, scratch, hub.untrained_like(load(config.encoder).encoder, config.training.seed))


def train_model(out: Path, inputs: Mapping[str, Path], config: TrainStage, encoder: Encoder) -> None:
    """Train an encoder with a head and save both."""
    world = World.join()
    task = find_finetune_task(config.task).open(inputs["labels"])
    train_side, valid_side = (open_split(inputs["corpus"], side) for side in ("train", "valid"))
    if train_side.sample_rate != encoder.sample_rate:
        raise ConfigError(
            f"{config.encoder} wants {encoder.sample_rate:g} Hz, the corpus has {train_side.sample_rate} Hz. Build it so."
        )
    training = config.training
    torch.manual_seed(derive_seed(training.seed, "head"))
    objective = task.make_objective(encoder, task.size, config.options)
    left_out: dict[str, str] = {}
    train, valid = (_batches(task, side, config, left_out) for side in (train_side, valid_side))
    result = fit(objective, train, training, out, validation=valid.fixed if len(valid.corpus) else None)
    own = {id_: str(error) for id_, error in {**train.failed, **valid.failed}.items()} | objective.left_out
    left_out |= {id_: reason for of_rank in world.gather(own) for id_, reason in of_rank.items()}
    if not world.is_first:
        return
    if left_out:
        first, reason = next(iter(left_out.items()))
        said = f"{len(left_out)} items were left out of training, see the report; '{first}': {reason}"
        console.print(said, style="yellow", markup=False, soft_wrap=True)
    save_tuned(objective, task, config.task, out / "model", config.encoder)
    summary: dict[str, object] = {"steps": result.progress.step, "seconds": result.progress.seconds, "left_out": left_out}
    write_json(out / "result.json", {**summary, "validation": result.validation})


def _batches(task: FinetuneTask, side: Corpus, config: TrainStage, left_out: dict[str, str]) -> LabelledBatches:
    """Batches of the items of a side that have labels; too long ones are noted in `left_out` where the task does not crop."""
    items = side.subset(item.id for item in side if item.id in task.truth)
    if not task.crops:
        long = [item.id for item in items if item.num_samples > config.max_item_seconds * side.sample_rate]
        left_out.update(dict.fromkeys(long, f"longer than {config.max_item_seconds:g} s"))
        items = items.subset({item.id for item in items} - set(long))
    targets = {item.id: task.target(item.id) for item in items}
    crop = config.max_item_seconds if task.crops else None
    return LabelledBatches(items, targets, config.training.batch_seconds, config.training.seed, crop, config.data)
