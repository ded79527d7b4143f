"""Items of a corpus in columns (Arrow): a hundred bytes or two for each, and a `CorpusItem` is made when one is asked for."""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property, lru_cache
from itertools import islice, starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from jaxtyping import Int64

from audiossl.signals.corpora.manifest import CorpusItem, Stretch
from audiossl.signals.corpora.tar_index import TarMember

if TYPE_CHECKING:
    import pyarrow  # imported by the functions that need it: the environments of kits embed without it

ROWS = 2**14  # items that are made columns, or items again, at once
_PLAIN = frozenset({str, int, float, bool})  # of custom fields
_CODED = "coded"  # text that comes again and again
COLUMNS = {
    "id": "string",
    "folder": _CODED,  # of the path
    "name": "string",
    "start": "float64",
    "duration": "float64",
    "num_samples": "int64",
    "recording": "string",  # null where it is the id
    "text": "string",
    "speaker": _CODED,
    "language": _CODED,
    "custom": _CODED,  # this and the next as JSON
    "channels": _CODED,
    "tar": _CODED,  # the three parts of a member
    "tar_offset": "int64",
    "tar_size": "int64",
    "cut": "string",
    "declared": "int64",
    "same_as": "string",
    "heard": "string",
    "text_is_cut": "bool_",
    "kept": "int64",  # place among the items that are kept as objects
}


@cache
def arrow_types() -> dict[str, pyarrow.DataType]:
    """Arrow's type of each of `COLUMNS`."""
    import pyarrow

    coded = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    return {name: coded if kind == _CODED else getattr(pyarrow, kind)() for name, kind in COLUMNS.items()}


class ItemColumns(Sequence[CorpusItem]):
    """A sequence of items that are kept in columns.

    Items that no column can hold (cuts of lhotse as objects, file names that are not UTF-8) are kept as they are.

    Args:
        table: the columns of `COLUMNS`, those without a value left out.
        root: what relative paths start from.
        kept: items that are kept as objects.
    """

    def __init__(self, table: pyarrow.Table, root: Path | None = None, kept: Sequence[CorpusItem] = ()) -> None:
        ends = {tuple(map(len, column.chunks)) for column in table.columns}
        self.table = table if len(ends) == 1 else table.combine_chunks()  # so that a place is in one chunk of all columns
        self.root, self.kept = root, kept
        self._folders: dict[str, Path] = {}

    @classmethod
    def of(cls, items: Iterable[CorpusItem]) -> ItemColumns:
        """Put items into columns; they are taken one by one, so that they need not all be in memory.

        >>> items = [CorpusItem(f"i{n}", Path(f"wav/{n}.flac"), 0.0, 1.5, 24000, f"i{n}", speaker="ann") for n in range(3)]
        >>> columns = ItemColumns.of(items)
        >>> columns[1] == items[1], list(columns) == items, len(columns)
        (True, True, 3)
        """
        import pyarrow

        if isinstance(items, ItemColumns):
            return items
        kept: list[CorpusItem] = []
        tables, waiting = [], iter(items)
        while some := list(islice(waiting, ROWS)):
            tables.append(_columns_of(some, kept))
        if not tables:
            return cls(pyarrow.table({name: pyarrow.array([], kind) for name, kind in arrow_types().items()}))
        table = pyarrow.concat_tables(tables).unify_dictionaries()
        empty = [name for name in table.column_names if table.column(name).null_count == len(table)]
        return cls(table.drop_columns(empty), kept=kept)

    def __len__(self) -> int:
        return self.table.num_rows

    @overload
    def __getitem__(self, index: int) -> CorpusItem: ...
    @overload
    def __getitem__(self, index: slice) -> list[CorpusItem]: ...
    def __getitem__(self, index: int | slice) -> CorpusItem | list[CorpusItem]:
        if isinstance(index, slice):
            places = range(len(self))[index]
            return list(self.take(np.array(places, np.int64))) if len(places) else []
        place = range(len(self))[index]  # an IndexError where there is none
        chunk = bisect_right(self._ends, place)
        place -= self._ends[chunk - 1] if chunk else 0
        return self._item(*(None if one is None else one[chunk][place].as_py() for one in self._chunks))

    def __iter__(self) -> Iterator[CorpusItem]:
        for first in range(0, len(self), ROWS):
            yield from self._items(self.table.slice(first, ROWS))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ItemColumns | list):
            return NotImplemented
        return len(other) == len(self) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as of a list

    @property
    def ids(self) -> list[str]:
        """Ids of all items."""
        ids = self.table.column("id").to_pylist()
        if self.kept:
            for row, place in enumerate(self.table.column("kept").to_pylist()):
                if place is not None:
                    ids[row] = self.kept[place].id
        return ids

    @cached_property
    def _ends(self) -> list[int]:
        """Items up to the end of each chunk of the table."""
        return np.cumsum([len(chunk) for chunk in self.table.column("id").chunks]).tolist()

    @cached_property
    def _chunks(self) -> list[list[pyarrow.Array] | None]:
        """The chunks of each of `COLUMNS`; None where there is no such column."""
        return [self.table.column(name).chunks if name in self.table.column_names else None for name in COLUMNS]

    @property
    def num_samples(self) -> Int64[np.ndarray, "N"]:
        """Samples of each item, at the rate of the corpus."""
        return self.table.column("num_samples").to_numpy()

    def take(self, places: Int64[np.ndarray, "_"]) -> ItemColumns:
        """Only the items at these places, in this order."""
        return ItemColumns(self.table.take(places), self.root, self.kept)

    def _items(self, table: pyarrow.Table) -> Iterator[CorpusItem]:
        nothing = [None] * len(table)
        every = [_values(table.column(name)) if name in table.column_names else nothing for name in COLUMNS]
        return starmap(self._item, zip(*every, strict=True))

    def _item(
        self, item_id, folder, name, start, duration, num_samples, recording, text, speaker, language, custom, channels,  # noqa: ANN001
        tar, tar_offset, tar_size, cut, declared, same_as, heard, text_is_cut, kept,  # noqa: ANN001
    ) -> CorpusItem:  # fmt: skip
        """One item of the values of its row, in the order of `COLUMNS`."""
        if kept is not None:
            return self.kept[kept]
        return CorpusItem(
            item_id,
            self._path(folder, name, tar is not None),
            start,
            duration,
            num_samples,
            item_id if recording is None else recording,
            text,
            speaker,
            language,
            {} if custom is None else dict(_parsed(custom)),
            None if channels is None else tuple(_parsed(channels)),
            None if tar is None else TarMember(tar, tar_offset, tar_size),
            cut,
            declared,
            same_as,
            None if heard is None else tuple(Stretch(Path(p), a, b) for p, a, b in json.loads(heard)),
            bool(text_is_cut),
        )

    def _path(self, folder: str, name: str, is_packed: bool) -> Path:
        found = self._folders.get(folder)
        if found is None:
            found = self._folders[folder] = Path(folder) if self.root is None or is_packed else self.root / folder
        return found / name


