"""All that a run is made of, to a checkpoint and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from audiossl.errors import ConfigError
from audiossl.training.averaging import ModelAverage, load_average
from audiossl.training.checkpoints import Checkpoint, latest_checkpoint, list_checkpoints, load_checkpoint, save_checkpoint
from audiossl.training.config import PLACING, TELLING, TrainingConfig
from audiossl.training.loss_scale import LossScale
from audiossl.training.sharing import load_whole, load_whole_optimiser, whole_state

# Options that may differ when a run is resumed: they change how long it runs, what it reports, and where it computes.
FREE_TO_CHANGE = TELLING | PLACING | {"max_steps", "epochs", "checkpoint_every", "keep", "rollback_above"}


@dataclass
class Progress:
    """Where a run is; with the seed, all that the data need to resume from there.

    Attributes:
        batches_per_step: batches of a step, on all ranks together; the same all through a run, whatever ranks share them.
        step: optimiser steps taken.
        epoch, epoch_step: the next step to fetch batches for, and its place in its epoch.
        seconds: seconds of signal seen, on all ranks.
        skipped: steps that were left out.
        usual_loss, usual_steps: running mean of the loss and how many steps it is of.
        rollbacks: since the newest checkpoint.
        validation: results of the last one; a run that ended before its result was written down still knows it.
    """

    batches_per_step: int
    step: int = 0
    epoch: int = 0
    epoch_step: int = 0
    seconds: float = 0.0
    skipped: int = 0
    usual_loss: float = 0.0
    usual_steps: int = 0
    rollbacks: int = 0
    validation: dict[str, float] = field(default_factory=dict)


@dataclass
class RunState:
    """The parts of a run that change; schedules are functions of the step."""

    config: TrainingConfig
    objective: nn.Module
    optimiser: Optimizer
    average: ModelAverage | None
    progress: Progress
    loss_scale: LossScale

    def save(self, folder: Path, writes: bool) -> Path | None:
        """Write a checkpoint on the rank that writes; where the model is shared out, all ranks must call this."""
        state: dict[str, Any] = {
            "progress": asdict(self.progress),
            "model": self.objective.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "loss_scale": self.loss_scale.state_dict(),
            "random": torch.get_rng_state(),
            "config": asdict(self.config),
        }
        state = whole_state(state, keep=writes)
        return save_checkpoint(folder, self.progress.step, state, self.config.keep) if writes else None

    def restore(self, checkpoint: Checkpoint) -> None:
        """Put a checkpoint back.

        Raises:
            ConfigError: if it belongs to a run with other options.
        """
        state, now, before = checkpoint.state, asdict(self.config), checkpoint.state["config"]
        progress = Progress(**state["progress"])
        free = FREE_TO_CHANGE | ({"accumulate"} if progress.batches_per_step == self.progress.batches_per_step else set())
        if changed := [name for name in now if name not in free and now[name] != before.get(name)]:
            was = ", ".join(f"{name}={before.get(name)} (now {now[name]})" for name in changed)
            raise ConfigError(f"{checkpoint.path} was trained with {was}. Use the same options, or another output folder.")
        self._put_back(state)
        torch.set_rng_state(state["random"])
        self.progress = progress

    def roll_back(self, folder: Path) -> Path | None:
        """Put weights and optimiser of the newest checkpoint back, but continue with the data; None if there is none."""
        checkpoint = latest_checkpoint(folder)
        if checkpoint is None:
            return None
        self._put_back(checkpoint.state)
        return checkpoint.path

    def _put_back(self, state: dict[str, Any]) -> None:
        load_whole(self.objective, state["model"])
        load_whole_optimiser(self.optimiser, state["optimiser"])
        if self.average:
            self.average.load_state_dict(state["average"])
        if self.loss_scale.enabled:
            self.loss_scale.load_state_dict(state["loss_scale"])

    def load_average(self, folder: Path) -> None:
        """Give the objective the average of its weights since the oldest checkpoint that is kept."""
        if self.average:
            load_average(self.objective, self.average.since(load_checkpoint(list_checkpoints(folder)[-1])["average"]))
