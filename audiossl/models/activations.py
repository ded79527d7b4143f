"""Swoosh activations and BiasNorm of the Zipformer (arXiv 2310.11230, section 2.4)."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.models.exporting import is_exporting

LARGEST = 80.0  # exponent that float32 holds; beyond it the logarithm is the exponent itself
SLOPE = 0.08  # both functions fall with this slope far to the left


def swoosh_l(x: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """SwooshL(x) = log(1 + exp(x - 4)) - 0.08 x - 0.035, computed in float32."""
    return _swoosh(x, 4.0, 0.035)


def swoosh_r(x: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """SwooshR(x) = log(1 + exp(x - 1)) - 0.08 x - 0.313261687, computed in float32; zero at zero."""
    return _swoosh(x, 1.0, 0.313261687)


def swoosh_in_graph(x: Float[Tensor, "*S"], offset: float, constant: float) -> Float[Tensor, "*S"]:
    """log(1 + exp(x - offset)) - 0.08 x - constant in a third of the time of softplus, which ONNX Runtime has not vectorised."""
    shifted = _promoted(x) - (offset + constant)
    grown = (shifted.clamp_max(LARGEST).exp() + math.exp(-constant)).log()
    return (torch.maximum(grown, shifted) - SLOPE * x).to(x.dtype)


def _swoosh(x: Tensor, offset: float, constant: float) -> Tensor:
    if is_exporting():
        return swoosh_in_graph(x, offset, constant)
    if not torch.compiler.is_compiling():
        return _Swoosh.apply(x, offset, constant)
    # torch.compile saves no more than it must by itself, and cannot trace the function where sizes are symbols (torch 2.13).
    shifted = _promoted(x) - offset
    return (F.softplus(shifted) - SLOPE * shifted - (constant + SLOPE * offset)).to(x.dtype)


class _Swoosh(torch.autograd.Function):
    """log(1 + exp(x - offset)) - 0.08 x - constant, keeping only x for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, offset: float, constant: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.offset = offset
        shifted = _promoted(x) - offset
        # 0.08 x = 0.08 (x - offset) + 0.08 offset, so that one temporary serves both terms.
        out = F.softplus(shifted).add_(shifted, alpha=-SLOPE).sub_(constant + SLOPE * offset)
        return out.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        slope = (_promoted(x) - ctx.offset).sigmoid_().sub_(SLOPE)
        return slope.mul_(grads[0]).to(x.dtype), None, None


def _promoted(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


class BiasNorm(nn.Module):
    """x * exp(log_scale) / rms(x - bias) over channels, in float32; there is no epsilon."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(1.0))
        self.bias = nn.Parameter(torch.empty(dim).normal_(std=1e-4))

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        x = _promoted(x)
        mean_square = (x - self.bias).square().mean(-1, keepdim=True)
        return x * (mean_square.rsqrt() * self.log_scale.exp())
