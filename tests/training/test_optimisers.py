"""Parts of an objective that learn at a rate of their own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from audiossl.errors import ConfigError
from audiossl.training.config import TrainingConfig
from audiossl.training.optimisers import make_optimiser, set_lr


def two_parts() -> nn.ModuleDict:
    torch.manual_seed(3)
    encoder, head = nn.Linear(4, 4), nn.Linear(4, 4)
    head.load_state_dict(encoder.state_dict())
    return nn.ModuleDict({"encoder": encoder, "head": head})


def walk(module: nn.ModuleDict, config: TrainingConfig, steps: int = 5) -> None:
    """Steps in which all parts get the same gradients."""
    optimiser = make_optimiser(module, config)
    for step in range(steps):
        for index, param in enumerate(module.parameters()):
            param.grad = torch.randn(param.shape, generator=torch.Generator().manual_seed(10 * step + index % 2))
        set_lr(optimiser, config.lr)
        optimiser.step()


@pytest.mark.parametrize("optimiser", ["adamw", "scaled_adam"])
def test_a_scaled_part_moves_as_if_the_whole_rate_were_scaled(optimiser):
    mixed, slow, fast = two_parts(), two_parts(), two_parts()
    walk(mixed, TrainingConfig(optimiser=optimiser, lr=0.02, lr_scales={"encoder": 0.05}))
    walk(slow, TrainingConfig(optimiser=optimiser, lr=0.001))
    walk(fast, TrainingConfig(optimiser=optimiser, lr=0.02))
    for name in ("weight", "bias"):
        torch.testing.assert_close(getattr(mixed["encoder"], name), getattr(slow["encoder"], name), rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(getattr(mixed["head"], name), getattr(fast["head"], name), rtol=1e-6, atol=1e-7)
    moved = (mixed["encoder"].weight - two_parts()["encoder"].weight).abs().max()
    assert 0 < moved < 0.2 * (mixed["head"].weight - two_parts()["head"].weight).abs().max()


def test_the_longest_name_counts_and_a_prefix_is_a_whole_name():
    module = nn.ModuleDict({"encoder": two_parts(), "encoder2": nn.Linear(2, 2, bias=False)})
    config = TrainingConfig(lr_scales={"encoder": 0.5, "encoder.head": 0.1})
    scales = {id(p): group["lr_scale"] for group in make_optimiser(module, config).param_groups for p in group["params"]}
    found = {name: scales[id(param)] for name, param in module.named_parameters()}
    assert found == {
        "encoder.encoder.weight": 0.5, "encoder.encoder.bias": 0.5, "encoder.head.weight": 0.1, "encoder.head.bias": 0.1,
        "encoder2.weight": 1.0,
    }  # fmt: skip


def test_only_matrices_decay_in_every_part():
    groups = make_optimiser(two_parts(), TrainingConfig(optimiser="adamw", lr_scales={"encoder": 0.5})).param_groups
    assert [(group["lr_scale"], group["weight_decay"], len(group["params"])) for group in groups] == [
        (1.0, 0.01, 1), (1.0, 0.0, 1), (0.5, 0.01, 1), (0.5, 0.0, 1),
    ]  # fmt: skip


def test_wrong_scales():
    with pytest.raises(ConfigError, match=r"names 'encodr', of which nothing is trained; .* encoder, head"):
        make_optimiser(two_parts(), TrainingConfig(lr_scales={"encodr": 0.1}))
    with pytest.raises(ConfigError, match=r"lr_scales.encoder should be above 0"):
        TrainingConfig(lr_scales={"encoder": 0.0})
