"""Loss and health on data that are not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from audiossl.objectives.objective import Objective
from audiossl.training.batches import Batch
from audiossl.training.config import TrainingConfig
from audiossl.training.devices import autocast
from audiossl.training.health import measure_health
from audiossl.training.meter import Meter
from audiossl.world import World


@torch.no_grad()
def validate(
    objective: Objective, batches: Callable[[], Iterable[Batch]], config: TrainingConfig, world: World, device: torch.device
) -> dict[str, float]:
    """Mean loss and parts over the validation batches of all ranks, and the health of the first frames of the first rank."""
    objective.eval()
    meter = Meter()
    for batch in batches():
        with autocast(config, device):
            meter.add(objective(batch.to(device)))
    values = meter.read(world)
    if world.is_first and config.health_frames:
        values |= measure_health(objective, (batch.to(device) for batch in batches()), config.health_frames)
    return values
