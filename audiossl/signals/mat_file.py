"""Take one matrix out of a MATLAB 5 file."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from scipy.io import loadmat

from audiossl.errors import DataError


def load_matrix(path: Path, name: str) -> Float64[np.ndarray, "M N"]:
    """Read the variable `name`, a real matrix.

    Raises:
        DataError: if the file is missing, damaged, or holds no such matrix; the message names the file.
    """
    if not path.is_file():
        raise DataError(f"{path} is not there: expected a MATLAB file with the variable {name}")
    try:
        with warnings.catch_warnings(action="ignore"):  # scipy warns of what it then reads, or fails on
            variables = loadmat(path, variable_names=[name])
    except NotImplementedError as error:  # scipy's word for version 7.3
        raise DataError(f"{path.name} is of MATLAB 7.3 (HDF5), which is not read here: save it by save(..., '-v7')") from error
    except Exception as error:  # a damaged file fails in any way that its bytes happen to ask for
        raise DataError(f"{path.name} is not a whole MATLAB file ({type(error).__name__}: {error})") from error
    matrix = variables.get(name)
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or matrix.dtype.kind not in "fiu":
        kind = "none" if matrix is None else f"{type(matrix).__name__} of {getattr(matrix, 'dtype', '?')}"
        raise DataError(f"{path.name}: expected a real matrix {name}, got {kind}")
    return matrix.astype(np.float64)
