"""Columns of a file that somebody recorded: CSV and TSV as programs write them, Parquet, and arrays of numpy."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from csv import reader
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from jaxtyping import Float64
from pyarrow import compute, csv, parquet

from audiossl.errors import DataError
from audiossl.options import nearest
from audiossl.signals.bold.plain_numbers import MISSING
from audiossl.tables import decode, find_delimiter

ARROW: Any = compute  # its functions are made when it is imported, and have no types
TEXTS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
SUFFIXES = (*TEXTS, ".parquet", ".npz", ".npy")
UNKNOWN = pyarrow.array(sorted({*MISSING, "null", "none", "<na>", "#n/a"}))
MOST_NAMED = 12
_UNIT = re.compile(r"\s*[(\[]([^()\[\]]+)[)\]]\s*$")


@dataclass(frozen=True)
class Columns:
    """Columns of one length, by name.

    Attributes:
        path: of the file.
        values: of each column, as they are in the file.
        units: of columns whose header, such as `x (g)`, or whose line of units below it says them.
        first_line: line of the file that row 0 is; 0 where the file has no lines.
        decimal_comma: whether numbers may be written with one.
    """

    path: Path
    values: Mapping[str, pyarrow.ChunkedArray]
    units: Mapping[str, str] = field(default_factory=dict)
    first_line: int = 0
    decimal_comma: bool = False

    def __len__(self) -> int:
        return len(next(iter(self.values.values()))) if self.values else 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, without units in brackets."""
        return tuple(self.values)

    def get(self, name: str) -> pyarrow.ChunkedArray:
        """The values of a column; `x` also finds `x (g)`.

        Raises:
            DataError: if there is none; the message lists those that there are.
        """
        name = split_unit(name)[0] if name not in self.values else name
        if name not in self.values:
            listed = ", ".join(self.names[:MOST_NAMED]) + ", ..." * (len(self.names) > MOST_NAMED)
            raise DataError(f"{self.path} has no column '{name}'{nearest(name, self.names)}; it has {listed or 'none'}")
        return self.values[name]

    def has(self, name: str) -> bool:
        """Whether there is such a column."""
        return name in self.values or split_unit(name)[0] in self.values

    def numbers(self, name: str) -> Float64[np.ndarray, "S"]:
        """A column as numbers, NaN where a cell is empty or says that its value is missing.

        Raises:
            DataError: if there is no such column, or a cell is no number; the message names its line.
        """
        cells = self.get(name)
        if pyarrow.types.is_dictionary(cells.type):
            cells = cells.cast(cells.type.value_type)
        if pyarrow.types.is_string(cells.type) or pyarrow.types.is_large_string(cells.type):
            cells = self._plain(cells)
        try:
            return np.array(ARROW.fill_null(cells.cast(pyarrow.float64(), safe=False), np.nan), np.float64)
        except pyarrow.ArrowException:
            text = self.texts(name)
            row = next((place for place, cell in enumerate(text) if cell is not None and not self._is_number(cell)), 0)
            raise DataError(f"{self.path}, {self.place(row)}: expected a number in column {name}, got {text[row]!r}") from None

    def texts(self, name: str) -> list[str | None]:
        """A column as text; None where a cell is empty or says that its value is missing, whole numbers without a point.

        Raises:
            DataError: if there is no such column.
        """
        cells = self.get(name)
        if pyarrow.types.is_floating(cells.type):
            return [None if value is None or value != value else f"{value:.15g}" for value in cells.to_pylist()]
        known = (None if value is None else str(value).strip() for value in cells.to_pylist())
        return [None if value is None or value.lower() in _MISSING_WORDS else value for value in known]

    def place(self, row: int) -> str:
        """Where a row is, in words."""
        return f"line {self.first_line + row}" if self.first_line else f"row {row}"

    def is_numeric(self, name: str) -> bool:
        """Whether a column holds numbers, and not only missing ones."""
        try:
            return bool(np.isfinite(self.numbers(name)).any())
        except DataError:
            return False

    def _plain(self, cells: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
        cells = ARROW.utf8_trim_whitespace(cells)
        if self.decimal_comma:
            cells = ARROW.replace_substring(cells, ",", ".")
        missing = ARROW.is_in(ARROW.utf8_lower(cells), value_set=UNKNOWN.cast(cells.type))
        return ARROW.if_else(missing, pyarrow.scalar(None, cells.type), cells)

    def _is_number(self, cell: str) -> bool:
        try:
            float(cell.replace(",", ".") if self.decimal_comma else cell)
        except ValueError:
            return False
        return True


_MISSING_WORDS = frozenset(UNKNOWN.to_pylist())


def read_columns(path: Path) -> Columns:
    """Read a table or arrays of numpy, by the suffix of the file.

    Text may be UTF-8, UTF-16 or UTF-32, packed by gzip, with commas, semicolons, tabs or bars between cells; where they are not
    commas, numbers may have a decimal comma. Lines that begin with `#` above the header are skipped. Units may stand behind names
    of columns, in brackets, or in a line of their own below the header. Arrays of one dimension in an .npz are columns; a matrix
    `a` gives the columns `a_0`, `a_1`, ..., and that of an .npy `0`, `1`, ...: time runs along its longer side.

    Raises:
        DataError: if the file is empty, damaged or of another kind, a column comes twice, or a row has other cells than its
            header.
    """
    name = path.name.lower()
    if not path.is_file():
        raise DataError(f"{path} is not there")
    if not path.stat().st_size:
        raise DataError(f"{path} is empty")
    if name.endswith(TEXTS):
        return _read_text(path)
    try:
        if name.endswith(".parquet"):
            table = parquet.read_table(path)
            return Columns(path, _by_name(path, table.column_names, table.columns))
        if name.endswith((".npz", ".npy")):
            return Columns(path, _arrays(path))
    except (pyarrow.ArrowException, OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    raise DataError(f"{path}: expected one of {', '.join(SUFFIXES)}")


def split_unit(name: str) -> tuple[str, str]:
    """The name of a column and the unit that stands behind it in brackets; an empty one where there is none.

    >>> split_unit("acc_x (m/s^2)"), split_unit("t")
    (('acc_x', 'm/s^2'), ('t', ''))
    """
    found = _UNIT.search(name)
    return (name[: found.start()].strip(), found[1].strip()) if found and found.start() else (name.strip(), "")


def _read_text(path: Path) -> Columns:
    text = decode(path)
    lines_before, delimiter = 0, None
    while text.startswith(("#", "sep=")) or (text[:1] in "\r\n" and text):
        line, _, text = text.partition("\n")
        lines_before += 1
        delimiter = line[4:5] if line.startswith("sep=") else delimiter
    if not text.strip():
        raise DataError(f"{path} is empty")
    delimiter = delimiter or find_delimiter(text, ())
    parse = csv.ParseOptions(delimiter=delimiter)
    header = next(iter(text.splitlines()))
    names = next(reader([header], delimiter=delimiter))
    kinds = dict.fromkeys(names, pyarrow.string())
    try:
        table = csv.read_csv(
            io.BytesIO(text.encode()),
            read_options=csv.ReadOptions(use_threads=False),  # its threads outlive short programs, which then abort
            parse_options=parse,
            convert_options=csv.ConvertOptions(column_types=kinds),
        )
    except pyarrow.ArrowException as error:
        raise DataError(f"{path}: {str(error).splitlines()[0]} (columns are parted by {delimiter!r})") from error
    if not len(table):
        raise DataError(f"{path} has a header, {', '.join(names[:MOST_NAMED])}, and no row")
    found = _by_name(path, names, table.columns)
    units = {split_unit(name)[0]: unit for name in names if (unit := split_unit(name)[1])}
    columns = Columns(path, found, units, lines_before + 2, delimiter != ",")
    return _without_line_of_units(columns)


def _by_name(path: Path, names: list[str], columns: list[pyarrow.ChunkedArray]) -> dict[str, pyarrow.ChunkedArray]:
    found: dict[str, pyarrow.ChunkedArray] = {}
    for name, values in zip(names, columns, strict=True):
        plain = split_unit(name)[0]
        if plain in found:
            raise DataError(f"{path}: the column '{plain}' comes twice")
        if plain:
            found[plain] = values
    return found


def _without_line_of_units(columns: Columns) -> Columns:
    """Take the first row for units where it has no number in columns that hold numbers below it."""
    if len(columns) < 2:
        return columns
    first, second = ({name: str(values[row].as_py()) for name, values in columns.values.items()} for row in (0, 1))
    numeric = [name for name, cell in second.items() if columns._is_number(cell)]
    if not numeric or any(columns._is_number(first[name]) or first[name].lower() in _MISSING_WORDS for name in numeric):
        return columns
    units = {name: split_unit(f"x [{first[name].strip('[]()')}]")[1] for name, cell in first.items() if cell}
    below = {name: values.slice(1) for name, values in columns.values.items()}
    return Columns(columns.path, below, {**units, **columns.units}, columns.first_line + 1, columns.decimal_comma)


def _arrays(path: Path) -> dict[str, pyarrow.ChunkedArray]:
    loaded = np.load(path, allow_pickle=False)
    arrays = {"": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    lengths = {len(values) for values in arrays.values() if values.ndim == 1}
    found: dict[str, pyarrow.ChunkedArray] = {}
    for name, values in arrays.items():
        if values.ndim == 1:
            found[name] = pyarrow.chunked_array([values])
        elif values.ndim == 2:
            rows = _samples_first(path, values, lengths)
            prefix = f"{name}_" if name else ""
            found |= {f"{prefix}{place}": pyarrow.chunked_array([column.copy()]) for place, column in enumerate(rows.T)}
    if not found or len({len(column) for column in found.values()}) != 1:
        shapes = ", ".join(f"{name or 'array'} {values.shape}" for name, values in arrays.items())
        raise DataError(f"{path}: expected arrays of one length, (samples,), or matrices of samples x channels, got {shapes}")
    return found


def _samples_first(path: Path, values: np.ndarray, lengths: set[int]) -> np.ndarray:
    """A matrix with time along its rows: the side that is as long as the other arrays, or else the longer one."""
    if len(lengths) == 1:
        (length,) = lengths
        if (values.shape[0] == length) != (values.shape[1] == length):
            return values if values.shape[0] == length else values.T
    if values.shape[0] == values.shape[1]:
        raise DataError(f"{path}: a matrix of {values.shape[0]} x {values.shape[1]} does not say which side is time")
    return values if values.shape[0] > values.shape[1] else values.T
