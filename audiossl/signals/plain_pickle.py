"""Read pickles of numbers that other people made, without running anything that they hold.

Not even numpy's own unpickling is used: a pickle may set the flags and fields of a dtype, and so make numpy follow addresses that
are bytes of the file. Here a dtype is a few letters and an array is made from its bytes.
"""

from __future__ import annotations

import pickle
import re
from math import prod
from typing import Any, Protocol, runtime_checkable

import numpy as np

from audiossl.errors import DataError

_PLAIN_DTYPE = re.compile(r"[biufcSU]\d+|[mM]8|O\d+")
_TIME_UNIT = re.compile(r"[YMWD]|[hms]|ms|us|ns|ps|fs|as|generic")


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

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.args = args

    def __setstate__(self, state: Any) -> None:
        self.state = state


def load_plain_pickle(stream: ByteStream, encoding: str = "latin1") -> Any:
    """Unpickle plain containers, numbers, text and numpy arrays, scalars and dtypes; refuse all else before it is called.

    Objects of pandas become `PandasStub`s, so that the arrays inside a frame can be taken out of `stub.state`; pandas is not
    imported. Arrays of objects are read, their elements under the same rule; arrays with named fields are not.

    Args:
        stream: a file opened for bytes, also a member of a zip or tar file.
        encoding: encoding of text written by Python 2; `latin1` also carries its arrays.

    Raises:
        DataError: if the pickle names anything else, or is damaged.

    >>> import io, pickle
    >>> load_plain_pickle(io.BytesIO(pickle.dumps({"rate": 50})))
    {'rate': 50}
    """
    try:
        return _Finisher().finish(_PlainUnpickler(stream, encoding=encoding).load())
    except DataError:
        raise
    except Exception as error:  # a damaged pickle fails in any way that its bytes happen to ask for
        raise DataError(f"{_name_of(stream)} is not a whole pickle ({type(error).__name__}: {error})") from error


class _Parts:
    """What a pickle says of an array or a dtype, before it is made; `spec` is empty for an array."""

    __slots__ = ("spec", "state")

    def __init__(self, spec: str) -> None:
        self.spec = spec
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


_CONTAINERS = {("builtins", kind.__name__): kind for kind in (bytearray, bytes, complex, frozenset, range, set, slice)}
_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}


class _PlainUnpickler(pickle.Unpickler):
    def __init__(self, stream: ByteStream, encoding: str) -> None:
        super().__init__(stream, encoding=encoding)
        self._name = _name_of(stream)
        # Methods, not functions: a pickle may set attributes of what it was given, and those of bound methods cannot be set.
        self._allowed: dict[tuple[str, str], Any] = {
            **_CONTAINERS,
            ("builtins", "xrange"): range,
            ("builtins", "object"): "object",  # names that occur as arguments only, and cannot be called
            ("numpy", "ndarray"): "ndarray",
            ("numpy", "dtype"): self._dtype,
            ("numpy._core.multiarray", "_reconstruct"): self._array,
            ("numpy._core.multiarray", "scalar"): self._scalar,
            ("numpy._core.numeric", "_frombuffer"): self._array_from_buffer,
            ("copyreg", "_reconstructor"): self._pandas_object,
            ("_codecs", "encode"): self._encode,
        }

    def find_class(self, module: str, name: str) -> Any:
        # numpy 2 moved its private modules; old files name the old ones.
        module = _PYTHON_2.get(module, module).replace("numpy.core.", "numpy._core.")
        if module.partition(".")[0] == "pandas":
            return self._pandas_index if name == "_new_Index" else PandasStub
        if (module, name) in self._allowed:
            return self._allowed[module, name]
        raise DataError(
            f"{self._name} is a pickle that asks for {module}.{name}; only numpy arrays and plain containers are read, because "
            "a pickle can run any program. Do not open it otherwise unless you trust its source"
        )

    def persistent_load(self, pid: Any) -> Any:
        raise DataError(f"{self._name} is a pickle with references to other files; only plain ones are read")

    def _dtype(self, spec: str, *_: Any) -> _Parts:
        return _Parts(str(spec))

    def _array(self, *_: Any) -> _Parts:
        """An empty array, whose shape, dtype and bytes come as its state."""
        return _Parts("")

    def _scalar(self, dtype: _Parts, raw: Any) -> Any:
        return _make_array((), dtype, False, raw)[()]

    def _array_from_buffer(self, raw: Any, dtype: _Parts, shape: tuple[int, ...], order: str) -> np.ndarray:
        return _make_array(shape, dtype, order == "F", bytes(raw))

    def _pandas_index(self, kind: Any, fields: Any) -> PandasStub:
        """pandas' maker of an index from a dict."""
        stub = PandasStub(kind)
        stub.state = fields
        return stub

    def _pandas_object(self, kind: Any, base: Any, state: Any) -> PandasStub:
        """copyreg's maker of objects in protocols 0 and 1."""
        if kind is not PandasStub:
            raise DataError(f"{self._name} is a pickle that makes a {kind!r}; only numpy arrays and plain containers are read")
        return PandasStub()

    def _encode(self, text: str, encoding: str) -> bytes:
        """Bytes in protocols 0 to 2 are latin1 text; other codecs could unpack a small file into a huge one."""
        if encoding not in ("latin1", "latin-1"):
            raise DataError(f"{self._name} is a pickle of text in {encoding}; expected latin1")
        return text.encode("latin1")


