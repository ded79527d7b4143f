"""Memory that a device has left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

MEMORY_LINES = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")  # of a container, which may have less than the machine


def free_memory(device: torch.device | None = None) -> int | None:
    """Bytes that can still be allocated on a device; None where the system does not say.

    Args:
        device: the CPU by default. Of a CUDA device the blocks count that torch holds and does not use.

    >>> free = free_memory()
    >>> free is None or free > 0
    True
    """
    if device is not None and device.type == "cuda":
        import torch

        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + held
    if device is not None and device.type != "cpu":
        return None
    try:
        lines = dict(line.split(":") for line in MEMORY_LINES.read_text(encoding="ascii").splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):  # not Linux
        return None
    return min(free, _left_in_group(free))


def _left_in_group(otherwise: int) -> int:
    try:
        limit, used = (int((GROUP / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        cached = dict(line.split() for line in (GROUP / "memory.stat").read_text(encoding="ascii").splitlines())
        return limit - used + int(cached.get("inactive_file", 0))
    except (OSError, ValueError):  # no group, or no limit ("max")
        return otherwise
