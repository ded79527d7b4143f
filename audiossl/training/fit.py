"""The training loop: fetch, forward, loss, backward, clip, step, log, save."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn

from audiossl.errors import ConfigError, StoreError
from audiossl.objectives.objective import Objective
from audiossl.seeds import derive_seed
from audiossl.training.averaging import ModelAverage
from audiossl.training.backward import back_propagate
from audiossl.training.batches import Batch, Batches, as_batches
from audiossl.training.checkpoints import latest_checkpoint
from audiossl.training.compiling import compiled
from audiossl.training.config import TrainingConfig
from audiossl.training.devices import choose_device, keep_freed_memory
from audiossl.training.feeding import feed
from audiossl.training.loss_scale import LossScale
from audiossl.training.meter import Meter
from audiossl.training.optimisers import make_optimiser, set_lr, step_if_finite
from audiossl.training.outcomes import Number, Outcomes, ids_of, skip
from audiossl.training.recomputing import recomputed
from audiossl.training.run_log import RunLog
from audiossl.training.run_state import Progress, RunState
from audiossl.training.schedules import make_schedule
from audiossl.training.sharing import average_gradients, clip_shared_gradients, give_back, local, share_out, share_statistics
from audiossl.training.spikes import is_spike
from audiossl.training.validation import validate
from audiossl.world import World


@dataclass
class FitResult:
    """How a run ended: where it is, and its last checkpoint.

    Attributes:
        progress: step, epoch and last validation.
        checkpoint: path of the last checkpoint, None where there is none.

    >>> FitResult(Progress(1, validation={"loss": 0.5}), None).validation
    {'loss': 0.5}
    """

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
    """Train an objective; started again on the same folder, resume from its newest checkpoint as if never interrupted.

    Each step back-propagates the summed losses of `accumulate` batches on every rank and divides the gradient by their summed
    weight. The global random state is set from (seed, step, rank) before each step, so dropout does not depend on what ran
    before. The objective's hooks are called around each step. A run resumed with another number of ranks keeps its batches
    per step: they share the same ones.

    A step whose gradient is not finite is left out by the optimiser itself. What became of the steps is read where a row of the
    log or a checkpoint is written; no other step waits for the device. In fp16, with `rollback_above` and on several ranks every
    step does, since what it brings decides what follows.

    Args:
        objective: objective that is trained; where it shows frames (`represent`), their health is measured at validation.
        batches: batches to train on (`audiossl.training.batches`), or a plain function of (epoch, first step, batches per step).
        config: options.
        out: folder of the run: checkpoints/, metrics.jsonl, tensorboard/.
        validation: source of this rank's validation batches, such as the `fixed` of others.
        quiet: show no progress.

    Raises:
        ConfigError: if the length of the run is unknown, the folder belongs to a run with other options or with fewer batches per
            step than there are ranks (`parallel=fsdp`: with batches that they cannot share equally), or there are no batches.
        DataError: if gradients are not finite for 10 steps in a row, or in fp16 at no scale of the loss.
        StoreError: if there are checkpoints but none can be read.

    >>> import torch
    >>> from audiossl.objectives.simclr import SimCLR
    >>> from audiossl.objectives.window_batch import WindowBatch
    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> objective = SimCLR(ResNet1d(6, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8)))
    >>> windows = WindowBatch.of(torch.randn(4, 6, 64), rate=50.0)
    >>> config = TrainingConfig(max_steps=2, tensorboard=False)
    >>> fit(objective, lambda epoch, first, per_step: [windows] * 2, config, Path("run"), quiet=True).progress.step
    2
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
    meter, pace, outcomes, last_norm = Meter(), _Pace(progress.seconds), Outcomes(), math.nan
    waits = scale.enabled or config.rollback_above > 0

    with ExitStack() as contexts:
        contexts.enter_context(recomputed(objective, config.recompute))
        contexts.enter_context(compiled(objective, config.compile))
        log = contexts.enter_context(
            RunLog(out, total_steps, progress.step, config.log_seconds, config.tensorboard, world.is_first, quiet)
        )
        for path in resumed.damaged if resumed else []:
            log.message(f"{path} is damaged and was passed over")
        if resumed:
            log.message(f"resumed from {resumed.path}, at {progress.batches_per_step} batches per step")
        for group in contexts.enter_context(closing(_steps(train, progress, world, total_steps, device))):
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
            total, weight = sum(loss.total for loss in losses), sum(loss.weight for loss in losses)
            seconds = sum(batch.seconds for batch in group)
            if world.size > 1:
                total, weight, seconds = world.sum(float(total), float(weight), seconds, device=device)
            norm = _normalise_gradients(objective, weight / world.size * scale.value, config, is_shared)
            set_lr(optimiser, schedule(progress.step))
            finite = not waits or math.isfinite(norm)
            if waits and finite and losses and is_spike(progress, float(total / max(weight, 1e-12)), config.rollback_above):
                back_to = state.roll_back(folder)
                mean = float(total / weight)
                reason = f"the loss {mean:.3g} is a spike, back to {back_to or 'nothing: there is no checkpoint yet'}"
                skip(progress.step, ids_of(group), reason, progress, log, world)
            else:
                outcomes.add(progress.step, ids_of(group), total, weight, norm, knows_usual_loss=waits or not losses)
                if finite:
                    step_if_finite(optimiser, norm)
            optimiser.zero_grad(set_to_none=True)
            progress.step += 1
            progress.seconds += seconds
            if waits and (warning := scale.update(progress.step, math.isfinite(norm))):
                log.message(warning)
            objective.after_step(progress.step)
            if average:
                average.update(objective, progress.step)

            is_last = progress.step == total_steps
            logs, saves = (is_last or _is_due(every, progress.step) for every in (config.log_every, config.checkpoint_every))
            if waits or logs or saves or outcomes.is_full:
                last_norm = outcomes.settle(progress, log, world, may_go_on=scale.enabled)
            if logs:
                values = {
                    **meter.read(world),
                    "lr": schedule(progress.step - 1),
                    "grad_norm": last_norm,
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
            if saves:
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


def _steps(
    train: Batches, progress: Progress, world: World, total_steps: int, device: torch.device
) -> Generator[list[Batch], None, None]:
    """This rank's batches of each step until `total_steps`; keeps `progress.epoch` and `.epoch_step` at the next to fetch."""
    while progress.step < total_steps:
        first = progress.epoch_step
        own = world.batches_of(progress.batches_per_step)
        wanted = islice(train(progress.epoch, first, progress.batches_per_step), (total_steps - progress.step) * own)
        with closing(feed(wanted, device, getattr(train, "prefetch", 0))) as batches:
            while progress.step < total_steps and (group := list(islice(batches, own))):
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


def _normalise_gradients(objective: nn.Module, weight: Number, config: TrainingConfig, is_shared: bool) -> Number:
    """Divide gradients by the weight, clip them for AdamW, and return their norm before clipping."""
    if is_shared:
        average_gradients(objective)
    grads = [local(param.grad) for param in objective.parameters() if param.grad is not None]
    if isinstance(weight, Tensor):
        torch._foreach_mul_(grads, weight.reciprocal().where(weight > 0, 1.0))
    elif weight > 0:
        torch._foreach_mul_(grads, 1 / weight)
    clip = config.clip if config.optimiser == "adamw" and config.clip > 0 else math.inf
    if is_shared:
        return clip_shared_gradients(objective, clip)
    return nn.utils.get_total_norm(grads) if clip == math.inf else nn.utils.clip_grad_norm_(objective.parameters(), clip)


def _is_due(every: int, step: int) -> bool:
    return every > 0 and step % every == 0
