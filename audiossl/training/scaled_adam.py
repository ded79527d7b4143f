"""ScaledAdam: updates in proportion to each tensor's rms, and a learned scale for each (arXiv 2310.11230, section 3.5)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from audiossl.training.sharing import local, whole

LARGE = 2**15  # numbers of a tensor from which it is updated where it lies: on a CPU it then stays in the cache


class ScaledAdam(Optimizer):
    """Adam with steps relative to each tensor's rms, separately learned scales, and gradient clipping by a running median.

    The loss may be scaled by any constant without changing the path, apart from `eps`. A parameter without gradient counts as
    having a zero gradient, as do all of them in a step whose gradient is not finite. Tensors of one shape are stacked and updated
    together, on accelerators all stacks by one call for each operation; that does not change the result. Nothing waits for the
    device. Parameters that are shared out over ranks (DTensors) are updated as the whole ones would be.

    Args:
        params: parameters or groups of them; a group may have its own `lr`.
        lr: relative learning rate, around 0.045.
        betas: decay of momentum and of the squared gradient.
        eps: added to the root of the squared gradient.
        clipping_scale: gradients are clipped to this many times the median norm of the last `clipping_period` steps.
        clipping_period: steps between updates of that median; there is no clipping before the first.
        scalar_lr_scale: learning rate of scales and one-element tensors relative to `lr`.
        param_min_rms: rms below which a tensor moves as if it had this one, and its scale is not learned.
        param_max_rms: rms that scale learning does not exceed.
        scalar_max: bound on one-element tensors.
        size_update_period: steps between updates of the scales.

    >>> layer = torch.nn.Linear(4, 4)
    >>> optimiser = ScaledAdam(layer.parameters(), lr=0.045)
    >>> layer(torch.ones(1, 4)).sum().backward()
    >>> optimiser.step()
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 0.045,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-8,
        clipping_scale: float = 2.0,
        clipping_period: int = 100,
        scalar_lr_scale: float = 0.1,
        param_min_rms: float = 1e-5,
        param_max_rms: float = 3.0,
        scalar_max: float = 10.0,
        size_update_period: int = 4,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "clipping_scale": clipping_scale,
            "clipping_period": clipping_period,
            "scalar_lr_scale": scalar_lr_scale,
            "param_min_rms": param_min_rms,
            "param_max_rms": param_max_rms,
            "scalar_max": scalar_max,
            "size_update_period": size_update_period,
        }
        super().__init__(params, defaults)
        # Clipping is over all groups; its memory sits in the first, because state_dict() saves groups.
        self.param_groups[0].update(clipping_step=0, clipping_norms=[0.0] * clipping_period, clipping_threshold=math.inf)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        stacks = [
            stack
            for group in self.param_groups
            for params in _same_shapes(group["params"])
            for stack in self._stacks(params, group)
        ]
        factor = self._clipping_factor(stacks)
        for together in _batches(stacks):
            first = together[0]
            for stack in together:
                stack.grads = stack.grads.mul(factor).nan_to_num_(0.0, 0.0, 0.0)  # with a factor of 0, infinities are NaN now
            update = _scalar_update if first.params[0].numel() == 1 else _tensor_update
            update(together, first.group, first.state["step"])
            for stack in together:
                stack.write()
        for state in {id(stack.state): stack.state for stack in stacks}.values():
            state["step"] += 1
        return loss

    def _stacks(self, params: list[Tensor], group: dict[str, Any]) -> list[_Stack]:
        """Equal-shaped parameters and what belongs to them, whose state lives with the first of them."""
        state = self.state[params[0]]
        if not state:
            values = torch.stack(params)
            state["step"] = 0
            state["delta"], state["v"] = torch.zeros_like(values), torch.zeros_like(values)
            if params[0].numel() > 1:
                state["rms"] = _rms(values)
                state["scale_grads"] = values.new_zeros(group["size_update_period"], *state["rms"].shape)
                state["scale_v"] = torch.zeros_like(state["rms"])
        grads = [torch.zeros_like(param) if param.grad is None else param.grad for param in params]
        apart = params[0].device.type == "cpu" and params[0].numel() >= LARGE and not hasattr(params[0], "to_local")
        if not apart:
            return [_Stack(group, params, state, slice(None), torch.stack(params), torch.stack(grads))]
        return [
            _Stack(group, [param], state, slice(row, row + 1), param[None], grad[None])
            for row, (param, grad) in enumerate(zip(params, grads, strict=True))
        ]

    def _clipping_factor(self, stacks: list[_Stack]) -> Tensor:
        """Factor that brings the rms-weighted gradient norm below the threshold; 0 where that norm is not finite."""
        memory = self.param_groups[0]
        step, period = memory["clipping_step"], memory["clipping_period"]
        memory["clipping_step"] += 1
        squares = [whole(_squared_norm(stack)) for stack in stacks]
        norm = torch.stack([square.to(squares[0].device) for square in squares]).sum().sqrt()
        finite = norm.isfinite()
        # Numbers up to commit ba6cba2, and on the CPU after a checkpoint was read.
        norms, threshold = (torch.as_tensor(memory[name]).to(norm) for name in ("clipping_norms", "clipping_threshold"))
        if step > 0:
            norms[step % period] = norm.where(finite, math.inf)
            if step % period == 0:
                threshold = memory["clipping_scale"] * norms.sort().values[period // 2]
        memory.update(clipping_norms=norms, clipping_threshold=threshold)
        factor = torch.ones_like(norm) if step < period else (threshold / (norm + 1e-20)).clamp(max=1.0)
        return factor.where(finite, 0.0)


@dataclass
class _Stack:
    """Some parameters of one shape as (n, ...): their values, gradients, and the rows of the state that belong to them."""

    group: dict[str, Any]
    params: list[Tensor]
    state: dict[str, Any]
    rows: slice
    values: Tensor
    grads: Tensor

    def of(self, name: str) -> Tensor:
        """A part of the state, as a view."""
        return self.state[name][self.rows] if self.rows != slice(None) else self.state[name]

    def scale_grads(self) -> Tensor:
        """Gradients along the tensors themselves, by step of the period."""
        return self.state["scale_grads"][:, self.rows] if self.rows != slice(None) else self.state["scale_grads"]

    def write(self) -> None:
        """Copy the values to the parameters, unless they are the same memory."""
        if self.rows == slice(None):
            torch._foreach_copy_([local(param) for param in self.params], [local(value) for value in self.values.unbind(0)])


def _batches(stacks: list[_Stack]) -> list[list[_Stack]]:
    """Stacks that are updated together: on a CPU each by itself, which stays in the cache, else all that take the same step."""
    batches: dict[Any, list[_Stack]] = defaultdict(list)
    for index, stack in enumerate(stacks):
        alone = stack.values.device.type == "cpu" or hasattr(stack.values, "to_local")
        same = (id(stack.group), stack.state["step"], stack.values[0].numel() == 1, stack.values.device, stack.values.dtype)
        batches[index if alone else same].append(stack)
    return list(batches.values())


def _same_shapes(params: list[Tensor]) -> list[list[Tensor]]:
    """Group parameters that can be stacked."""
    groups: dict[Any, list[Tensor]] = {}
    for param in params:
        groups.setdefault((param.shape, param.dtype, param.device), []).append(param)
    return list(groups.values())


def _squared_norm(stack: _Stack) -> Tensor:
    """Squared norm of a stack of gradients, each weighted by the rms of its tensor."""
    grads = stack.grads
    norms = torch.linalg.vector_norm(grads, dim=tuple(range(1, grads.ndim))) if grads.ndim > 1 else grads.abs()
    return (norms * stack.of("rms").flatten() if "rms" in stack.state else norms).square().sum()


def _rms(values: Tensor) -> Tensor:
    """Root mean square of each tensor of a stack (n, ...), as (n, 1, ...)."""
    return values.square().mean(dim=tuple(range(1, values.ndim)), keepdim=True).sqrt()


def _tensor_update(stacks: Sequence[_Stack], group: dict[str, Any], step: int) -> None:
    """Change stacked tensors: a relative Adam step, and every few steps one along the tensor itself, which scales it."""
    beta1, beta2 = group["betas"]
    values, grads = [stack.values for stack in stacks], [stack.grads for stack in stacks]
    deltas, squares = [stack.of("delta") for stack in stacks], [stack.of("v") for stack in stacks]
    torch._foreach_mul_(deltas, beta1)

    period = group["size_update_period"]
    for stack, product in zip(stacks, torch._foreach_mul(values, grads), strict=True):
        stack.scale_grads()[step % period] = product.sum(dim=tuple(range(1, product.ndim)), keepdim=True)
    if step % period == period - 1:
        for stack in stacks:
            stack.of("delta").add_(_growth(stack, group, step) * stack.values, alpha=1 - beta1)

    torch._foreach_mul_(squares, beta2)
    torch._foreach_addcmul_(squares, grads, grads, value=1 - beta2)
    correction = 1 - beta2 ** (step + 1)
    roots = torch._foreach_sqrt(torch._foreach_div(squares, correction) if correction < 0.99 else squares)
    torch._foreach_add_(roots, group["eps"])
    relative = torch._foreach_clamp_min([stack.of("rms") for stack in stacks], group["param_min_rms"])
    torch._foreach_mul_(relative, -group["lr"] * (1 - beta1))
    torch._foreach_div_(grads, roots)
    torch._foreach_addcmul_(deltas, grads, relative)
    torch._foreach_add_(values, deltas)


def _growth(stack: _Stack, group: dict[str, Any], step: int) -> Tensor:
    """How much each tensor of a stack grows, once a period."""
    period, decay = group["size_update_period"], group["betas"][1] ** group["size_update_period"]
    rms, scale_v, scale_grads = stack.of("rms").copy_(_rms(stack.values)), stack.of("scale_v"), stack.scale_grads()
    scale_v.mul_(decay).add_(scale_grads.square().mean(dim=0), alpha=1 - decay)
    correction = math.sqrt(1 - decay ** ((step + 1) / period))
    growth = scale_grads.sum(dim=0) / (scale_v.sqrt() + group["eps"])
    growth.mul_(-group["lr"] * group["scalar_lr_scale"] * correction).masked_fill_(rms < group["param_min_rms"], 0.0)
    return torch.minimum(growth, (group["param_max_rms"] - rms) / rms)


def _scalar_update(stacks: Sequence[_Stack], group: dict[str, Any], step: int) -> None:
    """Change stacked one-element tensors: a plain Adam step."""
    beta1, beta2 = group["betas"]
    values, grads = [stack.values for stack in stacks], [stack.grads for stack in stacks]
    deltas, squares = [stack.of("delta") for stack in stacks], [stack.of("v") for stack in stacks]
    torch._foreach_mul_(squares, beta2)
    torch._foreach_addcmul_(squares, grads, grads, value=1 - beta2)
    roots = torch._foreach_sqrt(torch._foreach_div(squares, 1 - beta2 ** (step + 1)))
    torch._foreach_add_(roots, group["eps"])
    torch._foreach_div_(grads, roots)
    torch._foreach_mul_(deltas, beta1)
    torch._foreach_add_(deltas, grads, alpha=-group["lr"] * group["scalar_lr_scale"] * (1 - beta1))
    torch._foreach_clamp_max_(values, group["scalar_max"])
    torch._foreach_clamp_min_(values, -group["scalar_max"])
    torch._foreach_add_(values, deltas)
