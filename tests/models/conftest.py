"""Small Zipformers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from audiossl.models.zipformer import Zipformer, ZipformerConfig


def small_config(**overrides) -> ZipformerConfig:
    """Three stacks at 50, 12.5 and 25 Hz, width 16, two layers in the middle one."""
    sizes = {
        "num_mel_bins": 16,
        "downsampling_factor": (1, 4, 2),
        "num_encoder_layers": (1, 2, 1),
        "feedforward_dim": (24,) * 3,
        "encoder_dim": (16,) * 3,
        "encoder_unmasked_dim": (8,) * 3,
        "cnn_module_kernel": (7, 5, 3),
        "num_heads": (2,) * 3,
        "frontend": "conv1d",
        "query_head_dim": 8,
        "value_head_dim": 4,
    }
    return ZipformerConfig(**{**sizes, **overrides})


def stir(model: nn.Module) -> None:
    """Draw every parameter anew with a size that matters, since initial output layers are close to zero."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bypass" in name:
                parameter.uniform_(0.2, 0.9, generator=generator)
            elif parameter.ndim < 2:
                parameter.normal_(std=0.3, generator=generator)
            else:
                parameter.normal_(std=parameter[0].numel() ** -0.5, generator=generator)


@pytest.fixture
def make_small() -> Callable[..., Zipformer]:
    """Build a small random Zipformer in evaluation mode; arguments replace fields of its config."""

    def make(padding: str = "invariant", **overrides) -> Zipformer:
        model = Zipformer(small_config(**overrides), padding).eval()
        stir(model)
        return model

    return make


@pytest.fixture
def stirred() -> Callable[[nn.Module], nn.Module]:
    """Draw every parameter of a model anew and return it in evaluation mode."""

    def stir_and_return(model: nn.Module) -> nn.Module:
        stir(model)
        return model.eval()

    return stir_and_return
