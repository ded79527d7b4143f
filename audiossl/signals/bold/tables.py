"""Regional series in files of numbers: .npy, .npz, .mat, .csv, .tsv, .1D and plain text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from audiossl.errors import DataError
from audiossl.signals.mat_file import load_matrix

TEXT = {".csv": ",", ".tsv": "\t", ".1d": None, ".txt": None}


def read_series(path: Path, regions_first: bool, key: str | None = None) -> tuple[Float64[np.ndarray, "N T"], tuple[str, ...]]:
    """Read a table of regions and volumes, and the names of regions in the header of a text file.

    Blank lines are skipped. A column that counts the rows and has no name, as pandas writes it, is left out.

    Args:
        path: its suffix says the format.
        regions_first: rows are regions; otherwise they are volumes. A file does not say.
        key: of the array in .npz and .mat; a .npz with one array needs none.

    Returns:
        Regions x volumes, and names (empty where the file has none).

    Raises:
        DataError: if the file is missing, damaged or holds no matrix of numbers, or its header only counts columns; the message
            names it.
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


def in_order(
    series: Float64[np.ndarray, "N T"], names: Sequence[str], regions: Sequence[str], path: Path
) -> Float64[np.ndarray, "N T"]:
    """Put the regions of a file into the order of an atlas, by their names; a file without names has that order already.

    Args:
        series: rows as they are in the file.
        names: of the rows, or none.
        regions: of the atlas.
        path: of the file.

    Raises:
        DataError: if the names are not those of the atlas, each once; the message names the file.
    """
    if not names or list(names) == list(regions):
        return series
    if sorted(names) != sorted(regions):
        odd = sorted(set(names) ^ set(regions)) or [name for name in names if list(names).count(name) > 1]
        raise DataError(
            f"{path}: expected the {len(regions)} regions of the atlas in its header, got {len(names)} names; "
            f"{len(odd)} are in one only or come twice, such as {odd[0]}"
        )
    place = {name: row for row, name in enumerate(names)}
    return series[[place[name] for name in regions]]


def _read_text(path: Path, delimiter: str | None) -> tuple[Float64[np.ndarray, "R C"], tuple[str, ...]]:
    # A line of nothing but tabs is no blank line: its values are missing.
    lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip(" ")]
    remarks = list(takewhile(lambda line: line.startswith("#"), lines))
    table = [_cells(line, delimiter) for line in lines[len(remarks) :]]
    if not table:
        raise ValueError("it is empty")
    names: tuple[str, ...] = ()
    if remarks:  # the last may be the header
        last = _cells(remarks[-1].lstrip("#").strip(), delimiter)
        names = tuple(last) if len(last) == len(table[0]) else ()
    else:
        if _has_index(table):
            table = [row[1:] for row in table]
        if not _is_numbers(table[0]):
            names, table = tuple(table[0]), table[1:]
            if "" in names:
                raise ValueError(
                    f"its header has no name in column {names.index('') + 1}: is that an index? Write the table without it"
                )
        elif len(table[0]) > 1 and _counts(table[0]):
            # pandas heads columns without names so: whoever writes a matrix by its default would get a volume that never was.
            raise ValueError(
                f"its first line counts columns from {table[0][0]} to {table[0][-1]}: a header without names of regions, not a "
                "volume. Write names there, or no header (pandas: header=False, index=False)"
            )
    rows = [_numbers(row) for row in table]
    if len({len(row) for row in rows} | ({len(names)} if names else set())) != 1:
        raise ValueError("its rows have different lengths: is it cut short?")
    return np.array(rows), names


def _has_index(table: list[list[str]]) -> bool:
    """Whether the first column is an index as pandas writes one: no name in the header, and a count of rows below."""
    return table[0][0] == "" and len(table) > 1 and _counts([row[0] for row in table[1:]])


def _counts(words: list[str]) -> bool:
    """Whether words are 0 .. N-1 or 1 .. N."""
    numbers = _numbers(words) if _is_numbers(words) else []
    return bool(numbers) and numbers in ([*range(len(words))], [*range(1, len(words) + 1)])


def _cells(line: str, delimiter: str | None) -> list[str]:
    return [cell.strip() for cell in line.split(delimiter)]


def _is_numbers(words: list[str]) -> bool:
    try:
        _numbers(words)
    except ValueError:
        return False
    return True


def _numbers(words: list[str]) -> list[float]:
    return [float("nan") if word.lower() in ("n/a", "") else float(word) for word in words]
