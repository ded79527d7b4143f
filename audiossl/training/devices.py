"""Device and precision of a run."""

from __future__ import annotations

import ctypes
import sys
from contextlib import AbstractContextManager, nullcontext

import torch

from audiossl.errors import ConfigError
from audiossl.training.config import TrainingConfig
from audiossl.world import World

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # names of malloc.h
KEPT_BYTES = 2**30
# Up to torch 2.10 a weight that a pass without gradients brings to 16 bits has none in the next pass of the same context either
# (pytorch/pytorch issue 112583): a teacher's pass first, and a student of the same weights does not learn.
KEEPS_CASTS = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 11)


def choose_device(config: TrainingConfig | str, world: World | None = None) -> torch.device:
    """The device of that name, or of a training; `auto` is this rank's CUDA device if there is one, else the CPU.

    Args:
        config: name of a device, or a training with one.
        world: ranks of the run; by default this process alone.

    Raises:
        ConfigError: if a device is asked for that is not there.

    >>> choose_device("cpu")
    device(type='cpu')
    """
    name, world = config if isinstance(config, str) else config.device, world or World()
    if name == "auto":
        return torch.device("cuda", world.local_rank) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(
            f"training.device is '{name}', which torch does not know. Use auto, cpu, cuda, cuda:1 or mps."
        ) from error
    if problem := _missing(device):
        raise ConfigError(f"training.device is {name}, but {problem}. Use auto.")
    return device


def _missing(device: torch.device) -> str:
    """Why a device cannot be computed on; empty where it can."""
    if device.type == "cpu":
        return ""
    if device.type == "cuda":
        count = torch.cuda.device_count()
        return "" if (device.index or 0) < count else f"torch sees {count} such devices"
    try:
        torch.ones(1, device=device).sum().item()
    except Exception:  # each backend has its own
        return "torch finds no such device here"
    return ""


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory for the next step instead of giving it back to the kernel page by page.

    Training allocates the same large temporaries at every step; without this a CPU run spends about a tenth of its time in page
    faults. Other C libraries are left alone.
    """
    libc = ctypes.CDLL(None)
    if sys.platform == "linux" and hasattr(libc, "gnu_get_libc_version"):
        for parameter in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            libc.mallopt(parameter, KEPT_BYTES)


def has_bf16(device: torch.device) -> bool:
    """Whether a device multiplies bf16 natively (emulation is slower than float32). CPUs count as not: few have it."""
    if device.type != "cuda":
        return False
    return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= (8, 0)


def autocast(config: TrainingConfig, device: torch.device) -> AbstractContextManager[object]:
    """Context of a forward pass in the configured precision. fp16 wants its loss scaled; bf16 has the range of float32.

    Raises:
        ConfigError: if bf16 is asked for on a CUDA device that would emulate it.
    """
    if config.precision == "bf16" and device.type == "cuda" and not has_bf16(device):
        raise ConfigError(f"{torch.cuda.get_device_name(device)} has no native bf16; use training.precision=float32 (or auto).")
    if config.precision == "fp16":
        return torch.autocast(device.type, dtype=torch.float16, cache_enabled=KEEPS_CASTS)
    if config.precision == "bf16" or (config.precision == "auto" and has_bf16(device)):
        return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=KEEPS_CASTS)
    return nullcontext()
