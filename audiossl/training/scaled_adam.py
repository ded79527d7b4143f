"""ScaledAdam: updates in proportion to each tensor's rms, and a learned scale for each (arXiv 2310.11230, section 3.5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from audiossl.training.sharing import local, whole


class ScaledAdam(Optimizer):
    """Adam with steps relative to each tensor's rms, separately learned scales, and gradient clipping by a running median.

    The loss may be scaled by any constant without changing the path, apart from `eps`. A parameter without gradient counts as
    having a zero gradient. Tensors of one shape are stacked and updated together; that does not change the result. Parameters
    that are shared out over ranks (DTensors) are updated as the whole ones would be.

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
            (group, *self._gather(params, group)) for group in self.param_groups for params in _same_shapes(group["params"])
        ]
        factor = self._clipping_factor(stacks)
        for group, params, state, grads in stacks:
            if factor == 0:  # after a gradient that is not finite; 0 * inf would be NaN
                grads.zero_()
            elif factor < 1:
                grads.mul_(factor)
            values = torch.stack(params)
            update = _scalar_update if params[0].numel() == 1 else _tensor_update
            news = update(values, grads, state, group).unbind(0)
            torch._foreach_copy_([local(param) for param in params], [local(new) for new in news])
            state["step"] += 1
        return loss

    def _gather(self, params: list[Tensor], group: dict[str, Any]) -> tuple[list[Tensor], dict[str, Any], Tensor]:
        """Stacked gradients of equal-shaped parameters, and their state, which lives with the first of them."""
        state = self.state[params[0]]
        if not state:
            values = torch.stack(params)
            state["step"] = 0
            state["delta"], state["v"] = torch.zeros_like(values), torch.zeros_like(values)
            if params[0].numel() > 1:
                state["rms"] = _rms(values)
                state["scale_grads"] = values.new_zeros(group["size_update_period"], *state["rms"].shape)
                state["scale_v"] = torch.zeros_like(state["rms"])
        grads = torch.stack([torch.zeros_like(param) if param.grad is None else param.grad for param in params])
        return params, state, grads

    def _clipping_factor(self, stacks: list[tuple[dict[str, Any], list[Tensor], dict[str, Any], Tensor]]) -> float:
        """Factor that brings the rms-weighted gradient norm below the threshold."""
        memory = self.param_groups[0]
        step, period = memory["clipping_step"], memory["clipping_period"]
        memory["clipping_step"] += 1
        if step == 0:
            return 1.0
        squares = [_squared_norm(grads, state) for _, _, state, grads in stacks]
        norm = math.sqrt(float(torch.stack([whole(square).to(squares[0].device) for square in squares]).sum()))
        memory["clipping_norms"][step % period] = norm if math.isfinite(norm) else math.inf
        if step % period == 0:
            memory["clipping_threshold"] = memory["clipping_scale"] * sorted(memory["clipping_norms"])[period // 2]
        if not math.isfinite(norm):
            return 0.0
        return 1.0 if step < period else min(1.0, memory["clipping_threshold"] / (norm + 1e-20))


def _same_shapes(params: list[Tensor]) -> list[list[Tensor]]:
    """Group parameters that can be stacked."""
    groups: dict[Any, list[Tensor]] = {}
    for param in params:
        groups.setdefault((param.shape, param.dtype, param.device), []).append(param)
    return list(groups.values())


def _squared_norm(grads: Tensor, state: dict[str, Any]) -> Tensor:
    """Squared norm of a stack of gradients, each weighted by the rms of its tensor."""
    norms = torch.linalg.vector_norm(grads, dim=tuple(range(1, grads.ndim))) if grads.ndim > 1 else grads.abs()
    return (norms * state["rms"].flatten() if "rms" in state else norms).square().sum()


def _rms(values: Tensor) -> Tensor:
    """Root mean square of each tensor of a stack (n, ...), as (n, 1, ...)."""
    return values.square().mean(dim=tuple(range(1, values.ndim)), keepdim=True).sqrt()


def _tensor_update(values: Tensor, grads: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    """New values of stacked tensors: a relative Adam step, and every few steps one along the tensor itself, which scales it."""
    beta1, beta2 = group["betas"]
    step, lr, period = state["step"], group["lr"], group["size_update_period"]
    inner = tuple(range(1, values.ndim))
    delta = state["delta"].mul_(beta1)

    state["scale_grads"][step % period] = (values * grads).sum(dim=inner, keepdim=True)
    if step % period == period - 1:
        rms = state["rms"].copy_(_rms(values))
        decay = beta2**period
        state["scale_v"].mul_(decay).add_(state["scale_grads"].square().mean(dim=0), alpha=1 - decay)
        correction = math.sqrt(1 - decay ** ((step + 1) / period))
        growth = state["scale_grads"].sum(dim=0) / (state["scale_v"].sqrt() + group["eps"])
        growth.mul_(-lr * group["scalar_lr_scale"] * correction).masked_fill_(rms < group["param_min_rms"], 0.0)
        growth = torch.minimum(growth, (group["param_max_rms"] - rms) / rms)
        delta.add_(growth * values, alpha=1 - beta1)

    v = state["v"].mul_(beta2).addcmul_(grads, grads, value=1 - beta2)
    correction = 1 - beta2 ** (step + 1)
    denominator = (v / correction if correction < 0.99 else v).sqrt().add_(group["eps"])
    relative = state["rms"].clamp(min=group["param_min_rms"]) * (-lr * (1 - beta1))
    delta.addcmul_(grads.div_(denominator), relative)
    return values.add_(delta)


def _scalar_update(values: Tensor, grads: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    """New values of stacked one-element tensors: a plain Adam step."""
    beta1, beta2 = group["betas"]
    v = state["v"].mul_(beta2).addcmul_(grads, grads, value=1 - beta2)
    correction = 1 - beta2 ** (state["step"] + 1)
    direction = grads / ((v / correction).sqrt() + group["eps"])
    delta = state["delta"].mul_(beta1).add_(direction, alpha=-group["lr"] * group["scalar_lr_scale"] * (1 - beta1))
    return values.clamp_(-group["scalar_max"], group["scalar_max"]).add_(delta)
