"""Random generators derived from what they are for, so that no draw depends on rank, worker or order."""

from __future__ import annotations

import hashlib

import torch


def derive_seed(*key: int | str) -> int:
    """Hash a key such as `(seed, epoch, item_id, "mask")` to a seed below 2**63, the same on every machine."""
    digest = hashlib.blake2b("\x1f".join(str(part) for part in key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def derive_generator(*key: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """Make a `torch.Generator` for a key; equal keys give equal draws.

    >>> a, b = derive_generator(1, "mask"), derive_generator(1, "mask")
    >>> bool((torch.rand(3, generator=a) == torch.rand(3, generator=b)).all())
    True
    """
    return torch.Generator(device=device).manual_seed(derive_seed(*key))
