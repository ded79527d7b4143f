"""Gradients of one step; a batch that does not fit into memory is tried again in halves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from audiossl.errors import ConfigError
from audiossl.objectives.loss import Loss
from audiossl.training.batches import Batch, Divisible
from audiossl.training.config import TrainingConfig
from audiossl.training.devices import autocast
from audiossl.training.loss_scale import LossScale
from audiossl.world import World

OUT_OF_MEMORY: type[Exception] = getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError)


def back_propagate(
    model: nn.Module, batches: Sequence[Batch], config: TrainingConfig, device: torch.device, world: World, scale: LossScale
) -> tuple[list[Loss], list[str]]:
    """Add up the gradients of a step's batches.

    Losses are sums, so halves of a batch have the gradient of the whole. An objective that compares the items of a batch with
    each other has no such halves; its batches have no method `halves` and are an error.

    Returns:
        The losses, detached, and the ids of single items that do not fit and were left out.

    Raises:
        ConfigError: if memory runs out where a batch cannot be halved, or on several ranks, which cannot repeat a step alone.
    """
    pieces, left_out = list(batches), list[str]()
    while True:
        losses, message = _try(model, pieces, config, device, world, scale)
        if message is None:
            return losses, left_out
        failed = pieces[len(losses)]
        if world.size > 1 or not isinstance(failed, Divisible):
            raise ConfigError(
                f"a batch of {failed.seconds:.0f} s does not fit into the memory of rank {world.rank} ({message}). "
                "Lower training.batch_seconds, and raise training.accumulate to keep what a step sees."
            )
        halves = failed.halves()
        if not halves:
            left_out += [str(item) for item in failed.ids]
        pieces[len(losses) : len(losses) + 1] = halves
        model.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.empty_cache()


def _try(
    model: nn.Module, batches: Sequence[Batch], config: TrainingConfig, device: torch.device, world: World, scale: LossScale
) -> tuple[list[Loss], str | None]:
    """The losses of all batches, or those before the one that did not fit and what the device said of it.

    A function of its own: what an exception holds on to is free when it has returned.
    """
    losses: list[Loss] = []
    try:
        for index, batch in enumerate(batches):
            with world.hold_gradients(model, hold=index + 1 < len(batches)):
                with autocast(config, device):
                    loss = model(batch.to(device))
                scale.apply(loss.total).backward()
            losses.append(replace(loss, total=loss.total.detach()))
    except OUT_OF_MEMORY as error:
        return losses, str(error).splitlines()[0]
    return losses, None
