"""Regional series in files of numbers: .npy, .npz, .mat, .csv, .tsv, .1D and plain text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from audiossl.errors import DataError
from audiossl.signals.mat_file import load_matrix

TEXT = {".csv": ",", ".tsv": "\t", ".1d": None, ".txt": None}


def read_series(path: Path, regions_first: bool, key: str | None = None) -> tuple[Float64[np.ndarray, "N T"], tuple[str, ...]]:
    """Read a table of regions and volumes, and the names of regions in the header of a text file.

    Args:
        path: its suffix says the format.
        regions_first: rows are regions; otherwise they are volumes. A file does not say.
        key: of the array in .npz and .mat; a .npz with one array needs none.

    Returns:
        Regions x volumes, and names (empty where the file has none).

    Raises:
        DataError: if the file is missing, damaged or holds no matrix of numbers; the message names it.
    """
    kind = path.suffix.lower()
    if not path.is_file():
        raise DataError(f"{path} is not there")
    names: tuple[str, ...] = ()
    try:
        if kind == ".mat":
            table = load_matrix(path, key or "tc")
        elif kind in (".npy", ".npz"):
            loaded = np.load(path, allow_pickle=False)
            if isinstance(loaded, np.lib.npyio.NpzFile):
                with loaded:
                    if key is None and len(loaded.files) != 1:
                        raise ValueError(f"it holds {', '.join(loaded.files)}; say which by key")
                    loaded = loaded[key or loaded.files[0]]
            table = np.asarray(loaded)
        elif kind in TEXT:
            table, names = _read_text(path, TEXT[kind])
        else:
            raise ValueError(f"expected one of .npy, .npz, .mat, {', '.join(TEXT)}")
        if table.ndim != 2 or table.dtype.kind not in "fiu":
            raise ValueError(f"expected a matrix of numbers, got {table.shape} of {table.dtype}")
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(f"{path} cannot be read as series of regions: {error}") from error
    return (table if regions_first else table.T).astype(np.float64), names


def _read_text(path: Path, delimiter: str | None) -> tuple[Float64[np.ndarray, "R C"], tuple[str, ...]]:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not lines:
        raise ValueError("it is empty")
    first = lines[0].lstrip("#").strip().split(delimiter)
    try:
        _numbers(first)
        names: tuple[str, ...] = ()
    except ValueError:
        names, lines = tuple(name.strip() for name in first), lines[1:]
    if lines and lines[0].startswith("#"):
        names, lines = tuple(lines[0].lstrip("#").split(delimiter)), lines[1:]
    rows = [_numbers(line.split(delimiter)) for line in lines]
    if len({len(row) for row in rows}) != 1:
        raise ValueError("its rows have different lengths: is it cut short?")
    return np.array(rows), names


def _numbers(words: list[str]) -> list[float]:
    return [float("nan") if word.strip().lower() in ("n/a", "") else float(word) for word in words]
