"""The training loop: fetch, forward, loss, backward, clip, step, log, save."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from audiossl.errors import ConfigError, DataError
from audiossl.seeds import derive_seed
from audiossl.training.averaging import ModelAverage
from audiossl.training.checkpoints import latest_checkpoint
from audiossl.training.config import TrainingConfig
from audiossl.training.devices import autocast, choose_device, keep_freed_memory
from audiossl.training.meter import Meter
from audiossl.training.optimisers import make_optimiser, set_lr
from audiossl.training.run_log import RunLog
from audiossl.training.run_state import Progress, RunState
from audiossl.training.schedules import make_schedule
from audiossl.training.validation import validate
from audiossl.training.world import World

MAX_SKIPPED = 10  # steps in a row without a finite gradient before a run gives up


@runtime_checkable
class Batch(Protocol):
    """What the loop asks of a batch; the rest is between the data and the objective."""

    @property
    def seconds(self) -> float:
        """Seconds of signal without padding."""
        ...

    def to(self, device: torch.device) -> Any:
        """Move to a device."""
        ...


@dataclass
class FitResult:
    """How a run ended: where it is, its last checkpoint and its last validation."""

    progress: Progress
    checkpoint: Path | None
    validation: dict[str, float] = field(default_factory=dict)


def fit(
    objective: nn.Module,
    train: Callable[[int, int], Iterable[Batch]],
    config: TrainingConfig,
    out: Path,
    *,
    batches_per_epoch: int | None = None,
    validation: Callable[[], Iterable[Batch]] | None = None,
) -> FitResult:
    """Train an objective; started again on the same folder, go on from its newest checkpoint as if never interrupted.

    Each step back-propagates the summed losses of `accumulate` batches on every rank and divides the gradient by their summed
    weight. The global random state is set from (seed, step, rank) before each step, so dropout does not depend on what ran
    before. An objective may have `before_step(step, seconds)` and `after_step(step)`, for schedules inside a model and for moving
    averages.

    Args:
        objective: module whose `forward(batch)` returns a `Loss`. With `represent(batch)`, its health is measured at validation.
        train: (epoch, first batch) to this rank's batches of the epoch from that batch on; a pure function of its arguments.
        config: options.
        out: folder of the run: checkpoints/, metrics.jsonl, tensorboard/.
        batches_per_epoch: batches of this rank in an epoch; needed where `config.max_steps` is None.
        validation: to this rank's validation batches.

    Raises:
        ConfigError: if the length of the run is unknown, the folder belongs to a run with other options, or there are no batches.
        DataError: if gradients are not finite for 10 steps in a row.
        StoreError: if there are checkpoints but none can be read.
    """
    world, total_steps, folder = World.join(), _total_steps(config, batches_per_epoch), out / "checkpoints"
    device = choose_device(config, world)
    schedule = make_schedule(config, total_steps, world.size)
    if device.type == "cpu":
        keep_freed_memory()
    if config.num_threads is not None:
        torch.set_num_threads(config.num_threads)
    objective.to(device)
    average = ModelAverage(objective, config.average_every) if config.average_every else None
    optimiser = make_optimiser(objective, config)
    state = RunState(config, objective, optimiser, average, Progress())
    if resumed := latest_checkpoint(folder):
        state.restore(resumed)
    progress, model = state.progress, world.wrap(objective, device)
    result = FitResult(progress, resumed.path if resumed else None)
    meter, pace, skipped = Meter(), _Pace(progress.seconds), 0

    with RunLog(out, total_steps, progress.step, config.log_seconds, config.tensorboard, world.is_first) as log:
        for path in resumed.damaged if resumed else []:
            log.message(f"{path} is damaged and was passed over")
        if resumed:
            log.message(f"resumed from {resumed.path}")
        for batches in _steps(train, progress, config.accumulate, total_steps):
            torch.manual_seed(derive_seed(config.seed, "step", progress.step, world.rank))
            model.train()
            _call(objective, "before_step", progress.step, progress.seconds)
            weight = 0.0
            for index, batch in enumerate(batches):
                with world.hold_gradients(model, hold=index + 1 < len(batches)):
                    with autocast(config, device):
                        loss = model(batch.to(device))
                    loss.total.backward()
                weight += loss.weight
                meter.add(loss)

            weight, seconds = world.sum(weight, sum(batch.seconds for batch in batches), device=device)
            norm = _normalise_gradients(objective, weight / world.size, config)
            set_lr(optimiser, schedule(progress.step))
            if math.isfinite(norm):
                optimiser.step()
            skipped = 0 if math.isfinite(norm) else _skip(skipped, progress.step, batches, log)
            optimiser.zero_grad(set_to_none=True)
            progress.step += 1
            progress.seconds += seconds
            _call(objective, "after_step", progress.step)
            if average:
                average.update(objective, progress.step)

            is_last = progress.step == total_steps
            if is_last or _is_due(config.log_every, progress.step):
                values = {**meter.read(world), "lr": schedule(progress.step - 1), "grad_norm": norm, **pace.read(progress)}
                log.write(progress.step, "train", values)
                log.progress(progress.step, values)
            if validation and (is_last or _is_due(config.validate_every, progress.step)):
                result.validation = validate(objective, validation, config, world, device)
                log.write(progress.step, "validation", result.validation)
                log.message(f"validation at step {progress.step}: loss {result.validation.get('loss', math.nan):.4f}")
                pace = _Pace(progress.seconds)
            if is_last or _is_due(config.checkpoint_every, progress.step):
                result.checkpoint = state.save(folder) if world.is_first else None
    world.wait()
    state.load_average(folder)
    return result


class _Pace:
    """Seconds of signal per second of time since the last reading."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.time = seconds, time.monotonic()

    def read(self, progress: Progress) -> dict[str, float]:
        seconds, passed = progress.seconds - self.seconds, time.monotonic() - self.time
        self.seconds, self.time = progress.seconds, time.monotonic()
        return {
            "seconds_per_second": seconds / max(passed, 1e-9),
            "hours": progress.seconds / 3600,
            "epoch": float(progress.epoch),
        }


