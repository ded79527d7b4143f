"""The training loop: fetch, forward, loss, backward, clip, step, log, save."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.objectives.objective import Objective
from audiossl.seeds import derive_seed
from audiossl.training.averaging import ModelAverage
from audiossl.training.backward import back_propagate
from audiossl.training.batches import Batch, Batches, as_batches
from audiossl.training.checkpoints import latest_checkpoint
from audiossl.training.config import TrainingConfig
from audiossl.training.devices import choose_device, keep_freed_memory
from audiossl.training.loss_scale import LossScale
from audiossl.training.meter import Meter
from audiossl.training.optimisers import make_optimiser, set_lr
from audiossl.training.run_log import RunLog
from audiossl.training.run_state import Progress, RunState
from audiossl.training.schedules import make_schedule
from audiossl.training.sharing import average_gradients, clip_shared_gradients, give_back, local, share_out, share_statistics
from audiossl.training.spikes import is_spike
from audiossl.training.validation import validate
from audiossl.world import World

MAX_SKIPPED = 10  # steps in a row without a finite gradient before a run gives up


@dataclass
class FitResult:
    """How a run ended: where it is, and its last checkpoint."""

    progress: Progress
    checkpoint: Path | None

    @property
    def validation(self) -> dict[str, float]:
        """What the last validation measured."""
        return self.progress.validation


def fit(
    objective: Objective,
    batches: Batches | Callable[[int, int, int], Iterable[Batch]],
    config: TrainingConfig,
    out: Path,
    *,
    validation: Callable[[], Iterable[Batch]] | None = None,
    quiet: bool = False,
) -> FitResult:
    """Train an objective; started again on the same folder, go on from its newest checkpoint as if never interrupted.

    Each step back-propagates the summed losses of `accumulate` batches on every rank and divides the gradient by their summed
    weight. The global random state is set from (seed, step, rank) before each step, so dropout does not depend on what ran
    before. The objective's hooks are called around each step. A run that goes on with another number of ranks keeps its batches
    per step: they share the same ones.

    Args:
        objective: what is trained; where it shows frames (`represent`), their health is measured at validation.
        batches: to train on (`audiossl.training.batches`), or a plain function of (epoch, first step, batches per step).
        config: options.
        out: folder of the run: checkpoints/, metrics.jsonl, tensorboard/.
        validation: to this rank's validation batches, such as the `fixed` of others.
        quiet: show no progress.

    Raises:
        ConfigError: if the length of the run is unknown, the folder belongs to a run with other options or with fewer batches per
            step than there are ranks (`parallel=fsdp`: with batches that they cannot share equally), or there are no batches.
        DataError: if gradients are not finite for 10 steps in a row, or in fp16 at no scale of the loss.
        StoreError: if there are checkpoints but none can be read.
    """
    world, folder = World.join(), out / "checkpoints"
    device = choose_device(config, world)
    if device.type == "cpu":
        keep_freed_memory()
    if config.num_threads is not None:
        torch.set_num_threads(config.num_threads)
    given, is_shared = objective, config.parallel == "fsdp" and world.size > 1
    objective = share_out(given, device) if is_shared else given.to(device)
    average = ModelAverage(objective, config.average_every) if config.average_every else None
    optimiser = make_optimiser(objective, config)
    scale = LossScale(enabled=config.precision == "fp16")
    state = RunState(config, objective, optimiser, average, Progress(world.size * config.accumulate), scale)
    if resumed := latest_checkpoint(folder):
        state.restore(resumed)
    progress = state.progress
    _check_ranks(progress, world, is_shared)
    model = world.wrap(objective, device)
    train = as_batches(batches)
    total_steps = _total_steps(config, progress, train)
    schedule = make_schedule(config, total_steps, progress.batches_per_step)
    result = FitResult(progress, resumed.path if resumed else None)
    meter, pace, skipped = Meter(), _Pace(progress.seconds), 0

    with RunLog(out, total_steps, progress.step, config.log_seconds, config.tensorboard, world.is_first, quiet) as log:
        for path in resumed.damaged if resumed else []:
            log.message(f"{path} is damaged and was passed over")
        if resumed:
            log.message(f"resumed from {resumed.path}, at {progress.batches_per_step} batches per step")
        for group in _steps(train, progress, world, total_steps):
            torch.manual_seed(derive_seed(config.seed, "step", progress.step, world.rank))
            model.train()
            if is_shared:
                share_statistics(objective)
            objective.before_step(progress.step, progress.seconds)
            losses, too_large = back_propagate(model, group, config, device, world, scale)
            if too_large:
                log.skip(progress.step, "does not fit into memory by itself and is left out", too_large)
            for loss in losses:
                meter.add(loss)
            sums = sum(float(loss.total) for loss in losses), sum(loss.weight for loss in losses)
            total, weight, seconds = world.sum(*sums, sum(batch.seconds for batch in group), device=device)
            norm = _normalise_gradients(objective, weight / world.size * scale.value, config, is_shared)
            set_lr(optimiser, schedule(progress.step))
            if not math.isfinite(norm):
                skipped += 1
                _skip(progress, group, "the gradient is not finite, the step is left out", log, world)
                if skipped >= MAX_SKIPPED and not scale.enabled:  # with fp16 a smaller scale may help
                    raise DataError(
                        f"no finite gradient in {MAX_SKIPPED} steps in a row; their items are in {log.skipped}. "
                        "Lower training.lr, or look at the items."
                    )
            elif losses and is_spike(progress, total / max(weight, 1e-12), config.rollback_above):
                back_to = state.roll_back(folder)
                reason = f"the loss {total / weight:.3g} is a spike, back to {back_to or 'nothing: there is no checkpoint yet'}"
                _skip(progress, group, reason, log, world)
            else:
                optimiser.step()
                skipped = 0
            optimiser.zero_grad(set_to_none=True)
            progress.step += 1
            progress.seconds += seconds
            if warning := scale.update(progress.step, math.isfinite(norm)):
                log.message(warning)
            objective.after_step(progress.step)
            if average:
                average.update(objective, progress.step)

            is_last = progress.step == total_steps
            if is_last or _is_due(config.log_every, progress.step):
                values = {
                    **meter.read(world),
                    "lr": schedule(progress.step - 1),
                    "grad_norm": norm,
                    "skipped": progress.skipped,
                    **pace.read(progress),
                }
                log.write(progress.step, "train", values)
                log.progress(progress.step, values)
            if validation and (is_last or _is_due(config.validate_every, progress.step)):
                if is_shared:
                    give_back(objective, given, device)
                progress.validation = validate(given, validation, config, world, device)
                if is_shared:
                    given.cpu()
                log.write(progress.step, "validation", progress.validation)
                log.message(f"validation at step {progress.step}: loss {progress.validation.get('loss', math.nan):.4f}")
                pace = _Pace(progress.seconds)
            if is_last or _is_due(config.checkpoint_every, progress.step):
                progress.rollbacks = 0
                result.checkpoint = state.save(folder, world.is_first)
    world.wait()
    state.load_average(folder)
    if is_shared:
        give_back(objective, given, device)
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


def _steps(train: Batches, progress: Progress, world: World, total_steps: int) -> Iterator[list[Batch]]:
    """This rank's batches of each step until `total_steps`; keeps `progress.epoch` and `.epoch_step` at the next to fetch."""
    while progress.step < total_steps:
        first = progress.epoch_step
        batches = iter(train(progress.epoch, first, progress.batches_per_step))
        while progress.step < total_steps and (group := list(islice(batches, world.batches_of(progress.batches_per_step)))):
            progress.epoch_step += 1
            yield group
        if progress.step < total_steps:
            if progress.epoch_step == first == 0:
                raise ConfigError(
                    f"epoch {progress.epoch} does not fill a step of {progress.batches_per_step} batches. Check the manifest."
                )
            progress.epoch, progress.epoch_step = progress.epoch + 1, 0


