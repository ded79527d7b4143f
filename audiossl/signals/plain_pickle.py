"""Read a pickle that holds only plain values, NumPy arrays and pandas tables, without running anything that it names.

Data sets are still handed around as pickles, and a pickle is a program. Here no name of it is ever imported: the few that NumPy
and pandas write are answered by stand-ins below, any other is refused. NumPy's own `dtype` is not let in either, because the
state that a pickle gives it can make bytes be taken for addresses of objects.
"""

from __future__ import annotations

import pickle
import re
from io import BufferedIOBase
from typing import Any

import numpy as np

from audiossl.errors import DataError

_ELEMENTS = re.compile(r"[<>=|][biufcSUO]\d*")  # numbers, texts and objects; no structures, no dates


class PandasObject:
    """Stands in for every object of pandas: what it was made from (`args`) and what it was filled with (`state`)."""

    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> PandasObject:
        made = super().__new__(cls)
        made.args, made.state = args, None
        return made

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Dtype:
    """The type of an array's elements; `resolve` gives NumPy's own."""

    def __init__(self, code: str | bytes, align: object = False, copy: object = False) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = _text(state[1])

    def resolve(self) -> np.dtype:
        spelling = self.order + _text(self.code)
        if not _ELEMENTS.fullmatch(spelling):
            raise pickle.UnpicklingError(f"array elements of type {spelling!r}")
        return np.dtype(spelling)


class _Array(np.ndarray):
    def __setstate__(self, state: tuple[Any, ...]) -> None:  # type: ignore[override]
        version, shape, dtype, fortran, content = state
        resolved = dtype.resolve()
        if resolved.hasobject != isinstance(content, list):
            raise pickle.UnpicklingError("an array whose content is not of its type")
        content = content.encode("latin1") if isinstance(content, str) else content
        super().__setstate__((version, shape, resolved, fortran, content))


def _text(value: str | bytes) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else value


def _new_array(kind: object, shape: object, code: object) -> _Array:
    return _Array(0, np.uint8)


def _array_of_bytes(content: Any, dtype: _Dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    return np.frombuffer(content, dtype.resolve()).reshape(shape, order="F" if order == "F" else "C").copy()


def _scalar(dtype: _Dtype, content: str | bytes) -> Any:
    return np.frombuffer(content.encode("latin1") if isinstance(content, str) else content, dtype.resolve())[0]


def _encode(text: str, encoding: str = "latin1") -> bytes:
    return text.encode("latin1")


def _empty_bytes() -> bytes:
    return b""


def _new_object(kind: type, base: type, state: object) -> Any:
    return PandasObject()


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): "numpy.ndarray",  # only named, never called
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _new_array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _array_of_bytes for core in ("core", "_core")},
    **{(module, "_reconstructor"): _new_object for module in ("copyreg", "copy_reg")},
    **{(module, "object"): object for module in ("builtins", "__builtin__")},
    **{(module, "bytes"): _empty_bytes for module in ("builtins", "__builtin__")},
    **{(module, "slice"): slice for module in ("builtins", "__builtin__")},
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name.partition(".")[0] == "pandas":
            return PandasObject
        if (stand_in := _STAND_INS.get((module_name, global_name))) is None:
            raise pickle.UnpicklingError(f"{module_name}.{global_name}")
        return stand_in


def load_plain_pickle(stream: BufferedIOBase, encoding: str = "latin1") -> Any:
    """Read one pickle from `stream`: lists, dicts, numbers, texts, NumPy arrays and scalars, pandas objects as `PandasObject`.

    Arrays come as views of a subclass of `numpy.ndarray`; `numpy.asarray` makes them plain.

    Args:
        stream: where the pickle begins.
        encoding: how 8-bit texts of Python 2 are decoded; with `bytes` they stay bytes.

    Raises:
        DataError: if the pickle names anything else, or is damaged; the message says what.
    """
    try:
        return _PlainUnpickler(stream, encoding=encoding).load()
    except Exception as error:  # a damaged pickle can fail in any way
        name = getattr(stream, "name", "a pickle")
        raise DataError(f"{name}: expected plain values, arrays and tables, got {error}; it was not read further") from error
