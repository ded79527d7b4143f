"""Regional series in files of numbers: .npy, .npz, .mat, .csv, .tsv, .1D and plain text."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from audiossl.errors import DataError
from audiossl.signals.bold.text_table import Declared, read_text_table
from audiossl.signals.mat_file import load_matrix

TEXT = {".csv": ",", ".tsv": "\t", ".1d": None, ".txt": None}


def read_series(
    path: Path,
    regions_first: bool,
    key: str | None = None,
    header: bool | None = None,
    index: bool | None = None,
    num_volumes: int | None = None,
) -> tuple[Float64[np.ndarray, "N T"], tuple[str, ...]]:
    """Read a table of regions and volumes, and the names of regions in the header of a text file.

    Blank lines are skipped. A first column that counts the rows, as pandas writes it, is left out. `n/a`, `nan` and an empty cell
    are missing values; any other text that is no number with a decimal point is an error.

    Args:
        path: its suffix says the format.
        regions_first: rows are regions; otherwise they are volumes. A file does not say.
        key: key of the array in .npz and .mat; a .npz with one array needs none.
        header: whether the first line of a text file names the columns. By default it is one if it holds words, names such as
            `7_1`, or different whole numbers beyond values that have fractions; a line that may be either is an error.
        index: whether the first column of a text file numbers the rows; by default it does if it counts them by one.
        num_volumes: number of volumes that the run has, if it is known; it distinguishes a header of numbers from a volume.

    Returns:
        Regions x volumes, and names (empty where the file has none).

    Raises:
        DataError: if the file is missing, damaged or holds no matrix of numbers, has another number of volumes, or if it is not
            clear what its first line or column is; the message names it and says what to declare.

    >>> from pathlib import Path
    >>> np.save("run.npy", np.zeros((3, 100)))
    >>> series, names = read_series(Path("run.npy"), regions_first=True)
    >>> series.shape, names
    ((3, 100), ())
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
            num_lines = None if regions_first else num_volumes
            table, names = read_text_table(path, TEXT[kind], Declared(header, index, num_lines))
        else:
            raise ValueError(f"expected one of .npy, .npz, .mat, {', '.join(TEXT)}")
        if table.ndim != 2 or table.dtype.kind not in "fiu":
            raise ValueError(f"expected a matrix of numbers, got {table.shape} of {table.dtype}")
        table = table if regions_first else table.T
        if num_volumes is not None and table.shape[1] != num_volumes:
            raise ValueError(f"expected {num_volumes} volumes, got {table.shape[1]}")
    except (OSError, ValueError, KeyError, EOFError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as series of regions: {error}") from error
    return table.astype(np.float64), names


def in_order(
    series: Float64[np.ndarray, "N T"], names: Sequence[str], regions: Sequence[str], path: Path
) -> Float64[np.ndarray, "N T"]:
    """Put the regions of a file into the order of an atlas, by their names; a file without names has that order already.

    Args:
        series: rows as they are in the file.
        names: names of the rows, or none.
        regions: regions of the atlas.
        path: path of the file.

    Raises:
        DataError: if the names are not those of the atlas, each once; the message names the file.

    >>> from pathlib import Path
    >>> in_order(np.array([[1.0], [2.0]]), ["b", "a"], ["a", "b"], Path("run.csv"))
    array([[2.],
           [1.]])
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