def _check_ranks(progress: Progress, world: World, is_shared: bool) -> None:
    if is_shared and progress.batches_per_step % world.size:
        raise ConfigError(
            f"this run takes {progress.batches_per_step} batches per step, which {world.size} processes cannot share equally, as "
            "training.parallel=fsdp needs. Start another number, or use ddp."
        )
    if progress.batches_per_step < world.size:
        raise ConfigError(
            f"this run takes {progress.batches_per_step} batches per step, too few for {world.size} processes. "
            "Start fewer, or choose another output folder."
        )
    if len(steps := set(world.gather(progress.step))) > 1:
        raise StoreError(f"the processes resume from different steps, {sorted(steps)}. They must all see one output folder.")


def _total_steps(config: TrainingConfig, progress: Progress, batches: Batches) -> int:
    if config.max_steps is not None:
        return config.max_steps
    if not (steps := batches.steps_per_epoch(progress.batches_per_step)):
        raise ConfigError("training.max_steps is not set and the number of steps of an epoch is not known; set max_steps.")
    return max(1, round(config.epochs * steps))


def _normalise_gradients(objective: nn.Module, weight: float, config: TrainingConfig, is_shared: bool) -> float:
    """Divide gradients by the weight, clip them for AdamW, and return their norm before clipping."""
    if is_shared:
        average_gradients(objective)
    grads = [local(param.grad) for param in objective.parameters() if param.grad is not None]
    if weight > 0:
        torch._foreach_mul_(grads, 1 / weight)
    clip = config.clip if config.optimiser == "adamw" and config.clip > 0 else math.inf
    return clip_shared_gradients(objective, clip) if is_shared else float(nn.utils.clip_grad_norm_(objective.parameters(), clip))


def _skip(progress: Progress, batches: list[Batch], reason: str, log: RunLog, world: World) -> None:
    """Count and list a step that is left out."""
    own = [str(item) for batch in batches for item in getattr(batch, "ids", [])]
    log.skip(progress.step, reason, [item for of_rank in world.gather(own) for item in of_rank])
    progress.skipped += 1


def _is_due(every: int, step: int) -> bool:
    return every > 0 and step % every == 0
