"""The processes of a run: one, or those that `torchrun` started."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any, TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

POLL_SECONDS = 0.2
_messages = count()  # sent by the first rank, heard by the others

T = TypeVar("T")


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
            backend = "nccl" if torch.cuda.is_available() else "gloo"
            if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
                distributed.init_process_group(backend, store=_agent_store("ranks"), rank=world.rank, world_size=world.size)
            else:
                distributed.init_process_group(backend)
        return world

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def batches_of(self, batches_per_step: int) -> int:
        """How many of the batches of a step are this rank's: `rank`, `rank + size`, ..."""
        return len(range(self.rank, batches_per_step, self.size))

    def wrap(self, module: nn.Module, device: torch.device) -> nn.Module:
        """Wrap a module so that gradients are averaged over ranks; heads without targets in a batch may go unused."""
        if self.size == 1 or is_shared_out(module):
            return module
        return DistributedDataParallel(module, [device] if device.type == "cuda" else None, find_unused_parameters=True)

    def hold_gradients(self, module: nn.Module, hold: bool) -> AbstractContextManager[object]:
        """Context in which gradients stay on their rank: all but the last batch of an accumulation; not of a shared model."""
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

    def gather(self, value: T) -> list[T]:
        """Everybody's value, on every rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values

    def tell(self, message: str) -> None:
        """Send a message from the first rank to the others; each `tell` is heard by one `hear` of every other rank."""
        if self.size > 1:
            _store().set(f"message {next(_messages)}", message)

    def hear(self) -> str:
        """Wait, for days if need be, for a message of the first rank."""
        key = f"message {next(_messages)}"
        while not _store().check([key]):  # not a collective or `wait`: those time out, and leave Ctrl-C unheard
            time.sleep(POLL_SECONDS)
        return _store().get(key).decode()

    def fails_first(self) -> bool:
        """Say that this rank fails, and learn whether it is the first to: what other ranks then meet are lost connections."""
        return self.size == 1 or _store().add("failures", 1) == 1

    def leave(self) -> None:
        """Part from the other ranks, at the end of a run that went well."""
        if self.size > 1:
            distributed.destroy_process_group()


def is_shared_out(module: nn.Module) -> bool:
    """Whether ranks hold parts of a module, as FSDP2 has it."""
    return hasattr(module, "set_requires_gradient_sync")


@cache
def _store() -> distributed.Store:
    return _agent_store("audiossl")


def _agent_store(name: str) -> distributed.Store:
    """A part of the key-value store through which the ranks found each other; torchrun keeps it, whichever rank dies.

    Each start of the ranks has a part of its own: torchrun leaves what those that died had written, such as their addresses.
    """
    server = distributed.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
    return distributed.PrefixStore(f"{name} {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", server)
