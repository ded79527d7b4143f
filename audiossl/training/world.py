"""The processes of a run: one, or those that `torchrun` started."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class World:
    """This process's place among the processes of a run."""

    rank: int = 0
    local_rank: int = 0
    size: int = 1

    @classmethod
    def join(cls) -> World:
        """Join the processes that torchrun started; without it, be the only one."""
        if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
            return cls()
        world = cls(int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0")), int(os.environ["WORLD_SIZE"]))
        if world.size > 1 and not distributed.is_initialized():
            if torch.cuda.is_available():
                torch.cuda.set_device(world.local_rank)
            distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return world

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def wrap(self, module: nn.Module, device: torch.device) -> nn.Module:
        """Wrap a module so that gradients are averaged over ranks; heads without targets in a batch may go unused."""
        if self.size == 1:
            return module
        return DistributedDataParallel(module, [device] if device.type == "cuda" else None, find_unused_parameters=True)

    def hold_gradients(self, module: nn.Module, hold: bool) -> AbstractContextManager[object]:
        """Context in which gradients stay on their rank: all but the last batch of an accumulation."""
        return module.no_sync() if hold and isinstance(module, DistributedDataParallel) else nullcontext()

    def sum(self, *values: float, device: torch.device) -> list[float]:
        """Sum numbers over ranks."""
        if self.size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=device)
        distributed.all_reduce(tensor)
        return tensor.tolist()

    def wait(self) -> None:
        """Wait until all ranks are here."""
        if self.size > 1:
            distributed.barrier()

    def gather(self, value: Any) -> list[Any]:
        """Everybody's value, on every rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values
