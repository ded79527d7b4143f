"""Linear layers with float32 products by oneDNN on CPUs, which is fast on every make of CPU."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.models.exporting import is_exporting

HAS_ONEDNN = torch.backends.mkldnn.is_available()
LARGE = 200 * 200  # entries of a matrix from which a call of its own costs less than it saves


class Linear(nn.Linear):
    """An `nn.Linear` with the same parameters and, up to rounding, the same values and gradients.

    PyTorch hands float32 products to MKL, which holds back on CPUs of other makers than Intel: on an AMD EPYC with AVX-512,
    oneDNN, which PyTorch brings along, does the same product in 0.45 of the time. Without oneDNN, with
    `torch.backends.mkldnn.enabled` off, on other devices and in other types this is `nn.Linear`.
    """

    def forward(self, input: Float[Tensor, "*S D"]) -> Float[Tensor, "*S D2"]:
        return linear(input, self.weight, self.bias)


def linear(x: Float[Tensor, "*S D"], weight: Float[Tensor, "D2 D"], bias: Float[Tensor, "D2"] | None) -> Float[Tensor, "*S D2"]:
    """x weight^T + bias, by oneDNN where that can be."""
    if not by_onednn(x, weight):
        return F.linear(x, weight, bias)
    if torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad or (bias is not None and bias.requires_grad)):
        return F.linear(x, weight, bias) if torch.compiler.is_compiling() else _Product.apply(x, weight, bias)
    return _product(x, weight, bias)


def padded_rows(rows: Float[Tensor, "R D"]) -> Float[Tensor, "R2 D"]:
    """Rows with zeros below, so that there are 8 numbers of rows an octave: oneDNN compiles each product for its very sizes.

    That takes it a millisecond or two, for some hundred products of a training step, and batches of equal shape are rare. The
    zeros are 6 % of the work on average.

    >>> len(padded_rows(torch.ones(1350, 4)))
    1408
    """
    count = len(rows)
    missing = -count % (1 << max(0, count.bit_length() - 4))
    return F.pad(rows, (0, 0, 0, missing)) if missing else rows


def batched_product(a: Float[Tensor, "*S T K"], b: Float[Tensor, "*S K D"]) -> Float[Tensor, "*S T D"]:
    """a @ b with the same leading axes, by oneDNN one after the other where they are large and no gradient is wanted."""
    if not by_onednn(a, b) or a.shape[-2] * a.shape[-1] < LARGE or torch.is_grad_enabled():
        return a @ b
    return _opaque_products(a, b) if torch.compiler.is_compiling() else _onednn_products(a, b)


def by_onednn(x: Tensor, weight: Tensor) -> bool:
    """Whether a product of the two is one for oneDNN: float32 on a CPU, not empty, not under autocast."""
    return (
        x.device.type == "cpu"
        and not is_exporting()
        and x.dtype == weight.dtype == torch.float32
        and x.numel() > 0
        and HAS_ONEDNN
        and (torch.compiler.is_compiling() or torch.backends.mkldnn.enabled)
        and not torch.is_autocast_enabled("cpu")
    )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return _opaque_product(x, weight, bias) if torch.compiler.is_compiling() else _onednn_product(x, weight, bias)


def _onednn_product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    # The operator that torch.compile uses for linear layers; there is no public name for it.
    return torch.ops.mkldnn._linear_pointwise(_dense(x), _dense(weight), bias, "none", [], "")


def _onednn_products(a: Tensor, b: Tensor) -> Tensor:
    out = a.new_empty(*a.shape[:-1], b.shape[-1])
    for a_i, b_i, out_i in zip(a.flatten(0, -3), b.flatten(0, -3), out.flatten(0, -3), strict=True):
        out_i.copy_(_onednn_product(a_i, b_i.t(), None))
    return out


# torch.compile takes in oneDNN's operator only where weights are frozen; as operators of our own it leaves them alone.
_opaque_product = torch.library.custom_op(
    "audiossl::onednn_product", _onednn_product, mutates_args=(), schema="(Tensor x, Tensor weight, Tensor? bias) -> Tensor"
)
_opaque_product.register_fake(lambda x, weight, bias: x.new_empty(*x.shape[:-1], weight.shape[0]))
_opaque_products = torch.library.custom_op(
    "audiossl::onednn_products", _onednn_products, mutates_args=(), schema="(Tensor a, Tensor b) -> Tensor"
)
_opaque_products.register_fake(lambda a, b: a.new_empty(*a.shape[:-1], b.shape[-1]))


def _dense(x: Tensor) -> Tensor:
    """Copy what is neither row nor column major: oneDNN's answer to gaps in a matrix is a thousand times slower."""
    return x if x.is_contiguous() or x.mT.is_contiguous() else x.contiguous()


class _Product(torch.autograd.Function):
    """The product and its gradients, which are two more such products."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        padded = padded_rows(rows)
        ctx.save_for_backward(padded, weight)
        return _product(padded, weight, bias)[: len(rows)].view(*x.shape[:-1], len(weight))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        grad = grads[0]
        rows = grad.reshape(-1, grad.shape[-1])
        padded = padded_rows(rows)
        grad_x = _product(padded, weight.t(), None)[: len(rows)] if ctx.needs_input_grad[0] else None
        grad_x = None if grad_x is None else grad_x.view(*grad.shape[:-1], weight.shape[1])
        grad_weight = _product(padded.t(), x.t(), None) if ctx.needs_input_grad[1] else None
        return grad_x, grad_weight, rows.sum(0) if ctx.needs_input_grad[2] else None
