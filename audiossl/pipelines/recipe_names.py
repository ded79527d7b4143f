"""What the recipes of all methods have in common, checked as they are read: names of folders and files, and a limit."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from audiossl.errors import ConfigError


def check_limit(limit: int | None) -> None:
    """Refuse a number of items of which there can be none.

    Raises:
        ConfigError: if it is below 1.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"limit should be at least 1, or null for all, got {limit}")


def check_names(place: str, names: Iterable[str]) -> None:
    """Refuse names that come twice, or that are no valid name of a folder or file.

    Args:
        place: place of the names in the recipe.
        names: names of models or tasks, in its order.

    Raises:
        ConfigError: naming the place and the name.
    """
    seen: set[str] = set()
    for name in names:
        if not name.strip() or name.startswith(".") or Path(name).name != name or "\\" in name:
            raise ConfigError(f"{place}: expected names that files can have, without a slash or a dot in front, got '{name}'")
        if name in seen:
            raise ConfigError(f"{place}: two are named '{name}'. Give one of them another name, or leave it out")
        seen.add(name)
