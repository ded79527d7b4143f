"""Errors that a user can act on; the command line prints them in one line and exits with code 2."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType


class AudiosslError(Exception):
    """Base of every error that the user, not the programmer, can fix."""


class ConfigError(AudiosslError):
    """A recipe or an option is wrong: unknown key, impossible value, missing file."""


class DataError(AudiosslError):
    """A signal or an item of a corpus cannot be used; the message names the file or the item."""


class StoreError(AudiosslError):
    """A folder written by audiossl is incomplete, of another kind, or belongs to another model."""


class MissingExtraError(AudiosslError):
    """An optional dependency is not installed; the message holds the command that installs it."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put a file's name before the message of a `DataError` that its content gives rise to."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{path.name}: {error}") from error


def import_extra(module: str, extra: str) -> ModuleType:
    """Import an optional dependency, or say which `pip install` brings it.

    Args:
        module: dotted name of the module to import.
        extra: name of the extra in `pyproject.toml` that declares it.

    Raises:
        MissingExtraError: if the module cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"this needs the package '{module}', which could not be imported ({error}). "
            f'Install it with: pip install "audiossl[{extra}]"'
        ) from error
