"""Depthwise convolution over time for (B, T, D) tensors, fast on CPUs in both directions."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.models.exporting import is_exporting


class DepthwiseConv(nn.Conv1d):
    """One kernel per channel, zeros beyond the ends, same length; parameters of a `Conv1d` with `groups=dim`.

    Args:
        dim: channels.
        kernel: taps; odd unless causal.
        causal: the last tap lies on the frame itself, not the middle one.
    """

    def __init__(self, dim: int, kernel: int, causal: bool = False) -> None:
        super().__init__(dim, dim, kernel, groups=dim)
        self.before = kernel - 1 if causal else kernel // 2  # taps before the frame

    def forward(self, input: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        if is_exporting():
            return _convolve(input, self.weight, self.bias, self.before)
        compiled_step = torch.compiler.is_compiling() and torch.is_grad_enabled()  # sizes are symbols then
        if input.device.type == "cpu" and self.weight.dtype == torch.float32 and not compiled_step:
            with torch.autocast("cpu", enabled=False):
                if torch.compiler.is_compiling() and not torch.is_grad_enabled():
                    return _opaque_convolve(input.float(), self.weight, self.bias, self.before)
                return _DepthwiseOnCpu.apply(input.float(), self.weight, self.bias, self.before)
        after = self.kernel_size[0] - 1 - self.before
        return super().forward(F.pad(input.transpose(1, 2), (self.before, after))).transpose(1, 2)


class _DepthwiseOnCpu(torch.autograd.Function):
    """Depthwise convolution as an image of height 1 in channels-last layout, which is the layout of (B, T, D).

    PyTorch's own 1-D path transposes and is many times slower on CPUs. So is its gradient, which here is the same convolution
    with the kernel turned round, and one product-sum per tap.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, before: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.before = before
        return _convolve(x, weight, bias, before)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        grad = grads[0].contiguous()
        kernel, frames = weight.shape[2], x.shape[1]
        after = kernel - 1 - ctx.before
        grad_x = _convolve(grad, weight.flip(2), None, after) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return grad_x, None, None, None
        padded = F.pad(x, (0, 0, ctx.before, after))
        grad_weight = torch.stack([(padded[:, tap : tap + frames] * grad).sum((0, 1)) for tap in range(kernel)], dim=1)
        return grad_x, grad_weight[:, None], grad.sum((0, 1)), None


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, before: int) -> Tensor:
    dim, _, kernel = weight.shape
    both = min(before, kernel - 1 - before)
    x = F.pad(x, (0, 0, before - both, kernel - 1 - before - both))
    image = x.transpose(1, 2)[:, :, None]  # (B, D, 1, T), strided as channels-last
    out = F.conv2d(image, weight[:, :, None], bias, padding=(0, both), groups=dim)
    return out[:, :, 0].transpose(1, 2)


def _convolve_densely(x: Tensor, weight: Tensor, bias: Tensor | None, before: int) -> Tensor:
    return _convolve(x, weight, bias, before).contiguous()


# torch.compile would choose another layout, in which the convolution is several times slower.
_opaque_convolve = torch.library.custom_op(
    "audiossl::depthwise_convolution",
    _convolve_densely,
    mutates_args=(),
    schema="(Tensor x, Tensor weight, Tensor? bias, int before) -> Tensor",
)
_opaque_convolve.register_fake(lambda x, weight, bias, before: torch.empty_like(x, memory_format=torch.contiguous_format))