def _steps(
    train: Callable[[int, int], Iterable[Batch]], progress: Progress, accumulate: int, total_steps: int
) -> Iterator[list[Batch]]:
    """The batches of each step until `total_steps`; keeps `progress.epoch` and `.batch` at the next batch to fetch."""
    while progress.step < total_steps:
        batches, first = iter(train(progress.epoch, progress.batch)), progress.batch
        while progress.step < total_steps and (group := list(islice(batches, accumulate))):
            progress.batch += len(group)
            yield group
        if progress.step < total_steps:
            if progress.batch == first == 0:
                raise ConfigError(f"there are no training batches in epoch {progress.epoch}. Check the manifest.")
            progress.epoch, progress.batch = progress.epoch + 1, 0


def _total_steps(config: TrainingConfig, batches_per_epoch: int | None) -> int:
    if config.max_steps is not None:
        return config.max_steps
    if not batches_per_epoch:
        raise ConfigError("training.max_steps is not set and the number of batches of an epoch is not known; set max_steps.")
    return max(1, round(config.epochs * math.ceil(batches_per_epoch / config.accumulate)))


def _normalise_gradients(objective: nn.Module, weight: float, config: TrainingConfig) -> float:
    """Divide gradients by the weight, clip them for AdamW, and return their norm before clipping."""
    grads = [param.grad for param in objective.parameters() if param.grad is not None]
    if weight > 0:
        torch._foreach_mul_(grads, 1 / weight)
    clip = config.clip if config.optimiser == "adamw" and config.clip > 0 else math.inf
    return float(nn.utils.clip_grad_norm_(objective.parameters(), clip))


def _skip(skipped: int, step: int, batches: list[Batch], log: RunLog) -> int:
    """Report a step whose gradient is not finite; too many in a row end the run."""
    ids = [str(item) for batch in batches for item in getattr(batch, "ids", [])][:5]
    log.message(f"step {step}: the gradient is not finite, the step is left out (items {', '.join(ids)} ...)")
    if skipped + 1 >= MAX_SKIPPED:
        raise DataError(f"no finite gradient in {MAX_SKIPPED} steps, the last with items {ids} ... Lower training.lr.")
    return skipped + 1


def _is_due(every: int, step: int) -> bool:
    return every > 0 and step % every == 0


def _call(objective: nn.Module, hook: str, *args: int | float) -> None:
    """Call a hook that an objective may have."""
    if callable(function := getattr(objective, hook, None)):
        function(*args)
