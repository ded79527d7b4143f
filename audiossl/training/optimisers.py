"""The optimiser that a config names."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
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
            return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=_can_be_fused(module) or None)


def set_lr(optimiser: Optimizer, lr: float) -> None:
    """Give every group the rate, times its `lr_scale`."""
    for group in optimiser.param_groups:
        group["lr"] = lr * group["lr_scale"]


def step_if_finite(optimiser: Optimizer, norm: float | Tensor) -> None:
    """Take a step, unless the norm of the gradient is not finite; where the optimiser can see to that, nobody waits for it.

    ScaledAdam takes a gradient that is not finite for zero, fused AdamW leaves the step out.
    """
    if isinstance(norm, Tensor) and all(group.get("fused") for group in optimiser.param_groups):
        optimiser.found_inf = (~norm.isfinite()).float()  # type: ignore[attr-defined]  # torch's own name, of its GradScaler
    elif not isinstance(optimiser, ScaledAdam) and not math.isfinite(norm):
        return
    optimiser.step()


def _can_be_fused(module: nn.Module) -> bool:
    """Whether AdamW may update all parameters by one kernel: on CPUs and CUDA, where they are not shared out over ranks."""
    params = list(module.parameters())
    return {param.device.type for param in params} <= {"cpu", "cuda"} and not any(hasattr(param, "to_local") for param in params)


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
