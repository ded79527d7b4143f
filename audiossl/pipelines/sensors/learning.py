"""What rows that train an encoder read of a recipe, and training on labels, which several of them do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.objectives.window_labels import LabelledWindowBatch, WindowLabels
from audiossl.pipelines.sensors.batches import WindowBatchConfig, windows_of
from audiossl.pipelines.sensors.blocks import BLOCK
from audiossl.pipelines.sensors.config import SensorModel, SensorsRecipe, WindowTaskConfig
from audiossl.pipelines.sensors.data import SensorFold
from audiossl.pipelines.sensors.rows import Row
from audiossl.seeds import derive_seed
from audiossl.stage import Names
from audiossl.training.config import TrainingConfig
from audiossl.training.fit import fit
from audiossl.world import World


@dataclass(frozen=True)
class LabelOptions:
    """How an encoder is trained on labels.

    Attributes:
        fractions: shares of the labels, one training each.
        steps: optimiser steps.
        lr: learning rate.
    """

    fractions: list[float]
    steps: int
    lr: float

    @classmethod
    def of(cls, task: WindowTaskConfig) -> LabelOptions:
        """Take them from the task of a recipe."""
        return cls(task.fractions, task.finetune_steps, task.finetune_lr)

    def decides(self) -> list[object]:
        """All, in this order."""
        return [self.fractions, self.steps, self.lr]


@dataclass(frozen=True)
class LearningRow(Row):
    """Base of rows that train an encoder on the windows of all but test subjects.

    Attributes:
        dataset: name of the data set, which the encoder is saved with.
        encoder: sizes.
        training: optimisation.
        batches: windows in a batch.
        labels: training on labels; None where there is none.
    """

    trained = True

    dataset: str
    encoder: ResNet1dConfig
    training: TrainingConfig
    batches: WindowBatchConfig
    labels: LabelOptions | None

    @classmethod
    def of(cls, name: str, model: SensorModel, recipe: SensorsRecipe) -> LearningRow:
        """Take the sections of a recipe that training reads; a model's own batches are in place of the recipe's."""
        own = replace(model, batches=model.batches or recipe.batches)
        labels = LabelOptions.of(recipe.task) if cls.reads_labels(model) else None
        assert own.batches is not None
        options = cls.read_options(name, model)
        return cls(name, own, options, recipe.dataset, recipe.encoder, recipe.training, own.batches, labels)

    @classmethod
    def reads_labels(cls, model: SensorModel) -> bool:
        """Whether the row trains on labels."""
        return model.finetune

    def entries(self) -> list[tuple[str | Names, object]]:
        """The model with its batches, the encoder, training, and how labels are trained on."""
        labels = ("task.fractions", "task.finetune_steps", "task.finetune_lr")
        return [
            (f"models.{self.name}", self.model),
            ("encoder", self.encoder),
            ("training", self.training),
            (labels, self.labels or []),
        ]

    def draw_encoder(self, num_channels: int, rate: float) -> ResNet1d:
        """Draw an encoder of the model's sizes from torch's global generator."""
        return ResNet1d(num_channels, rate, replace(self.encoder, dim=self.model.dim or self.encoder.dim))

    def train_on_labels(
        self, fold: SensorFold, encoder: ResNet1d, seed: int, out: Path, *, variant: str, lr: float | None = None
    ) -> dict[str, Tensor]:
        """Train a copy of the encoder on each share of the labels, and answer the test windows.

        The number of steps is fixed, so labels of validation subjects are trained on, too.

        Args:
            fold: windows and task.
            encoder: where each training starts.
            seed: of heads and batches.
            out: folder for what training leaves.
            variant: name of the answers, before `@FRACTION`.
            lr: learning rate in place of that of the task.
        """
        assert self.labels is not None
        start = {name: value.clone() for name, value in encoder.state_dict().items()}
        task, windows = fold.task, fold.windows
        answers = {}
        for fraction in self.labels.fractions:
            encoder.load_state_dict(start)
            places = torch.cat(task.labelled(fraction, seed))
            known = task.y[places].float()
            mean, deviation = float(known.mean()), float(known.std(correction=0)) or 1.0
            torch.manual_seed(derive_seed(seed, "head"))
            objective = WindowLabels(encoder, len(task.classes), mean, deviation)
            batches = LabelledBatches(fold, places, self.batches.size, seed)
            training = replace(self.training, seed=seed, lr=lr or self.labels.lr, max_steps=self.labels.steps, warmup_steps=20)
            fit(objective, batches, training, out / f"{variant or 'supervised'}-{fraction:g}")
            objective.eval().cpu()
            test = [task.rows[place] for place in task.sides["test"].tolist()]
            blocks = torch.tensor(test).split(BLOCK)
            answers[f"{variant}@{fraction:g}"] = torch.cat([objective.answer(windows_of(windows, block)) for block in blocks])
        return answers


class LabelledBatches:
    """Batches of labelled windows, drawn without end; where there are few, all of them each time."""

    def __init__(self, fold: SensorFold, places: Int[Tensor, "N"], size: int, seed: int) -> None:
        self.fold, self.places, self.seed = fold, places, seed
        self.size = min(size, len(places))
        self.world = World.join()

    def __call__(self, epoch: int, first_step: int = 0, batches_per_step: int = 1) -> Iterator[LabelledWindowBatch]:
        """Iterate over this rank's batches of an epoch, from any step on."""
        task, generator = self.fold.task, torch.Generator().manual_seed(derive_seed(self.seed, "labelled", epoch))
        order = self.places[torch.randperm(len(self.places), generator=generator)]
        batches = [batch for batch in order.split(self.size) if len(batch) == self.size]
        batches = batches * batches_per_step if len(batches) < batches_per_step else batches
        for step in range(first_step, len(batches) // batches_per_step):
            group = batches[step * batches_per_step : (step + 1) * batches_per_step]
            for batch in group[self.world.rank :: self.world.size]:
                rows = torch.tensor([task.rows[place] for place in batch.tolist()])
                yield LabelledWindowBatch(windows_of(self.fold.windows, rows, epoch, self.seed), task.y[batch])