def _columns_of(items: Sequence[CorpusItem], kept: list[CorpusItem]) -> pyarrow.Table:
    import pyarrow

    rows = [_row_of(item, kept) for item in items]
    return pyarrow.table(
        {
            name: pyarrow.array(values, kind)
            for (name, kind), values in zip(arrow_types().items(), zip(*rows, strict=True), strict=True)
        }
    )


def _row_of(item: CorpusItem, kept: list[CorpusItem]) -> tuple[Any, ...]:
    path, member, custom = str(item.path), item.member, item.custom
    if not _fits(item, path):
        kept.append(item)
        name = item.id.encode(errors="backslashreplace").decode()
        return (name, "", "", item.start, item.duration, item.num_samples, *[None] * 14, len(kept) - 1)
    folder, name = os.path.split(path)
    return (
        item.id,
        folder,
        name,
        item.start,
        item.duration,
        item.num_samples,
        None if item.recording == item.id else item.recording,
        item.text,
        item.speaker,
        item.language,
        json.dumps(custom) if custom else None,
        None if item.channels is None else str(list(item.channels)),
        *((None, None, None) if member is None else (member.place, member.offset, member.size)),
        item.cut,
        item.declared,
        item.same_as,
        None if item.heard is None else json.dumps([[str(path), start, end] for path, start, end in item.heard]),
        item.text_is_cut or None,
        None,
    )


def _fits(item: CorpusItem, path: str) -> bool:
    """Whether the columns can hold an item."""
    if not _PLAIN.issuperset(map(type, item.custom.values())):
        return False
    texts = (item.id, item.recording, item.text, item.speaker, item.language, item.same_as, item.cut)
    place = item.member.place if item.member else ""
    try:
        together = "".join([path, place, *filter(None, texts)])
        return together.isascii() or bool(together.encode())
    except (TypeError, UnicodeEncodeError):  # an object of lhotse in place of a text, or a name that is not UTF-8
        return False


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Any:
    """What JSON says; many items have the same."""
    return json.loads(text)


def _values(column: pyarrow.ChunkedArray) -> list[Any]:
    """A column as a list, by the quickest way."""
    import pyarrow

    if pyarrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.null_count and not pyarrow.types.is_string(column.type):
        return column.to_pylist()
    return column.to_numpy().tolist()
