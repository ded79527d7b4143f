"""The embedding store: memory-mapped shards of frames with a parquet index.

A folder holds `store.json` (what made the frames), and for every shard `frames-NNNNNN.npy` (L, T, D), `pooled-NNNNNN.npy`
(items, L, D, float32) and `index-NNNNNN.parquet`. The index of a shard is written last, by rename: a shard without one was never
finished and does not count. It says which file each item was made of (path, size, time, digest), and which part of it. An item
whose file was replaced is embedded anew: the row with the higher version counts. `part-*` sub-folders, written by parallel jobs,
are stores of their own and are read together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from audiossl.errors import StoreError
from audiossl.files import map_array, read_json, whole_file, write_json
from audiossl.signals.corpora.origins import COLUMNS, Origin

VERSION = 1


@dataclass(frozen=True)
class StoreDescription:
    """What a store holds and what made it; one store holds frames of one description only.

    Attributes:
        model: name of the model.
        digest: hash of the model, its weights and its windows.
        layers: "last" for the final output, or layer numbers.
        dim: width of a frame.
        frame_rate: frames per second.
        frame_offset: seconds from the start of an item to the centre of its frame 0.
        dtype: of stored frames; pooled vectors are float32 always.
        contents: "frames" (and pooled vectors), or "pooled" vectors only.
    """

    model: str
    digest: str
    layers: Literal["last"] | list[int]
    dim: int
    frame_rate: float
    frame_offset: float = 0.0
    dtype: Literal["float16", "float32"] = "float16"
    contents: Literal["frames", "pooled"] = "frames"

    @property
    def num_layers(self) -> int:
        """Layers that are stored."""
        return 1 if self.layers == "last" else len(self.layers)

    def write(self, folder: Path) -> None:
        """Write `store.json`."""
        write_json(folder / "store.json", {"version": VERSION, **asdict(self)})

    @classmethod
    def read(cls, folder: Path) -> StoreDescription:
        """Read `store.json`.

        Raises:
            StoreError: if the file is missing, broken or of another version.
        """
        path = folder / "store.json"
        try:
            fields = read_json(path)
            if fields.pop("version") == VERSION:
                return cls(**fields)._checked()
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(f"expected an embedding store in {folder}, could not read its store.json: {error!r}") from error
        raise StoreError(f"expected an embedding store of version {VERSION}, got another in {path}: make it again")

    def _checked(self) -> StoreDescription:
        numbers = self.frame_rate, self.frame_offset
        layers = [] if self.layers == "last" else self.layers
        are_whole = isinstance(layers, list) and all(type(number) is int for number in (*layers, self.dim))
        if not (are_whole and self.dim > 0 and all(type(number) in (int, float) for number in numbers)):
            raise ValueError(f"layers {self.layers!r}, width {self.dim!r}, rate and offset {numbers}")
        if self.frame_rate <= 0 or self.dtype not in ("float16", "float32") or self.contents not in ("frames", "pooled"):
            raise ValueError(f"{self.frame_rate} frames per second, {self.dtype!r}, {self.contents!r}")
        return self

    def require_equal(self, other: StoreDescription, folder: Path) -> None:
        """Refuse to mix two descriptions; the model may be called otherwise if its digest is the same.

        Raises:
            StoreError: naming the fields that differ.
        """
        mine, theirs = asdict(self), asdict(other)
        different = [
            f"{key} is {theirs[key]!r}, not {mine[key]!r}" for key in mine if key != "model" and mine[key] != theirs[key]
        ]
        if different:
            raise StoreError(f"the store in {folder} was made otherwise ({'; '.join(different)}): choose another folder")


@dataclass(frozen=True)
class StoredItem:
    """Where an item is: row `row` of shard `shard` in `folder`, frames `[offset, offset + num_frames)`; and its origin."""

    folder: Path
    shard: int
    row: int
    offset: int
    num_frames: int
    start: float
    frame_rate: float
    origin: Origin

    @property
    def path(self) -> str:
        """Of the file that the item was made of."""
        return self.origin.path


class EmbeddingStore:
    """Read-only view of a store and its parts; maps ids to memory-mapped frames.

    Ids come in the order in which they were written, parts in the order of their names.
    """

    def __init__(self, description: StoreDescription, items: dict[str, StoredItem]) -> None:
        self.description = description
        self._items = items
        self._shards: dict[tuple[Path, str, int], np.ndarray] = {}

    @classmethod
    def open(cls, folder: Path | str) -> EmbeddingStore:
        """Open a store with all parts below it.

        Raises:
            StoreError: if the folder is no store, parts were made by different models, or an id occurs twice.
        """
        folder = Path(folder)
        parts = store_parts(folder)
        if not parts:
            raise StoreError(f"expected an embedding store, found no store.json in {folder} or in its part-* folders")
        description = StoreDescription.read(parts[0])
        for part in parts:
            description.require_equal(StoreDescription.read(part), part)
        return cls(description, read_parts(parts))

    @property
    def ids(self) -> list[str]:
        """Ids of all items."""
        return list(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._items

    def origins(self) -> dict[str, Origin]:
        """What each item was made of, by id."""
        return {item_id: item.origin for item_id, item in self._items.items()}

    def item(self, item_id: str) -> StoredItem:
        """Index row of an item.

        Raises:
            StoreError: if the store has no such id.
        """
        if item_id not in self._items:
            raise StoreError(f"expected one of the {len(self)} ids of this store, got '{item_id}'")
        return self._items[item_id]

    def __getitem__(self, item_id: str) -> Float[np.ndarray, "L T D"]:
        """Frames of an item as a memory-mapped view.

        Raises:
            StoreError: if there is no such id, or the store holds pooled vectors only.
        """
        item = self.item(item_id)
        if self.description.contents == "pooled":
            raise StoreError("this store holds pooled vectors only: use pooled(), or embed again with frames")
        frames = self._shard(item, "frames")[:, item.offset : item.offset + item.num_frames]
        if item.offset < 0 or frames.shape[1] != item.num_frames:
            raise StoreError(f"the frames of '{item_id}' are not all in {item.folder}: embed into a new folder")
        return frames

    def times(self, item_id: str) -> Float[np.ndarray, "T"]:
        """Seconds of frame centres, on the clock of the file that the item was cut from."""
        item = self.item(item_id)
        return item.start + self.description.frame_offset + np.arange(item.num_frames) / item.frame_rate

    def pooled(self) -> Float[np.ndarray, "N L D"]:
        """Pooled vectors of all items, in the order of `ids`, float32."""
        description = self.description
        vectors = np.zeros((len(self), description.num_layers, description.dim), np.float32)
        for vector, item in zip(vectors, self._items.values(), strict=True):
            vector[:] = self._shard(item, "pooled")[item.row]
        return vectors

    def items(self) -> Iterator[tuple[str, Float[np.ndarray, "L T D"]]]:
        """Iterate over ids and frames."""
        for item_id in self._items:
            yield item_id, self[item_id]

    def _shard(self, item: StoredItem, kind: Literal["frames", "pooled"]) -> np.ndarray:
        key = (item.folder, kind, item.shard)
        if key not in self._shards:
            path = shard_path(item.folder, kind, item.shard)
            try:
                found = map_array(path)
                expected = self.description.num_layers, self.description.dim
                sizes = found.shape[::2] if kind == "frames" else found.shape[1:]  # (L, T, D), and (N, L, D) of pooled vectors
                if found.ndim != 3 or found.dtype.kind != "f" or sizes != expected:
                    raise ValueError(f"it holds {found.dtype} of shape {found.shape}")
                self._shards[key] = found
            except ValueError as error:
                raise StoreError(f"expected a shard at {path}, could not read it ({error}): embed into a new folder") from error
        return self._shards[key]


def shard_path(folder: Path, kind: str, shard: int) -> Path:
    """Name of one file of a shard."""
    return folder / f"{kind}-{shard:06d}.{'parquet' if kind == 'index' else 'npy'}"


def store_parts(folder: Path) -> list[Path]:
    """Folders that hold a `store.json`: the folder itself, then its parts by name."""
    return [part for part in [folder, *sorted(folder.glob("part-*"))] if (part / "store.json").is_file()]


def read_parts(parts: Sequence[Path]) -> dict[str, StoredItem]:
    """Read the indexes of a store and its parts; of an item that was made anew the latest.

    Raises:
        StoreError: if an id occurs in two parts, and neither was made in place of the other.
    """
    items: dict[str, StoredItem] = {}
    for part in parts:
        for item_id, item in read_index(part).items():
            first = items.get(item_id, item)
            if first is not item and first.origin.version == item.origin.version:
                raise StoreError(f"expected each id once, got '{item_id}' in {first.folder} and in {part}: remove one")
            if first is item or item.origin.version > first.origin.version:
                items[item_id] = item
    return items


def read_index(folder: Path) -> dict[str, StoredItem]:
    """Read the index of one folder, parts not included; finished shards only.

    Raises:
        StoreError: if an index file is broken.
    """
    from pyarrow import parquet

    items: dict[str, StoredItem] = {}
    for path in sorted(folder.glob("index-*.parquet")):
        try:
            rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
            for number, row in enumerate(rows):
                item_id = row.pop("id")
                origin = Origin.from_row(row.pop("path"), {name: row.pop(name) for name in COLUMNS if name in row})
                items[item_id] = StoredItem(folder=folder, row=number, origin=origin, **row)  # later shards take the place
        except (OSError, ValueError, TypeError, KeyError) as error:  # pyarrow's are kinds of these
            raise StoreError(
                f"expected a shard index at {path}, could not read it ({error!r}): remove the file and embed again"
            ) from error
    return items


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a `.npy` file by rename."""
    with whole_file(path) as partial, partial.open("wb") as file:
        np.save(file, array)
