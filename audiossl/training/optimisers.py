"""The optimiser that a config names."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import Optimizer

from audiossl.training.config import TrainingConfig
from audiossl.training.scaled_adam import ScaledAdam


def make_optimiser(module: nn.Module, config: TrainingConfig) -> Optimizer:
    """Make the optimiser of all trainable parameters of a module."""
    params = [param for param in module.parameters() if param.requires_grad]
    match config.optimiser:
        case "scaled_adam":
            return ScaledAdam(params, lr=config.lr, betas=config.betas)
        case "adamw":
            groups = [
                {"params": [param for param in params if param.ndim > 1], "weight_decay": config.weight_decay},
                {"params": [param for param in params if param.ndim <= 1], "weight_decay": 0.0},
            ]
            return torch.optim.AdamW([group for group in groups if group["params"]], lr=config.lr, betas=config.betas)
