"""Check that a data set lies on disk as its recipe expects, before anything of it is read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from audiossl.errors import DataError


def require_files(folder: Path, names: Iterable[str]) -> list[Path]:
    """Return the paths of files below `folder`, in the order of their names.

    Raises:
        DataError: if any is missing; the first few are named.

    >>> from pathlib import Path
    >>> Path("a.csv").touch()
    >>> [path.name for path in require_files(Path(), ["a.csv"])]
    ['a.csv']
    """
    paths = [folder / name for name in names]
    missing = [str(path.relative_to(folder)) for path in paths if not path.is_file()]
    if missing:
        others = f" and {len(missing) - 3} others" if len(missing) > 3 else ""
        raise DataError(f"{folder} lacks {', '.join(missing[:3])}{others}: unpack the data set there again")
    return paths
