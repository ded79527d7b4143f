"""Tables that people write: CSV and TSV files as programs and spreadsheets save them."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audiossl.errors import DataError

DELIMITERS = ",;\t|"
# The beginning of a file shows how it is encoded; UTF-32 first, for it begins as UTF-16 does.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
LARGEST_CELL = 2**24  # characters; csv itself stops at 2^17, which a long transcript exceeds


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        line: number of the line of the file, counted from 1, on which the row ends.
        cells: text by column, without white space at its ends.
    """

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Table:
    """Columns in the order of the file, and rows.

    Attributes:
        delimiter: the character between cells. Where it is a semicolon, numbers may have a decimal comma.
    """

    path: Path
    columns: list[str]
    rows: list[Row]
    delimiter: str

    def number(self, row: Row, column: str) -> float | None:
        """A cell as a number; None where it is empty or says NaN.

        Raises:
            DataError: if it is no number.
        """
        text = row.cells.get(column, "")
        if not text or text.lower() == "nan":
            return None
        try:
            return float(text.replace(",", ".") if self.delimiter != "," else text)
        except ValueError:
            raise DataError(f"{self.path}, line {row.line}: expected a number in column {column}, got '{text}'") from None


def read_table(path: Path, columns: Sequence[str] = ()) -> Table:
    """Read a table with a header, however it was saved.

    Taken are UTF-8 with and without a byte order mark, UTF-16 and UTF-32 with one, also packed by gzip; commas, semicolons, tabs
    or bars between cells, found from the header; the line `sep=;` of Excel; line ends of any system; cells in quotes with
    delimiters and line breaks inside. Empty rows are skipped, and empty columns without a name at the right.

    Args:
        path: the file.
        columns: columns that have to be there.

    Raises:
        DataError: if the file cannot be read, a column is missing or comes twice, or a row has more cells than the header.
    """
    text = decode(path)
    delimiter = None
    if named := re.match(r"sep=(.)\r?\n?", text):
        delimiter, text = named[1], text[named.end() :]
    skipped = 1 if named else 0
    delimiter = delimiter or find_delimiter(text, columns)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    limit = csv.field_size_limit(LARGEST_CELL)
    try:
        lines = [(reader.line_num + skipped, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num + skipped}: {error}; is there a quotation mark that nothing closes?"
        ) from error
    finally:
        csv.field_size_limit(limit)
    lines = [(line, row) for line, row in lines if any(row)]
    header = lines[0][1] if lines else []
    while header and not header[-1]:
        header.pop()
    if missing := [name for name in columns if name not in header]:
        found = ", ".join(header[:12]) or "no header"
        raise DataError(f"{path}: expected the columns {', '.join(columns)}; missing {', '.join(missing)} (found {found})")
    if twice := [name for name in header if header.count(name) > 1]:
        raise DataError(f"{path}: the column '{twice[0]}' comes twice")
    rows = []
    for line, row in lines[1:]:
        if any(row[len(header) :]):
            raise DataError(
                f"{path}, line {line}: {len(row)} cells, but the header has {len(header)} columns; a cell that holds "
                f"'{delimiter}' has to stand in quotation marks"
            )
        rows.append(Row(line, dict(zip(header, [*row, *[""] * (len(header) - len(row))], strict=False))))
    return Table(path, header, rows, delimiter)


def decode(path: Path) -> str:
    """Read the text of a table, whatever program saved it.

    Raises:
        DataError: if it cannot be read, or is no text.
    """
    try:
        raw = path.read_bytes()
        if raw.startswith(b"\x1f\x8b"):
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    encoding = next((name for mark, name in MARKS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: not {encoding.upper()} (byte {raw[error.start]:#04x}); save the table as 'CSV UTF-8'"
        ) from error
    if "\0" in text:
        raise DataError(f"{path} holds null characters: it is no text table, or UTF-16 without a byte order mark")
    return text


def find_delimiter(text: str, columns: Sequence[str]) -> str:
    """Find the delimiter that splits the header into the wanted columns, or else into most.

    >>> find_delimiter("t;x;y\\n0,1;0,2;0,3", ())
    ';'
    """

    def rank(delimiter: str) -> tuple[int, int]:
        header = next(csv.reader(io.StringIO(text.lstrip(), newline=""), delimiter=delimiter), [])
        names = [name.strip() for name in header]
        return len(set(columns) & set(names)), len(names)

    return max(DELIMITERS, key=rank)
