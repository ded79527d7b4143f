"""Training state shared out over ranks (FSDP2): each holds a part of every matrix, of its gradient and of its optimiser state."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed, nn
from torch.optim import Optimizer

from audiossl.errors import ConfigError

Trained = TypeVar("Trained", bound=nn.Module)
T = TypeVar("T")

# A shared tensor is a DTensor and behaves as the whole one; only what DTensors cannot do is done here. FSDP is imported where it
# is used: everybody trains through this file, few share, and older versions of torch lack it.


def share_out(objective: Trained, device: torch.device) -> Trained:
    """A copy of an objective of whose matrices this rank holds a part; vectors, rows and single numbers stay whole on every rank.

    The innermost members of module lists (layers) are gathered while they run, the rest while the objective runs: they must be
    called, and in one forward pass equally often on all ranks. Modules that cannot promise it say `runs_unequally`; their layers
    are gathered with the rest. What an objective lists of items (`too_short`) is one list for it and its copy.

    Args:
        objective: the same on every rank.
        device: device of this rank.

    Raises:
        ConfigError: if this torch cannot share out models of which ranks use different parts.
    """
    from torch.distributed import fsdp
    from torch.distributed.device_mesh import init_device_mesh

    if not hasattr(getattr(fsdp, "FSDPModule", None), "set_reduce_scatter_unused_params"):
        raise ConfigError(f"training.parallel=fsdp needs a newer torch than {torch.__version__}: take 2.13, or use ddp.")
    lists = {id(part.too_short): part.too_short for part in objective.modules() if hasattr(part, "too_short")}
    shared = deepcopy(objective, lists)
    for module in shared.modules():
        if isinstance(module, nn.RNNBase):
            # On CUDA this would give the weights new memory, which the next gathering does not fill.
            module.flatten_parameters = lambda: None
    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    # Rows (1, N) would lie on one rank alone, where DTensors cannot take ScaledAdam's update.
    unshared = {param for param in shared.parameters() if param.ndim < 2 or len(param) == 1}
    for module in [*innermost_layers(shared), shared]:
        fsdp.fully_shard(module, mesh=mesh, ignored_params=unshared)
    shared.to(device)
    shared.set_reduce_scatter_unused_params(True)  # pyright: ignore[reportCallIssue]
    return shared


def local(tensor: Tensor) -> Tensor:
    """This rank's part of a tensor, in the same memory; the tensor itself if it is not shared."""
    shared: Any = tensor
    return shared.to_local() if hasattr(shared, "to_local") else tensor


def whole(tensor: Tensor) -> Tensor:
    """A tensor put together from all ranks, which all have to ask; the tensor itself if it is not shared."""
    shared: Any = tensor
    return shared.full_tensor() if hasattr(shared, "full_tensor") else tensor


def whole_state(state: T, keep: bool) -> T:
    """Nested dicts and lists with every shared tensor whole, on the CPU; all ranks have to ask, those that keep get it."""
    return cast(T, _whole_state(state, keep))


def _whole_state(state: object, keep: bool) -> object:
    if isinstance(state, Mapping):
        return {key: _whole_state(value, keep) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(_whole_state(value, keep) for value in state)
    if hasattr(state, "full_tensor"):
        value = cast(Any, state).full_tensor()
        return value.cpu() if keep else None
    return state


def load_whole(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put whole tensors into a module that may be shared out; errors are those of `load_state_dict`."""
    mine = module.state_dict()
    module.load_state_dict({name: part_like(mine[name], value) if name in mine else value for name, value in state.items()})


def load_whole_optimiser(optimiser: Optimizer, state: Mapping[str, object]) -> None:
    """Put a whole state into an optimiser of parameters that may be shared out; errors are those of `load_state_dict`."""
    params = [param for group in optimiser.param_groups for param in group["params"]]
    of_params = {
        index: {name: part_like(params[index], value) if isinstance(value, Tensor) else value for name, value in values.items()}
        for index, values in cast(Mapping[int, Any], state["state"]).items()
    }
    optimiser.load_state_dict({**state, "state": of_params})


@torch.no_grad()
def average_gradients(objective: nn.Module) -> None:
    """Average over ranks the gradients of what is not shared; without one on any rank it has a zero gradient, as if shared."""
    params = [param for param in objective.parameters() if param.requires_grad and not hasattr(param, "to_local")]
    if not params:
        return
    grads = [torch.zeros_like(param) if param.grad is None else param.grad for param in params]
    together = torch.cat([grad.flatten().float() for grad in grads])
    distributed.all_reduce(together)
    together /= distributed.get_world_size()
    for param, mean in zip(params, together.split([grad.numel() for grad in grads]), strict=True):
        param.grad = mean.view_as(param).to(param.dtype)


@torch.no_grad()
def clip_shared_gradients(objective: nn.Module, largest: float) -> float:
    """The norm of the whole gradient, which is brought down to `largest` if it is above it."""
    grads = [param.grad for param in objective.parameters() if param.grad is not None]
    device = next(objective.parameters()).device
    squares = torch.zeros(2, dtype=torch.float64, device=device)
    for grad in grads:
        squares[int(hasattr(grad, "to_local"))] += local(grad).double().square().sum()
    distributed.all_reduce(squares[1:])
    norm = float(squares.sum().sqrt())
    if norm > largest:
        torch._foreach_mul_([local(grad) for grad in grads], largest / (norm + 1e-6))
    return norm


@torch.no_grad()
def share_statistics(module: nn.Module) -> None:
    """Give every rank the buffers of the first one, such as statistics of batch norms: a checkpoint holds no others."""
    for buffer in module.buffers():
        distributed.broadcast(buffer, 0)


@torch.no_grad()
def give_back(shared: nn.Module, objective: nn.Module, device: torch.device) -> None:
    """Put the weights of a shared copy into the objective that it was made of, whole, with the buffers of the first rank.

    Ranks may then call it, or parts of it, unequally often, as they may not with the copy.
    """
    share_statistics(shared)
    objective.to(device).load_state_dict(whole_state(shared.state_dict(), keep=True))


def innermost_layers(module: nn.Module) -> list[nn.Module]:
    """Members of module lists that hold no module lists themselves, but for those that run unequally often."""
    unequal = {part for one in module.modules() if getattr(one, "runs_unequally", False) for part in one.modules()}
    lists = [part for part in module.modules() if isinstance(part, nn.ModuleList) and part not in unequal]
    members = [member for part in lists for member in part]
    return [one for one in dict.fromkeys(members) if not any(isinstance(part, nn.ModuleList) for part in one.modules())]


def part_like(like: Tensor, value: Tensor) -> Tensor:
    """This rank's part of a whole tensor that belongs to a parameter: cut as the parameter is where its shape ends with it."""
    if not hasattr(like, "placements") or value.ndim == 0:
        return value
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    placement = like.placements[0]  # pyright: ignore[reportAttributeAccessIssue]
    extra = value.ndim - like.ndim
    is_cut = extra >= 0 and value.shape[extra:] == like.shape and isinstance(placement, Shard)
    placements = [Shard(placement.dim + extra) if is_cut else Replicate()]
    return distribute_tensor(value, like.device_mesh, placements, src_data_rank=None)  # pyright: ignore
