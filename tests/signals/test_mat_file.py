"""Matrices of MATLAB files: read, or refused with the file named."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from audiossl.errors import DataError
from audiossl.signals.mat_file import load_matrix


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_a_matrix_is_read_as_float64(tmp_path, dtype):
    matrix = np.arange(6, dtype=dtype).reshape(2, 3)
    savemat(tmp_path / "a.mat", {"sig": matrix, "other": "text"})
    loaded = load_matrix(tmp_path / "a.mat", "sig")
    assert loaded.dtype == np.float64
    np.testing.assert_array_equal(loaded, matrix)


def test_refusals_name_the_file(tmp_path):
    savemat(tmp_path / "a.mat", {"sig": np.eye(300), "text": "text"})
    with pytest.raises(DataError, match=r"missing\.mat is not there"):
        load_matrix(tmp_path / "missing.mat", "sig")
    with pytest.raises(DataError, match=r"a\.mat: expected a real matrix BPM0, got none"):
        load_matrix(tmp_path / "a.mat", "BPM0")
    with pytest.raises(DataError, match=r"a\.mat: expected a real matrix text"):
        load_matrix(tmp_path / "a.mat", "text")
    whole = (tmp_path / "a.mat").read_bytes()
    for length in (0, 50, 130, 200, len(whole) // 2):
        (tmp_path / "a.mat").write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"a\.mat"):
            load_matrix(tmp_path / "a.mat", "sig")


def test_another_version_is_not_called_damaged(tmp_path):
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    (tmp_path / "a.mat").write_bytes(header + bytes(384) + b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(DataError, match=r"a\.mat is of MATLAB 7\.3 \(HDF5\), which is not read here: save it by"):
        load_matrix(tmp_path / "a.mat", "tc")
