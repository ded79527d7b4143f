"""Options of a training run."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from audiossl.errors import ConfigError
from audiossl.stage import ADDED

# What a run reports of itself, and where it computes: whatever they are, the weights come out the same but for rounding.
TELLING = frozenset({"validate_every", "health_frames", "log_every", "log_seconds", "tensorboard"})
PLACING = frozenset({"device", "num_threads", "parallel", "compile", "recompute"})
ABOVE_0 = ("lr", "accumulate", "keep", "batch_seconds", "eden_steps", "eden_hours")
FROM_0 = (
    "weight_decay", "final_lr", "warmup_steps", "clip", "rollback_above", "validate_every", "checkpoint_every", "log_every",
    "average_every", "health_frames", "log_seconds",
)  # fmt: skip


@dataclass
class TrainingConfig:
    """How long, how fast, in which precision, and what is written down when.

    Attributes:
        optimiser: `scaled_adam` (relative updates; lr around 0.045) or `adamw` (lr around 5e-4).
        lr: peak learning rate.
        lr_scales: factor on the rate of a part of the objective, by name: `{"encoder": 0.05}` slows `encoder.*`. Of several
            names that fit a parameter the longest counts.
        weight_decay, betas: decay of weights and betas of AdamW; matrices decay, vectors do not. ScaledAdam takes the betas and
            never decays.
        schedule: `cosine` to `final_lr` after a linear warm-up, `eden` (made for ScaledAdam) or `constant` after the warm-up.
        warmup_steps: steps of warm-up.
        eden_steps, eden_hours: after so many steps, and hours of signal, Eden's rate starts to fall.
        max_steps: optimiser steps; where it is None, `epochs` counts.
        epochs: passes over the data.
        batch_seconds: nominal seconds of signal per batch and rank; the hours of Eden come from it. A step sees
            batch_seconds * ranks * accumulate.
        accumulate: batches per optimiser step and rank. A run that is resumed on other ranks keeps its batches per step.
        parallel: on several ranks, `ddp` gives each the whole model; `fsdp` shares out weights, gradients and optimiser state,
            for models that with these fit on no single device. Checkpoints are the same, and a run may be resumed with the other.
        clip: largest gradient norm with AdamW, 0 for none; ScaledAdam clips by itself.
        rollback_above: a step whose loss is more than so many times the usual one (a running mean) is left out, and weights and
            optimiser go back to the newest checkpoint while the data continue; 0 for never. 3 is a sensible value.
        precision: `auto` is bf16 autocast where the device has it natively (CUDA) and float32 elsewhere. `fp16` scales the loss,
            and is for devices without bf16.
        validate_every, checkpoint_every, log_every: intervals in steps; 0 for never (a checkpoint is always written at the end).
        keep: newest checkpoints to keep.
        average_every: steps between updates of the running model average, 0 for none.
        health_frames: frames of the validation data for label-free health measures, 0 for none.
        seed: seed of everything random.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, ...
        num_threads: CPU threads of torch; None leaves torch's choice.
        log_seconds: seconds between lines on stderr where it is not a terminal.
        tensorboard: also write TensorBoard events, if it is installed.
        compile: run the encoder by `torch.compile`; for GPUs and long runs, since the first steps take minutes.
        recompute: keep the inputs of layers only and run them again in the backward pass (activation checkpointing): a third more
            work, for batches that do not fit into memory otherwise.

    Raises:
        ConfigError: naming an option out of range.

    >>> TrainingConfig("adamw", lr=1e-3, max_steps=100).precision
    'auto'
    """

    optimiser: Literal["adamw", "scaled_adam"] = "scaled_adam"
    lr: float = 0.045
    lr_scales: dict[str, float] = field(default_factory=dict)
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    schedule: Literal["cosine", "eden", "constant"] = "eden"
    final_lr: float = 0.0
    warmup_steps: int = 500
    eden_steps: float = 7500.0
    eden_hours: float = 10000.0
    max_steps: int | None = None
    epochs: float = 1.0
    batch_seconds: float = 60.0
    accumulate: int = 1
    parallel: Literal["ddp", "fsdp"] = "ddp"
    clip: float = 1.0
    rollback_above: float = 0.0
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    validate_every: int = 1000
    checkpoint_every: int = 1000
    log_every: int = 10
    keep: int = 3
    average_every: int = 0
    health_frames: int = 2000
    seed: int = 42
    device: str = "auto"
    num_threads: int | None = None
    log_seconds: float = 10.0
    tensorboard: bool = True
    compile: bool = field(default=False, metadata=ADDED)
    recompute: bool = field(default=False, metadata=ADDED)

    def __post_init__(self) -> None:
        above = {**{name: getattr(self, name) for name in ABOVE_0}, **{f"lr_scales.{k}": v for k, v in self.lr_scales.items()}}
        above |= {"epochs": self.epochs} if self.max_steps is None else {"max_steps": self.max_steps}
        above |= {} if self.num_threads is None else {"num_threads": self.num_threads}
        for name, value in {**above, **{name: getattr(self, name) for name in FROM_0}}.items():
            if not math.isfinite(value):
                raise ConfigError(f"training.{name} should be a finite number, got {value}.")
        if self.rollback_above and self.rollback_above <= 1:
            raise ConfigError(f"training.rollback_above should be 0, or above 1, got {self.rollback_above}.")
        for name, value in above.items():
            if value <= 0:
                raise ConfigError(f"training.{name} should be above 0, got {value}.")
        for name in FROM_0:
            if getattr(self, name) < 0:
                raise ConfigError(f"training.{name} should be at least 0, got {getattr(self, name)}.")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigError(f"training.betas should be at least 0 and below 1, got {self.betas}.")

    def free_options(self) -> frozenset[str]:
        """Names of the options that decide nothing of the trained weights: another value is no reason to train again.

        Checkpoints are looked at by the running average (those that are kept) and by rollbacks (the newest): only where there are
        neither may they come as often as one likes. A device decides the precision where that is `auto`, as `device=auto` does.
        """
        free = TELLING | PLACING
        if not self.average_every:
            free |= {"keep"}
            if not self.rollback_above:
                free |= {"checkpoint_every"}
        return free
