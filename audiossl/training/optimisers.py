"""The optimiser that a config names."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from audiossl.errors import ConfigError
from audiossl.training.config import TrainingConfig
from audiossl.training.scaled_adam import ScaledAdam


def make_optimiser(module: nn.Module, config: TrainingConfig) -> Optimizer:
    """Make the optimiser of all trainable parameters of a module; a group's `lr_scale` says how its rate relates to the others'.

    Raises:
        ConfigError: if `config.lr_scales` names a part that has no trainable parameters.
    """
    groups = _groups_by_scale(module, config.lr_scales)
    match config.optimiser:
        case "scaled_adam":
            return ScaledAdam(groups, lr=config.lr, betas=config.betas)
        case "adamw":
            groups = [
                {**group, "params": params, "weight_decay": decay}
                for group in groups
                for decay, is_matrix in ((config.weight_decay, True), (0.0, False))
                if (params := [param for param in group["params"] if (param.ndim > 1) == is_matrix])
            ]
            return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas)


def set_lr(optimiser: Optimizer, lr: float) -> None:
    """Give every group the rate, times its `lr_scale`."""
    for group in optimiser.param_groups:
        group["lr"] = lr * group["lr_scale"]


def _groups_by_scale(module: nn.Module, scales: dict[str, float]) -> list[dict[str, Any]]:
    parts: dict[str, list[nn.Parameter]] = {part: [] for part in ("", *scales)}
    for name, param in module.named_parameters():
        if param.requires_grad:
            fits = [part for part in scales if name == part or name.startswith(f"{part}.")]
            parts[max(fits, key=len, default="")].append(param)
    for part in scales:
        if not parts[part]:
            raise ConfigError(
                f"training.lr_scales names '{part}', of which nothing is trained; parts of this objective are: "
                f"{', '.join(dict(module.named_children()))}."
            )
    return [{"params": params, "lr_scale": scales.get(part, 1.0)} for part, params in parts.items() if params]
