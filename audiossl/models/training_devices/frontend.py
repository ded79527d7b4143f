"""The forward passes of the front ends in training, with their devices (arXiv 2310.11230, sections 2.1 and 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from audiossl.lengths import padding_mask
from audiossl.models.activations import swoosh_l, swoosh_r
from audiossl.models.frontend import pointwise
from audiossl.models.training_devices.layer import DROPOUT
from audiossl.models.training_devices.schedule import Schedule
from audiossl.models.training_devices.skips import add_kept, keep_sequences, shared_dropout
from audiossl.models.training_devices.workshop import Workshop

if TYPE_CHECKING:
    from audiossl.models.frontend import Conv1dFrontend, Conv2dFrontend, ConvNeXt

CONVNEXT_SKIP = Schedule((0, 0.2), (20000, 0.015))
FIRST_CONV_GRADIENT = 0.2
Device = Callable[[Tensor, Tensor | None], Tensor]


class Conv2dFrontendInTraining:
    """Stands in for `Conv2dFrontend.forward` in training mode."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self.balancers = {index: shop.balancer((0.05, 0.95), (0.2, top)) for index, top in (("0", 1.0), ("4", 4.0), ("7", 4.0))}
        self.convnext_hidden = shop.balancer((0.3, 1.0), (0.75, 5.0))
        self.convnext_out = shop.balancer((0.4, 0.6), (1.0, 6.0))
        self.convnext_whiten = shop.whiten(5.0, 5.0)
        self.out_whiten = shop.whiten(4.0, 8.0, grad_scale=0.02)

    def __call__(
        self, module: Conv2dFrontend, features: Float[Tensor, "B T M"], padding: Bool[Tensor, "B T2"] | None
    ) -> Float[Tensor, "B T2 D"]:
        """Transform features, with the devices."""
        options, x = self.shop.options, features[:, None].contiguous(memory_format=torch.channels_last)
        for index in ("0", "4", "7"):
            x = module.conv[index](x)
            if index == "0" and options.frontend_gradient:
                x = scale_gradient(x, FIRST_CONV_GRADIENT)
            x = swoosh_r(on_channels(self.balancers[index], x, hidden_padding(index, x.shape[2], padding)))
        if padding is not None:
            x = x.masked_fill(padding[:, None, :, None], 0.0)
        x = module.out(self._convnext(module.convnext, x, padding).transpose(1, 2).flatten(2))
        x = module.out_norm(self.out_whiten(x, padding))
        return shared_dropout(x, self.shop.rate(options.dropout, DROPOUT))

    def _convnext(
        self, module: ConvNeXt, x: Float[Tensor, "B C T W"], padding: Bool[Tensor, "B T"] | None
    ) -> Float[Tensor, "B C T W"]:
        hidden = pointwise(module.pointwise_conv1, module.depthwise_conv(x).permute(0, 2, 3, 1))
        branch = pointwise(module.pointwise_conv2, swoosh_l(self.convnext_hidden(hidden, padding))).permute(0, 3, 1, 2)
        x = add_kept(x, branch, keep_sequences(x, self.shop.rate(self.shop.options.convnext_layer_drop, CONVNEXT_SKIP)))
        return on_channels(self.convnext_whiten, on_channels(self.convnext_out, x, padding), padding)


class Conv1dFrontendInTraining:
    """Stands in for `Conv1dFrontend.forward` in training mode, with what the published front end has at the same places."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self.hidden = shop.balancer((0.05, 0.95), (0.2, 4.0))
        self.out_whiten = shop.whiten(4.0, 8.0, grad_scale=0.02)

    def __call__(
        self, module: Conv1dFrontend, features: Float[Tensor, "B T M"], padding: Bool[Tensor, "B T2"] | None
    ) -> Float[Tensor, "B T2 D"]:
        """Transform features, with the devices."""
        x = module.convolve(features)
        x = module.out_norm(self.out_whiten(swoosh_r(self.hidden(x, padding)), padding))
        return shared_dropout(x, self.shop.rate(self.shop.options.dropout, DROPOUT))


def on_channels(device: Device, x: Float[Tensor, "B C T W"], padding: Bool[Tensor, "B T"] | None) -> Float[Tensor, "B C T W"]:
    """Apply a device to an image, whose channels it expects last."""
    return device(x.movedim(1, -1), padding).movedim(-1, 1)


def hidden_padding(index: str, frames: int, padding: Bool[Tensor, "B T2"] | None) -> Bool[Tensor, "B {frames}"] | None:
    """Padding of a hidden layer: the frames that no valid output frame sees."""
    if padding is None or index == "7":
        return padding
    lengths = (~padding).sum(dim=1)
    return padding_mask(lengths + 2 if index == "4" else 2 * lengths + 5, frames)


def scale_gradient(x: Float[Tensor, "*S"], scale: float) -> Float[Tensor, "*S"]:
    """Return `x`, whose gradient will be multiplied by `scale`."""
    return _ScaledGradient.apply(x, scale)


class _ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] * ctx.scale, None
