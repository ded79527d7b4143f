"""Read pickles of numbers that other people made, without running anything that they hold."""

from __future__ import annotations

import pickle
from typing import Any, Protocol, runtime_checkable

import numpy as np

from audiossl.errors import DataError


@runtime_checkable
class ByteStream(Protocol):
    """A file opened for bytes, a member of an archive, or bytes in memory."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes."""
        ...

    def readline(self) -> bytes:
        """Bytes up to and with the next line feed."""
        ...


class PandasStub:
    """Stands in for an index, a frame or another part of pandas: what it was made from (`args`) and its pickled `state`.

    The state of a frame holds its block manager, that of an index the dict with its `data`.
    """

    args: tuple[Any, ...] = ()
    state: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args

    def __setstate__(self, state: Any) -> None:
        self.state = state


def load_plain_pickle(stream: ByteStream, encoding: str = "latin1") -> Any:
    """Unpickle plain containers, numbers, text and numpy arrays, scalars and dtypes; refuse all else before it is called.

    Objects of pandas become `PandasStub`s, so that the arrays inside a frame can be taken out of `stub.state`; pandas is not
    imported. Arrays of objects are read, their elements under the same rule.

    Args:
        stream: a file opened for bytes, also a member of a zip or tar file.
        encoding: of text written by Python 2; `latin1` also carries its arrays.

    Raises:
        DataError: if the pickle names anything else, or is damaged.
    """
    try:
        return _PlainUnpickler(stream, encoding=encoding).load()
    except DataError:
        raise
    except Exception as error:  # a damaged pickle fails in any way that its bytes happen to ask for
        raise DataError(f"{_name_of(stream)} is not a whole pickle ({type(error).__name__}: {error})") from error


# What numpy names in its own pickles, asked of numpy, because the modules of these functions have moved and will again.
_RECONSTRUCT: Any = np.empty(0).__reduce__()[0]
_FROM_BUFFER: Any = np.empty(1).__reduce_ex__(5)[0]
_SCALAR: Any = np.float64(0).__reduce__()[0]

_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "scalar"): _SCALAR,
    ("numpy._core.numeric", "_frombuffer"): _FROM_BUFFER,
    **{("builtins", kind.__name__): kind for kind in (bytearray, bytes, complex, frozenset, object, range, set, slice)},
    ("builtins", "xrange"): range,
}


class _PlainUnpickler(pickle.Unpickler):
    def __init__(self, stream: ByteStream, encoding: str) -> None:
        super().__init__(stream, encoding=encoding)
        self._name = _name_of(stream)

    def find_class(self, module: str, name: str) -> Any:
        module = _PYTHON_2.get(module, module).replace("numpy.core.", "numpy._core.")
        if module.partition(".")[0] == "pandas":
            return self._new_index if name == "_new_Index" else PandasStub
        if (module, name) == ("copyreg", "_reconstructor"):
            return self._reconstruct_stub
        if (module, name) == ("_codecs", "encode"):
            return self._encode
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        raise DataError(
            f"{self._name} is a pickle that asks for {module}.{name}; only numpy arrays and plain containers are read, because "
            "a pickle can run any program. Do not open it otherwise unless you trust its source"
        )

    def persistent_load(self, pid: Any) -> Any:
        raise DataError(f"{self._name} is a pickle with references to other files; only plain ones are read")

    # Methods, not functions: a pickle may set attributes of what it was given, and those of bound methods cannot be set.

    def _new_index(self, kind: type, fields: Any) -> PandasStub:
        """pandas' maker of an index from a dict."""
        stub = PandasStub(kind)
        stub.state = fields
        return stub

    def _reconstruct_stub(self, kind: type, base: type, state: Any) -> PandasStub:
        """copyreg's maker of objects in protocols 0 and 1."""
        if kind is not PandasStub or base is not object:
            raise DataError(f"{self._name} is a pickle that makes a {kind!r}; only numpy arrays and plain containers are read")
        return PandasStub()

    def _encode(self, text: str, encoding: str) -> bytes:
        """Bytes in protocols 0 to 2 are latin1 text; other codecs could unpack a small file into a huge one."""
        if encoding not in ("latin1", "latin-1"):
            raise DataError(f"{self._name} is a pickle of text in {encoding}; expected latin1")
        return text.encode("latin1")


def _name_of(stream: ByteStream) -> str:
    return str(getattr(stream, "name", "the stream"))
