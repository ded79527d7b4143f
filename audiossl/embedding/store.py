"""The embedding store: memory-mapped shards of frames with a parquet index.

A folder holds `store.json` (what made the frames), and for every shard `frames-NNNNNN.npy` (L, T, D), `pooled-NNNNNN.npy`
(items, L, D, float32) and `index-NNNNNN.parquet`. The index of a shard is written last, by rename: a shard without one was never
finished and does not count. It says which file each item was made of (path, size, time, digest), which part of it, and what is
known about it: the columns of a table of clips, with `columns.` in front of their names. An item whose file was replaced is
embedded anew: the row with the higher version counts. `part-*` sub-folders, written by parallel jobs, are stores of their own and
are read together. `summary.json` counts items, and the vectors that came twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float, Float32
from torch import Tensor

from audiossl.embedding import store_tables
from audiossl.embedding.description import StoreDescription, store_parts
from audiossl.embedding.duplicates import Duplicates, find_duplicates
from audiossl.embedding.embedder import Embedder, Embedding
from audiossl.embedding.index import StoredItem, StoreIndex, read_parts
from audiossl.embedding.neighbours import Neighbour
from audiossl.embedding.shards import BLOCK, Shards
from audiossl.embedding.summary import ExtractSummary
from audiossl.embedding.vector_search import Scored, Vectors, checked_query, nearest, nearest_by_faiss, score_vectors, unit
from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.files import map_array
from audiossl.options import nearest as nearest_word
from audiossl.signals.corpora.origins import Origin
from audiossl.table_list import TableList
from audiossl.where import parse_where

if TYPE_CHECKING:
    import datasets
    import pandas
    import pyarrow

__all__ = ["EmbeddingStore", "StoreDescription", "StoredItem", "store_parts"]


class EmbeddingStore:
    """Read-only view of a store and its parts; maps ids to memory-mapped frames.

    Ids come in the order in which they were written, parts in the order of their names. A store that is being written is read as
    it was when it was opened.

    Attributes:
        description: what the store holds and what made it.
        model: the embedder that made it, where it is at hand: `audiossl.embed` sets it.
        summary: what the call of `audiossl.embed` did that returned this store; else None.

    >>> import numpy as np, soundfile
    >>> import audiossl
    >>> soundfile.write("a.wav", np.random.default_rng(0).normal(size=16000) / 10, 16000)
    >>> model = audiossl.load("logmel")
    >>> store = audiossl.embed(model, ["a.wav"], "store")
    >>> len(store.ids), store.neighbours("a.wav", k=1)[0].id == store.ids[0]
    (1, True)
    """

    def __init__(self, description: StoreDescription, index: StoreIndex, model: Embedder | None = None) -> None:
        self.description = description
        self.model = model
        self.summary: ExtractSummary | None = None
        self._index = index
        self._shards = Shards(description, index)

    @classmethod
    def open(cls, folder: Path | str, model: Embedder | None = None) -> EmbeddingStore:
        """Open a store with all parts below it.

        Args:
            folder: folder of the store.
            model: model that made the store, to search for files.

        Raises:
            StoreError: if the folder is no store, parts were made by different models, an id occurs twice, or `model` is another.
        """
        folder = Path(folder)
        parts = store_parts(folder)
        if not parts:
            raise StoreError(f"expected an embedding store, found no store.json in {folder} or in its part-* folders")
        description = StoreDescription.read(parts[0])
        for part in parts:
            description.require_equal(StoreDescription.read(part), part)
        if model is not None:
            description.require_model(model.name, model.digest)
        return cls(description, read_parts(parts), model)

    def __repr__(self) -> str:
        about = self.description
        columns = f"; columns {', '.join(self.columns)}" if self.columns else ""
        layers = "1 layer" if about.num_layers == 1 else f"{about.num_layers} layers"
        return (
            f"EmbeddingStore({len(self)} items, {about.contents} of {about.model!r}, {layers} of {about.dim} channels{columns})"
        )

    @property
    def ids(self) -> list[str]:
        """Ids of all items."""
        return list(self._index.ids)

    @property
    def columns(self) -> list[str]:
        """Names of the columns that came with the recordings, or were joined."""
        return self._index.columns

    def __len__(self) -> int:
        return len(self._index.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._index.ids)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._index.positions

    def origins(self) -> dict[str, Origin]:
        """What each item was made of, by id."""
        return self._index.origins()

    def item(self, item_id: str) -> StoredItem:
        """Index row of an item.

        Raises:
            StoreError: if the store has no such id.
        """
        return self._index.item(self._position(item_id))

    def __getitem__(self, item_id: str) -> Float[np.ndarray, "L T D"]:
        """Frames of an item as a memory-mapped view.

        Raises:
            StoreError: if there is no such id, or the store holds pooled vectors only.
        """
        item = self.item(item_id)
        self._require_frames()
        folder = self._index.folders.index(item.folder)
        frames = self._shards.array(folder, item.shard, "frames")[:, item.offset : item.offset + item.num_frames]
        if item.offset < 0 or frames.shape[1] != item.num_frames:
            raise StoreError(f"the frames of '{item_id}' are not all in {item.folder}: embed into a new folder")
        return frames

    def times(self, item_id: str) -> Float[np.ndarray, "T"]:
        """Seconds of frame centres, on the clock of the file that the item was cut from."""
        item = self.item(item_id)
        return item.start + self.description.frame_offset + np.arange(item.num_frames) / item.frame_rate

    def items(self) -> Iterator[tuple[str, Float[np.ndarray, "L T D"]]]:
        """Iterate over ids and frames."""
        for item_id in self:
            yield item_id, self[item_id]

    def pooled(self) -> Float32[np.ndarray, "N L D"]:
        """Pooled vectors of all items and layers, in the order of `ids`."""
        return self._shards.gather(np.arange(len(self)))

    def to_numpy(self, layer: int | None = None) -> Float32[np.ndarray, "N D"]:
        """Pooled vectors of one layer, in the order of `ids`.

        Args:
            layer: number of a layer, as in `description.layers`; the last of them by default.

        Raises:
            ConfigError: if the store has no such layer.
        """
        return np.concatenate([np.zeros((0, self.description.dim), np.float32), *(vectors for _, vectors in self.vectors(layer))])

    def vectors(self, layer: int | None = None) -> Iterator[Vectors]:
        """Iterate over pooled vectors of one layer in blocks that fit into memory, each with the places of its ids in `ids`."""
        place = self.description.place_of(layer)
        for rows in self._shards.blocks():
            yield rows, self._shards.gather(rows)[:, place]

    def table(self) -> pyarrow.Table:
        """What is known about each item: id, file, start and end in seconds, then the columns that came with the recordings.

        A column that is called like one of these or like `vector` gets `table_` in front of its name.
        """
        return store_tables.table_of(self._index)

    def where(self, condition: str) -> EmbeddingStore:
        """Only the items for which a condition holds (`audiossl.where.parse_where`), over the columns of `table()`.

        Raises:
            ConfigError: if it is no condition, or a column does not exist.
        """
        table = self.table()
        return self.take(np.flatnonzero(parse_where(condition).mask(table.append_column("path", table.column("file")))))

    def take(self, places: np.ndarray | list[int]) -> EmbeddingStore:
        """Only the items at these places of `ids`."""
        return EmbeddingStore(self.description, self._index.take(places), self.model)

    def without(self, item_id: str) -> EmbeddingStore:
        """All items but one."""
        return self.take([place for place, other in enumerate(self.ids) if other != item_id])

    def join(
        self, table: str | Path | pyarrow.Table | pandas.DataFrame, on: str | tuple[str, str] = "id", *, partial: bool = False
    ) -> EmbeddingStore:
        """Add the columns of a table to the items; the store on disk stays as it is.

        Args:
            table: CSV, TSV, JSON lines, Parquet, or a table of Arrow or pandas.
            on: column of both, or that of the store and that of the table. Of the store these are id, file and its columns;
                files are compared by their place, relative ones from the folder of the table.
            partial: whether items may be without a row; their cells are null then.

        Raises:
            DataError: if the table cannot be read, lacks the column, has two rows for one key that differ, or has no row for an
                item and `partial` is not set.
            ConfigError: if the store lacks the column.
        """
        return EmbeddingStore(self.description, store_tables.joined(self._index, table, on, partial), self.model)

    def to_parquet(self, path: str | Path, layer: int | None = None) -> Path:
        """Write a row for each item: the columns of `table()`, then `vector`, the pooled vector of one layer.

        Args:
            path: path of the file, which appears whole.
            layer: number of the layer, as in `to_numpy`.
        """
        return store_tables.write_parquet(Path(path), self.table(), self.vectors(layer), self.description.dim)

    def to_arrow(self, layer: int | None = None) -> pyarrow.Table:
        """The same as a table of Arrow."""
        return store_tables.with_vectors(self.table(), self.to_numpy(layer))

    def to_pandas(self, layer: int | None = None) -> pandas.DataFrame:
        """The same as a table of pandas, which has to be installed; a cell of `vector` is an array.

        Raises:
            MissingExtraError: if pandas is not installed.
        """
        return store_tables.to_pandas(self.to_arrow(layer))

    def to_huggingface(self, layer: int | None = None) -> datasets.Dataset:
        """The same as a dataset of Hugging Face's library `datasets`, which has to be installed.

        Raises:
            MissingExtraError: if it is not installed.
        """
        return store_tables.to_huggingface(self.to_arrow(layer))

    def duplicates(self) -> Duplicates:
        """Find items of different files that have the same vector: copies, silence, or a wrong sample rate.

        Vectors of all layers are compared, to 1e-5 of their size.
        """
        blocks = ((rows, self._shards.gather(rows)) for rows in self._shards.blocks())
        return find_duplicates(blocks, self._shards.gather, self._index)

    def neighbours(
        self,
        query: str | Path | np.ndarray | Tensor | Embedding,
        k: int = 10,
        *,
        layer: int | None = None,
        by: Literal["pooled", "frames"] = "pooled",
        index: Literal["faiss"] | None = None,
    ) -> TableList[Neighbour]:
        """Find the items most similar to a query, by the cosine between vectors in float32, best first; exact.

        The list shows itself as a table.

        Args:
            query: id of an item, which is not its own neighbour; path of a recording, which `model` embeds, or of a `.npy` file;
                a vector (D,), or (L, D) for all layers of the store; or what `embed` gave.
            k: number of neighbours; fewer come where the store has no more.
            layer: number of the layer, as in `to_numpy`.
            by: `pooled` compares the query with the mean of the frames of each item, `frames` with every frame: then an item is
                as similar as its best frame, whose time is in the answer.
            index: "faiss" searches with FAISS, which has to be installed; pooled vectors only.

        Raises:
            ConfigError: if k is below 1, the layer is none of the store, or FAISS is to search frames.
            DataError: if the query is neither an id nor a file, or its vector is not finite, zero or of another width.
            StoreError: if a recording is to be embedded and `model` is None, or frames are asked of a store without.
            MissingExtraError: if FAISS is asked for and not installed.
        """
        vector = self.vector(query, layer)
        own = self._index.positions.get(query, -1) if isinstance(query, str) else -1
        wanted = k + (own >= 0)
        if index == "faiss" and by == "pooled":
            found = nearest_by_faiss(self.vectors(layer), vector, wanted)
        elif index is not None or by not in ("pooled", "frames"):
            raise ConfigError(f"expected by='pooled' or 'frames', and index='faiss' for pooled alone, got {by!r}, {index!r}")
        else:
            scored = score_vectors(self.vectors(layer), vector) if by == "pooled" else self._score_frames(vector, layer)
            found = nearest(scored, wanted)
        kept = np.flatnonzero(found.rows != own)[:k]
        rows = store_tables.rows_at(self._index, found.rows[kept])
        offset, rate = self.description.frame_offset, self.description.frame_rate
        neighbours = TableList[Neighbour]()
        for place, ((item_id, file, start, end), columns) in zip(kept.tolist(), rows, strict=True):
            frame = int(found.frames[place])
            time = None if frame < 0 else start + offset + frame / rate
            similarity = min(1.0, max(-1.0, float(found.similarity[place])))
            neighbours.append(Neighbour(item_id, file, start, end, similarity, time, columns))
        return neighbours

    def vector(self, query: str | Path | np.ndarray | Tensor | Embedding, layer: int | None = None) -> Float32[np.ndarray, "D"]:
        """The vector of a query at a layer, of length 1; see `neighbours`."""
        return checked_query(self._query(query, layer), self.description.dim)

    def _query(self, query: object, layer: int | None) -> Float32[np.ndarray, "_"]:
        """The vector of a query, at a layer."""
        place = self.description.place_of(layer)
        if isinstance(query, str) and query in self:
            return self._shards.gather(np.array([self._index.positions[query]]))[0, place]
        if isinstance(query, str | Path):
            query = self._from_file(query)
        if isinstance(query, Embedding):
            query = query.pooled
        if not isinstance(query, np.ndarray | Tensor):
            raise DataError(f"expected an id, a path, an array or an Embedding as query, got {type(query).__name__}")
        array = query.detach().float().cpu().numpy() if isinstance(query, Tensor) else query
        if array.dtype.kind not in "fiu":
            raise DataError(f"expected a query of numbers, got an array of {array.dtype}")
        with np.errstate(over="ignore"):
            vector = np.asarray(array, np.float32)
        return vector[place] if vector.ndim == 2 and len(vector) == self.description.num_layers else vector

    def _from_file(self, query: str | Path) -> np.ndarray | Embedding:
        path = Path(query)
        if not str(query).strip() or not path.is_file():
            meant = nearest_word(query, self._index.ids) if len(self) < BLOCK else ""
            raise DataError(f"the query '{query}' is neither an id of the store nor a file{meant}")
        if path.suffix == ".npy":
            try:
                return map_array(path, mmap=False)
            except ValueError as error:
                raise DataError(f"the query {path} is no array of numbers ({error})") from error
        if self.model is None:
            name = self.description.model
            raise StoreError(
                f"to search for the file {path} the model {name} is needed: open the store with EmbeddingStore.open(folder, "
                f"model=audiossl.load({name!r})), or use audiossl.search"
            )
        return self.model.embed(path, layers=self.description.layers)

    def _score_frames(self, query: Float32[np.ndarray, "D"], layer: int | None) -> Iterator[Scored]:
        """The best frame of each item."""
        self._require_frames()
        place = self.description.place_of(layer)
        for folder, shard, rows in self._shards.by_shard(np.arange(len(self))):
            frames = self._shards.array(folder, shard, "frames")[place]
            blocks = range(0, len(frames), BLOCK)
            scores = np.concatenate([unit(np.asarray(frames[i : i + BLOCK], np.float32)) @ query for i in blocks])
            offsets, sizes = (self._index.numbers(name)[rows] for name in ("offset", "num_frames"))
            if (offsets < 0).any() or (sizes < 1).any() or (offsets + sizes > len(scores)).any():
                raise StoreError(f"the frames of a shard in {self._index.folders[folder]} are not all there: embed anew")
            best = np.array([scores[i : i + n].argmax() for i, n in zip(offsets, sizes, strict=True)], np.int64)
            yield Scored(rows, scores[offsets + best], best)

    def _position(self, item_id: str) -> int:
        if item_id not in self:
            raise StoreError(f"expected one of the {len(self)} ids of this store, got '{item_id}'")
        return self._index.positions[item_id]

    def _require_frames(self) -> None:
        if self.description.contents == "pooled":
            raise StoreError("this store holds pooled vectors only: use pooled(), or embed again with frames")
