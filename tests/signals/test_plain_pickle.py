"""Plain pickles are read as pickle reads them; whatever could run a program is refused before it does."""

from __future__ import annotations

import io
import os
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiossl.errors import DataError
from audiossl.signals.plain_pickle import PandasStub, load_plain_pickle

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner) | st.sets(st.integers()),
    max_leaves=12,
)


def load(raw, **options):
    return load_plain_pickle(io.BytesIO(raw), **options)


@given(PLAIN, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_containers_come_back(value, protocol):
    assert load(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["<f8", ">i2", "?", "<U3", "<c8", "S4", "<M8[ns]", "<m8[3D]", "<M8"])
def test_arrays_scalars_and_dtypes_come_back(protocol, dtype):
    array = np.array([[1, 0], [1, 1], [0, 0]]).astype(dtype)
    value = {"array": array, "scalar": array[0, 0], "dtype": array.dtype, "fortran": np.asfortranarray(array)}
    loaded = load(pickle.dumps(value, protocol))
    np.testing.assert_array_equal(loaded["array"], array)
    np.testing.assert_array_equal(loaded["fortran"], array)
    assert type(loaded["array"]) is np.ndarray and loaded["array"].flags.writeable and loaded["fortran"].flags.f_contiguous
    assert loaded["dtype"] == array.dtype == loaded["array"].dtype.newbyteorder(array.dtype.byteorder)
    assert loaded["scalar"] == array[0, 0]


def test_arrays_of_objects_are_read_with_the_same_rule():
    array = np.array(["a", None, {"b": 2}], dtype=object)
    assert load(pickle.dumps(array)).tolist() == array.tolist()
    with pytest.raises(DataError, match=r"\.system"):
        load(pickle.dumps(np.array([os.system], dtype=object)))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "array", [np.zeros((0, 3)), np.array(2.5), np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)), np.array(["", ""])]
)
def test_arrays_of_every_shape_come_back(protocol, array):
    loaded = load(pickle.dumps([array, (array, {"a": array})], protocol))
    assert loaded[0] is loaded[1][0] is loaded[1][1]["a"]  # what is shared stays shared
    np.testing.assert_array_equal(loaded[0], array)
    assert loaded[0].shape == array.shape


def test_lists_that_hold_themselves_are_read():
    endless = [np.arange(2)]
    endless.append(endless)
    loaded = load(pickle.dumps(endless))
    assert loaded[1] is loaded


def test_python_2_files_are_read():
    raw = pickle.dumps({"signal": np.arange(3.0)}, 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert b"numpy.core.multiarray" in raw
    np.testing.assert_array_equal(load(raw)["signal"], np.arange(3.0))
    assert load(b"U\x03\xe9t\xe9.") == "été"


class Shell:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


class Evaluated:
    def __reduce__(self):
        return eval, ("1 + 1",)


class Codec:
    def __reduce__(self):
        import _codecs

        return _codecs.encode, (b"bomb", "zlib")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_runs_a_command_is_refused_and_runs_nothing(tmp_path, protocol):
    witness = tmp_path / "witness"
    raw = pickle.dumps([Shell(witness)], protocol)
    (tmp_path / "bad.pkl").write_bytes(raw)
    with (tmp_path / "bad.pkl").open("rb") as stream, pytest.raises(DataError, match=r"bad\.pkl .* asks for .*system"):
        load_plain_pickle(stream)
    assert not witness.exists()
    pickle.loads(raw)  # the same bytes do run it elsewhere: the test can fail
    assert witness.exists()


@pytest.mark.parametrize(
    "raw",
    [
        pickle.dumps(Evaluated()),
        pickle.dumps(Codec(), 2),
        b"cbuiltins\ngetattr\n.",
        b"cnumpy\nload\n.",
        b"cnumpy\nndarray.tofile\n.",  # a path inside an allowed name
        b"cnumpy.core.multiarray\nfromfile\n.",
        b"ccopyreg\n_reconstructor\n(cbuiltins\nset\ncbuiltins\nobject\nNtR.",
        b"cpickle\nloads\n.",
        b"(dp0\nP7\n.",  # a reference to another file
        pickle.dumps(np.zeros(2, [("a", "<i4"), ("b", "O")])),
        # Bytes as addresses of objects: an array of objects from a buffer, and a dtype whose field of objects is not flagged.
        b"cnumpy\nndarray\n((I1\ntVO8\nC\x0812345678tR.",
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(VO8\ntRC\x0812345678tR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(tR(I1\n(I1\ntcnumpy\ndtype\n(VO8\ntRI0\nC\x0812345678tb.",
        b"cnumpy.core.multiarray\n_reconstruct\n(tR(I1\n(I1\ntcnumpy\ndtype\n(VV8\ntR"
        b"(I3\nV|\nN(Va\nt(dVa\n(cnumpy\ndtype\n(VO8\ntRI0\ntsI8\nI1\nI0\ntbI0\nC\x0812345678tb.",
        # Fewer bytes than the shape needs.
        pickle.dumps(np.arange(3), 2).replace(b"K\x03\x85", b"K\x04\x85"),
    ],
)
def test_what_is_not_plain_is_refused(raw):
    with pytest.raises(DataError):
        load(raw)


@pytest.mark.parametrize("name", ["_pandas_object", "_encode", "_pandas_index"])
def test_a_pickle_cannot_change_what_it_was_given(name):
    given = {"_pandas_object": b"ccopyreg\n_reconstructor\n", "_encode": b"c_codecs\nencode\n"}
    raw = given.get(name, b"cpandas.core\n_new_Index\n") + b"(N(dV__doc__\nVchanged\nstb."
    with pytest.raises(DataError):
        load(raw)


def test_pandas_is_not_imported_and_leaves_its_arrays():
    """A frame in miniature: an index by _new_Index, a manager by protocol 0's reconstructor."""
    index = b"cpandas.core.indexes.base\n_new_Index\n(cpandas.core.indexes.base\nIndex\n(dVdata\n(lVa\naVb\nastR"
    manager = b"ccopy_reg\n_reconstructor\n(cpandas.core.internals.managers\nBlockManager\nc__builtin__\nobject\nNtR"
    frame = load(b"((d" + b"Vindex\n" + index + b"sVmanager\n" + manager + b"(dVaxes\n(lsbst.")[0]
    assert isinstance(frame["index"], PandasStub) and frame["index"].state == {"data": ["a", "b"]}
    assert isinstance(frame["manager"], PandasStub) and frame["manager"].state == {"axes": []}


@given(st.integers(0, 200))
def test_a_cut_pickle_is_a_data_error(length):
    raw = pickle.dumps({"signal": np.arange(9.0), "label": [1, 2, 3]}, 2)
    assert len(raw) > 200
    with pytest.raises(DataError, match="whole pickle"):
        load(raw[:length])


def test_a_stream_inside_a_zip_file_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as files:
        files.writestr("S1/S1.pkl", pickle.dumps({"label": np.arange(3)}))
    with zipfile.ZipFile(tmp_path / "data.zip") as files, files.open("S1/S1.pkl") as stream:
        np.testing.assert_array_equal(load_plain_pickle(stream)["label"], np.arange(3))
