"""The items of a corpus folder: lines of a manifest, and next to them the same in columns, which open at once."""

from __future__ import annotations

import gc
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiossl.files import parse_json, whole_file
from audiossl.signals.corpora.cut_lines import from_line
from audiossl.signals.corpora.item_columns import ItemColumns, arrow_types
from audiossl.stamps import digest

CUTS, ARROW = "cuts.jsonl.gz", "items.arrow"
FORMAT = b"1"  # of the columns; others are passed over, and the lines are read


def read_items(folder: Path, sample_rate: int, is_measured: bool) -> ItemColumns:
    """Read the items of a corpus folder: its columns, mapped into memory, or its lines where there are none that fit.

    Args:
        folder: folder of the corpus.
        sample_rate: sample rate of the corpus, in Hz.
        is_measured: whether the lengths of recordings were measured by decoding; else they are those of manifests.

    Raises:
        OSError, ValueError, KeyError, TypeError, DataError: if the lines cannot be read.
    """
    return _mapped(folder, sample_rate, is_measured) or _of_lines(folder, sample_rate, is_measured, folder)


def write_columns(folder: Path, sample_rate: int, is_measured: bool) -> None:
    """Write the items of a corpus folder as columns next to its lines, unless lhotse is needed to read some.

    Paths stay as the lines have them, so that the folder may be moved.
    """
    import pyarrow

    items = _of_lines(folder, sample_rate, is_measured, Path())
    if items.kept or "cut" in items.table.column_names:
        return
    about = _about(folder, sample_rate, is_measured)
    with whole_file(folder / ARROW) as partial, pyarrow.OSFile(str(partial), "wb") as file:
        schema = items.table.schema.with_metadata(about)
        with pyarrow.ipc.new_file(file, schema) as writer:
            writer.write_table(items.table.replace_schema_metadata(about))


def _of_lines(folder: Path, sample_rate: int, is_measured: bool, root: Path) -> ItemColumns:
    with gzip.open(folder / CUTS, "rt", encoding="utf-8") as lines, garbage_kept():
        return ItemColumns.of(from_line(parse_json(line), root, sample_rate, is_measured) for line in lines)


def _mapped(folder: Path, sample_rate: int, is_measured: bool) -> ItemColumns | None:
    import pyarrow

    try:
        with pyarrow.memory_map(str(folder / ARROW)) as file:
            table = pyarrow.ipc.open_file(file).read_all()
        if table.schema.metadata != _about(folder, sample_rate, is_measured):
            return None
        if any(arrow_types().get(field.name) != field.type for field in table.schema):
            return None
        return ItemColumns(table, folder)
    except (OSError, pyarrow.ArrowException):  # the lines are what counts
        return None


def _about(folder: Path, sample_rate: int, is_measured: bool) -> dict[bytes, bytes]:
    """What the columns were made of."""
    return {
        b"format": FORMAT,
        b"lines": digest(folder / CUTS).encode(),
        b"sample_rate": str(sample_rate).encode(),
        b"is_measured": str(bool(is_measured)).encode(),
    }


@contextmanager
def garbage_kept() -> Iterator[None]:
    """Put garbage collection off while very many objects are made: it would look at all of them again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
