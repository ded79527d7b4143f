"""Ids and people from the places of files: what somebody's own folder says without a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from os.path import commonpath
from pathlib import Path

from audiossl.errors import ConfigError, DataError

OF_RUNS = ("recipe.json", "stage.json")  # in folders that audiossl wrote


def inner_paths(files: Sequence[Path]) -> list[Path]:
    """Paths below the folder that all files have in common."""
    if len({file.absolute().parent for file in files}) == 1:
        return [Path(file.name) for file in files]
    common = commonpath([file.absolute().parent for file in files])
    return [file.absolute().relative_to(common) for file in files]


def ids_of(files: Sequence[Path], suffixes: Sequence[str]) -> list[str]:
    """An id for each file: its path below what all have in common, without its suffix, as one word.

    >>> ids_of([Path("study/ann/walk.csv"), Path("study/ben/walk.csv")], [".csv"])
    ['ann_walk', 'ben_walk']
    """
    found: dict[str, None] = {}
    for inner in inner_paths(files):
        suffix = max((one for one in suffixes if inner.name.lower().endswith(one)), key=len, default="")
        plain = "_".join([*inner.parts[:-1], inner.name[: len(inner.name) - len(suffix)]])
        name = re.sub(r"[^\w.-]+", "_", plain).lstrip(".") or "file"
        free, number = name, 1
        while free in found:
            number += 1
            free = f"{name}_{number}"
        found[free] = None
    return list(found)


def match_path(pattern: str, inner: Path) -> str:
    r"""What the first group of a pattern finds in a path.

    Raises:
        ConfigError: if the pattern is none.
        DataError: if it finds nothing.

    >>> match_path(r"(s\d+)_", Path("day1/s07_walk.csv"))
    's07'
    """
    try:
        found = re.search(pattern, inner.as_posix())
    except re.error as error:
        raise ConfigError(f"the pattern '{pattern}' is no regular expression: {error}") from None
    if found is None or not found.groups() or not (found[1] or "").strip():
        raise DataError(f"{inner}: the pattern '{pattern}' finds nothing in its path")
    return found[1].strip()
