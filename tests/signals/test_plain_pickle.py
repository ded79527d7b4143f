"""Plain pickles are read as pickle itself reads them; nothing that a pickle names is ever run."""

from __future__ import annotations

import codecs
import io
import os
import pickle
from collections import OrderedDict
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from audiossl.errors import DataError
from audiossl.signals.plain_pickle import PandasObject, load_plain_pickle


def read(raw: bytes):
    return load_plain_pickle(io.BytesIO(raw))


TYPES = st.sampled_from(["<f4", ">f8", "<i8", ">i2", "u1", "?", "<c8", "S3", "<U4"])


@given(st_numpy.arrays(TYPES, st_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)), st.integers(0, 5))
def test_arrays_of_every_protocol(array, protocol):
    for written in (array, np.asfortranarray(array)):
        found = np.asarray(read(pickle.dumps([written, {"x": (1, 2.5, "é", None, b"\xff")}], protocol))[0])
        np.testing.assert_array_equal(found, written)
        assert found.dtype.newbyteorder("=") == written.dtype.newbyteorder("=") and type(found) is np.ndarray


@pytest.mark.parametrize("protocol", range(6))
def test_scalars_and_object_arrays(protocol):
    ragged = np.empty(2, object)
    ragged[:] = [np.arange(3.0), "a"]
    scalar, (array, text) = read(pickle.dumps((np.float32(0.1), ragged), protocol))
    assert scalar == np.float32(0.1) and text == "a"
    np.testing.assert_array_equal(array, [0, 1, 2])


def test_a_python_2_pickle():
    # Python 2 wrote the bytes of arrays and its texts as 8-bit strings (opcode U).
    content = np.array([1.5, -2.0]).tobytes()
    dtype = b"cnumpy\ndtype\n(U\x02f8I0\nI1\ntR(I3\nU\x01<NNNI-1\nI-1\nI0\ntb"
    raw = (
        b"\x80\x02}U\x06signalcnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR(I1\n(I2\nt"
        + dtype + b"I00\nU" + bytes([len(content)]) + content + b"tbs."
    )  # fmt: skip
    np.testing.assert_array_equal(read(raw)["signal"], pickle.loads(raw, encoding="latin1")["signal"])


def test_pandas_objects_are_stood_in_for():
    found = read(b"\x80\x02cpandas.core.frame\nDataFrame\n)\x81}X\x01\x00\x00\x00aK\x01sb.")
    assert isinstance(found, PandasObject) and found.state == {"a": 1} and found.args == ()


class Malicious:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    ("function", "named"),
    [(os.mkdir, "mkdir"), (eval, "eval"), (getattr, "getattr"), (open, "open"), (codecs.lookup, "lookup"), (np.load, "load")],
)
def test_a_malicious_pickle_runs_nothing(tmp_path, monkeypatch, function, named, protocol):
    monkeypatch.chdir(tmp_path)
    argument = "open('made', 'w')" if function is eval else "made"
    with pytest.raises(DataError, match=named):
        read(pickle.dumps({"signal": Malicious(function, argument)}, protocol))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [datetime(2000, 1, 1), OrderedDict(a=1), np.dtype([("a", "f8")]).type, np.zeros(2, "M8[s]")])
def test_other_classes_are_refused(value):
    with pytest.raises(DataError, match="expected plain values"):
        read(pickle.dumps(value))


def test_bytes_are_never_taken_for_objects():
    """NumPy's own dtype lets a pickle clear the mark that says "objects": eight bytes would become an address."""
    flags = b"cnumpy\ndtype\n(X\x01\x00\x00\x00OI0\nI1\ntR(I3\nX\x01\x00\x00\x00|NNNI-1\nI-1\nI0\ntb"
    raw = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntX\x01\x00\x00\x00btR(I1\n(I1\nt"
        + flags + b"I00\nX\x08\x00\x00\x00AAAAAAAAtb."
    )  # fmt: skip
    with pytest.raises(DataError, match="not of its type"):
        read(raw)


def test_a_cut_file_is_named(tmp_path):
    path = Path(tmp_path / "cut.pkl")
    path.write_bytes(pickle.dumps(np.arange(100))[:-30])
    with path.open("rb") as stream, pytest.raises(DataError, match=r"cut\.pkl"):
        load_plain_pickle(stream)
