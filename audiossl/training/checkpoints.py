"""Checkpoints that hold all of a run, appear whole or not at all, and are read without executing anything."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from audiossl.errors import StoreError
from audiossl.files import whole_file

FORMAT = 2


@dataclass
class Checkpoint:
    """A checkpoint that was read, and the newer, unreadable ones."""

    path: Path
    state: dict[str, Any]
    damaged: list[Path] = field(default_factory=list)


def save_checkpoint(folder: Path, step: int, state: Mapping[str, object], keep: int) -> Path:
    """Write `step-XXXXXXXX.pt` by rename, then remove all but the newest `keep`.

    Args:
        folder: folder of checkpoints; made if missing.
        step: optimiser steps taken.
        state: tensors, numbers, strings, and lists and dicts of them.
        keep: number of checkpoints that stay.
    """
    path = folder / f"step-{step:08d}.pt"
    with whole_file(path) as partial:
        torch.save(_canonical({"format": FORMAT, "step": step, **state}), partial)
    for old in list_checkpoints(folder)[keep:]:
        old.unlink()
    return path


def _canonical(value: Any) -> Any:
    """The same values in objects of their own and interned strings: a pickle's bytes depend on which objects are shared."""
    if isinstance(value, Mapping):
        return {_canonical(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_canonical(item) for item in value)
    return sys.intern(value) if type(value) is str else value


def list_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints of a folder, newest first."""
    return sorted(folder.glob("step-*.pt"), reverse=True)


def load_checkpoint(path: Path) -> dict[str, Any]:  # Any: states of torch
    """Read a checkpoint to the CPU and check that it is whole.

    Raises:
        StoreError: if the file is missing, damaged, or of another format.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load does not look at the checksums
            if broken := archive.testzip():
                raise zipfile.BadZipFile(f"checksum of {broken}")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and pickle raise many kinds on damaged files
        raise StoreError(f"the checkpoint {path} cannot be read ({error}). Delete it to use an older one.") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise StoreError(f"{path} is not a checkpoint of format {FORMAT}; another version or program wrote it.")
    return state


def latest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that can be read, with the damaged ones passed over; None if there are no checkpoints.

    Raises:
        StoreError: if there are checkpoints but none can be read.
    """
    damaged: list[Path] = []
    for path in list_checkpoints(folder):
        try:
            return Checkpoint(path, load_checkpoint(path), damaged)
        except StoreError:
            damaged.append(path)
    if damaged:
        raise StoreError(f"none of the {len(damaged)} checkpoints in {folder} can be read. Delete the folder to start again.")
    return None
