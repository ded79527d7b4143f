"""Take one matrix out of a MATLAB 5 file."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Shaped
from scipy.io import loadmat

from audiossl.errors import DataError

_HDF5 = b"\x89HDF\r\n\x1a\n"


def load_matrix(path: Path, name: str) -> Float64[np.ndarray, "M N"]:
    """Read the variable `name`, a real matrix; errors are those of `stored_matrix`.

    >>> from scipy.io import savemat
    >>> savemat("a.mat", {"sig": np.eye(2)})
    >>> load_matrix(Path("a.mat"), "sig").shape
    (2, 2)
    """
    return stored_matrix(path, name).astype(np.float64)


def stored_matrix(path: Path, name: str) -> Shaped[np.ndarray, "M N"]:
    """Read the variable `name`, a real matrix, in the type of number that the file stores.

    Raises:
        DataError: if the file is missing, damaged, of version 7.3, or holds no such matrix; the message names the file.
    """
    if not path.is_file():
        raise DataError(f"{path} is not there: expected a MATLAB file with the variable {name}")
    if _is_hdf5(path):
        raise DataError(
            f"{path.name} is a MATLAB 7.3 file (HDF5), which is not read here: save it as version 7, in MATLAB by "
            f"save('{path.name}', '{name}', '-v7')"
        )
    try:
        with warnings.catch_warnings(action="ignore"):  # scipy warns of what it then reads, or fails on
            variables = loadmat(path, variable_names=[name])
    except Exception as error:  # a damaged file fails in any way that its bytes happen to ask for
        raise DataError(f"{path.name} is not a whole MATLAB file ({type(error).__name__}: {error})") from error
    matrix = variables.get(name)
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or matrix.dtype.kind not in "fiu":
        kind = "none" if matrix is None else f"{type(matrix).__name__} of {getattr(matrix, 'dtype', '?')}"
        raise DataError(f"{path.name}: expected a real matrix {name}, got {kind}")
    return matrix


def _is_hdf5(path: Path) -> bool:
    """Whether the bytes of HDF5 are there: at the start, or behind the 512 bytes that MATLAB puts before them."""
    with path.open("rb") as file:
        start = file.read(520)
    return start[:8] == _HDF5 or start[512:] == _HDF5
