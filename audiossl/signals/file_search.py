"""Files of some kinds below folders and by patterns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audiossl.errors import ConfigError
from audiossl.signals.path_names import OF_RUNS


def find_files(places: Sequence[str | Path], suffixes: Sequence[str]) -> list[Path]:
    """Find the files of some kinds at places, in the order of their paths.

    Args:
        places: files; folders, which are searched; patterns such as `people/*.csv`. Hidden files and the folders
            of runs are left out.
        suffixes: of files that a folder is searched for, in lower case.

    Raises:
        ConfigError: if there is nothing at a place.
    """
    found: dict[Path, None] = {}
    for place in places:
        path = Path(place).expanduser()
        if path.is_dir():
            files = [file for file in sorted(path.rglob("*")) if _is_wanted(file, path, suffixes)]
        elif path.exists():
            files = [path]
        else:
            home = Path(path.anchor)
            files = [file for file in sorted(home.glob(str(path.relative_to(home)))) if file.is_file()]
        if not files:
            kinds = f"; looked for {', '.join(suffixes)}" if path.is_dir() else ""
            raise ConfigError(f"expected a file, a folder or a pattern such as 'people/*.csv', found nothing at {place}{kinds}")
        found |= dict.fromkeys(files)
    return list(found)


def _is_wanted(file: Path, folder: Path, suffixes: Sequence[str]) -> bool:
    inside = file.relative_to(folder)
    if not file.name.lower().endswith(tuple(suffixes)) or any(part.startswith(".") for part in inside.parts):
        return False
    return file.is_file() and not any((above / mark).is_file() for above in (folder / inside).parents for mark in OF_RUNS)


def is_pattern(text: str) -> bool:
    """Whether a text is a regular expression with a group, such as `sub-([0-9]+)`, and no name of a column."""
    return "(" in text and ")" in text