def _make_dtype(parts: Any) -> np.dtype:
    """A plain dtype: kind, size and byte order, and the unit of times."""
    if not isinstance(parts, _Parts) or not _PLAIN_DTYPE.fullmatch(parts.spec):
        raise DataError(f"expected a plain dtype in the pickle, got {getattr(parts, 'spec', parts)!r}")
    state: tuple[Any, ...] = parts.state or (3, "=", None, None, None)
    order = state[1]
    if any(part is not None for part in state[2:5]) or order not in ("<", ">", "=", "|"):
        raise DataError("expected plain dtypes in the pickle, got one with named fields or of another structure")
    if parts.spec[0] == "O":
        return np.dtype(object)
    unit = ""
    if parts.spec[0] in "mM":
        name, count, *_ = state[8][1]
        name = name.decode() if isinstance(name, bytes) else name
        if not _TIME_UNIT.fullmatch(name):
            raise DataError(f"expected a unit of time in the pickle, got {name!r}")
        unit = "" if name == "generic" else f"[{int(count)}{name}]"
    return np.dtype(f"{order.replace('|', '=')}{parts.spec}{unit}")


def _make_array(shape: tuple[int, ...], dtype: Any, fortran: bool, raw: Any) -> np.ndarray:
    """An array from its bytes, or from a list of objects."""
    made, order = _make_dtype(dtype), "F" if fortran else "C"
    if made.hasobject:
        if not isinstance(raw, list):
            raise DataError("expected the elements of an array of objects in the pickle, got bytes")
        flat = np.empty(len(raw), object)
        for place, element in enumerate(raw):
            flat[place] = element
        return flat.reshape(shape, order=order)
    raw = raw.encode("latin1") if isinstance(raw, str) else raw
    if not isinstance(raw, bytes) or len(raw) != made.itemsize * prod(shape):
        raise DataError(f"expected {made.itemsize * prod(shape)} bytes for an array of shape {shape} in the pickle")
    return np.ndarray(shape, made, raw, order=order).copy(order="K")


class _Finisher:
    """Puts arrays and dtypes in the place of their parts, in containers of any depth; what is shared stays shared."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[Any, Any]] = {}  # the original is kept, so that its id is not used again

    def finish(self, value: Any) -> Any:
        if not isinstance(value, _Parts | PandasStub | dict | list | tuple | set | frozenset | np.ndarray):
            return value
        if id(value) not in self._done:
            if isinstance(value, dict | list | PandasStub):  # may hold itself
                self._done[id(value)] = (value, value)
            self._done[id(value)] = (value, self._finished(value))
        return self._done[id(value)][1]

    def _finished(self, value: Any) -> Any:
        match value:
            case _Parts(spec=""):
                _, shape, dtype, fortran, raw = value.state
                return _make_array(shape, dtype, bool(fortran), self.finish(raw))
            case _Parts():
                return _make_dtype(value)
            case PandasStub():
                value.args, value.state = self.finish(value.args), self.finish(value.state)
            case list():
                value[:] = [self.finish(element) for element in value]
            case dict():
                items = [(self.finish(key), self.finish(element)) for key, element in value.items()]
                value.clear()
                value.update(items)
            case tuple() | set() | frozenset():
                return type(value)(self.finish(element) for element in value)
        return value


def _name_of(stream: ByteStream) -> str:
    return str(getattr(stream, "name", "the stream"))
