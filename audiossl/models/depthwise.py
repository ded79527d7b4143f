"""Depthwise convolution over time for (B, T, D) tensors, fast on CPUs in both directions."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class DepthwiseConv(nn.Conv1d):
    """One odd kernel per channel, zeros beyond both ends, same length; parameters of a `Conv1d` with `groups=dim`."""

    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__(dim, dim, kernel, padding=kernel // 2, groups=dim)

    def forward(self, input: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        if input.device.type == "cpu" and self.weight.dtype == torch.float32:
            with torch.autocast("cpu", enabled=False):
                return _DepthwiseOnCpu.apply(input.float(), self.weight, self.bias)
        return super().forward(input.transpose(1, 2)).transpose(1, 2)


class _DepthwiseOnCpu(torch.autograd.Function):
    """Depthwise convolution as an image of height 1 in channels-last layout, which is the layout of (B, T, D).

    PyTorch's own 1-D path transposes and is many times slower on CPUs. So is its gradient, which here is the same convolution
    with the kernel turned round, and one product-sum per tap.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _convolve(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        grad = grads[0].contiguous()
        grad_x = _convolve(grad, weight.flip(2), None) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return grad_x, None, None
        kernel, frames = weight.shape[2], x.shape[1]
        padded = F.pad(x, (0, 0, kernel // 2, kernel // 2))
        grad_weight = torch.stack([(padded[:, tap : tap + frames] * grad).sum((0, 1)) for tap in range(kernel)], dim=1)
        return grad_x, grad_weight[:, None], grad.sum((0, 1))


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    dim, _, kernel = weight.shape
    image = x.transpose(1, 2)[:, :, None]  # (B, D, 1, T), strided as channels-last
    out = F.conv2d(image, weight[:, :, None], bias, padding=(0, kernel // 2), groups=dim)
    return out[:, :, 0].transpose(1, 2)
