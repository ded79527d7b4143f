"""Weights on disk: plain tensors, read without running code, and put into a model only if every one of them fits."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from audiossl.errors import StoreError
from audiossl.files import whole_file

MOST_KEYS = 5  # in a message


def write_weights(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write a safetensors file, by rename."""
    plain = {key: value.detach().cpu().contiguous().clone() for key, value in state.items()}
    with whole_file(path) as partial:
        save_file(plain, partial, metadata={"format": "pt"})


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        StoreError: if it is missing or damaged.
    """
    if not path.is_file():
        raise StoreError(f"{path.parent} holds no {path.name}; the model is incomplete.")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise StoreError(f"{path} cannot be read ({error}); it may have been cut short. Fetch or write it again.") from error


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read the weights of an icefall checkpoint, `*.pt` with a top-level key `model`; no code in it is run.

    Raises:
        StoreError: if it is something else.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreError(f"{path} cannot be read as plain weights ({reason}). Export its weights alone first.") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("model"), dict):
        raise StoreError(f"{path} has no top-level key 'model'; expected an icefall checkpoint.")
    return checkpoint["model"]


def fill(model: nn.Module, state: Mapping[str, Tensor], *, assign: bool = False) -> None:
    """Put weights into a model.

    Args:
        model: in which every key of the state has a place of the same shape.
        state: weights by key.
        assign: make the tensors the model's own, for one that was built on `meta`.

    Raises:
        StoreError: naming the keys that are unknown or missing, and shapes that differ.
    """
    wanted = model.state_dict()
    unknown, missing = sorted(state.keys() - wanted.keys()), sorted(wanted.keys() - state.keys())
    shapes = [
        f"{key} {tuple(state[key].shape)}, expected {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    problems = [
        f"{len(keys)} {what}: {', '.join(keys[:MOST_KEYS])}{', ...' if len(keys) > MOST_KEYS else ''}"
        for what, keys in (("unknown keys", unknown), ("missing keys", missing), ("wrong shapes", shapes))
        if keys
    ]
    if problems:
        raise StoreError(f"the weights do not fit the config: {'; '.join(problems)}")
    model.load_state_dict(dict(state), assign=assign)
