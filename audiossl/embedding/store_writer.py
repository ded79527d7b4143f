"""Writing an embedding store: items are added one by one and appear in whole shards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import Float

from audiossl.embedding.columns import PREFIX, to_array
from audiossl.embedding.description import StoreDescription, shard_path, store_parts
from audiossl.embedding.index import read_index, read_parts
from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.files import whole_file
from audiossl.signals.corpora.origins import Origin, origin_columns
from audiossl.where_values import Plain

SHARD_BYTES = 128 * 2**20


@dataclass(frozen=True)
class _Pending:
    item_id: str
    frames: Float[np.ndarray, "L T D"]
    pooled: Float[np.ndarray, "L D"]
    num_frames: int
    start: float
    seconds: float
    origin: Origin
    columns: Mapping[str, Plain]


class StoreWriter:
    """Adds items to a store, new or begun before, of one model.

    A shard is written when `shard_items` items or `shard_bytes` of frames have come, and at the end of the `with` block, also
    when it fails: what was added is whole. A killed process loses the items since the last shard, nothing else; whoever resumes
    skips the ids for which `id in writer` holds.

    Args:
        folder: folder of the store.
        description: description of the frames to come.
        part: sub-folder `part-NAME` to write to, for jobs that run side by side; ids in any part count as present.
        shard_items: items in a shard at most.
        shard_bytes: bytes of frames in a shard, roughly at most.

    Raises:
        StoreError: if the folder holds a store of another description.
        ConfigError: if the folder cannot be written.

    >>> import numpy as np
    >>> from audiossl.embedding.description import StoreDescription
    >>> about = StoreDescription(model="mine", digest="1", layers="last", dim=4, frame_rate=50.0)
    >>> with StoreWriter("store", about) as writer:
    ...     writer.add("a", np.zeros((1, 50, 4), np.float32))
    >>> from audiossl.embedding.store import EmbeddingStore
    >>> EmbeddingStore.open("store").ids
    ['a']
    """

    def __init__(
        self,
        folder: Path | str,
        description: StoreDescription,
        part: str | None = None,
        shard_items: int = 500,
        shard_bytes: int = SHARD_BYTES,
    ) -> None:
        self.folder = Path(folder) if part is None else Path(folder) / f"part-{part}"
        self.description = description
        self._shard_items, self._shard_bytes = shard_items, shard_bytes
        self._pending: list[_Pending] = []
        self._pending_bytes = 0
        parts = store_parts(Path(folder))
        for present in parts:
            description.require_equal(StoreDescription.read(present), present)
        self._origins = read_parts(parts).origins()  # of all that is there
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot write the store {self.folder}: {error.strerror}. Choose another output folder.") from error
        if not (self.folder / "store.json").is_file():
            description.write(self.folder)
        self._relabelled = [self.folder] if part is not None else parts
        self._next_shard = 1 + max(read_index(self.folder).numbers("shard").tolist(), default=-1)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._origins

    @property
    def origins(self) -> Mapping[str, Origin]:
        """What the items that are there were made of, by id."""
        return self._origins

    def add(
        self,
        item_id: str,
        frames: Float[np.ndarray, "L T D"],
        start: float = 0.0,
        path: str = "",
        *,
        origin: Origin | None = None,
        seconds: float | None = None,
        columns: Mapping[str, Plain] | None = None,
    ) -> None:
        """Add the frames of an item, float of any width.

        Args:
            item_id: name of the item in the store.
            frames: (L, T, D); a description with `contents="pooled"` keeps their mean only.
            start: seconds into the file at `path` where the item begins.
            path: file that the item was made of.
            origin: the same, with the stamp of the file and the part of it; one of a higher version takes the place of an item.
            seconds: seconds of sound in the item.
            columns: what is known about it, by name.

        Raises:
            StoreError: if the id is present and not replaced, or the shape is not that of the description.
            DataError: if a frame is not finite, or too large for the dtype of the store.
        """
        expected = (self.description.num_layers, self.description.dim)
        origin = origin or Origin(path)
        if item_id in self._origins and origin.version <= self._origins[item_id].version:
            raise StoreError(f"expected a new id, got '{item_id}', which is in {self.folder} already")
        if (frames.shape[0], frames.shape[2]) != expected or frames.shape[1] == 0:
            raise StoreError(f"{item_id}: expected (layers, frames, width) with layers, width = {expected}, got {frames.shape}")
        pooled = frames.mean(axis=1, dtype=np.float32)
        if not (np.isfinite(frames).all() and np.isfinite(pooled).all()):
            raise DataError(f"{item_id}: expected finite frames, got NaN or infinity: the signal or the model is broken")
        kept = frames[:, :0] if self.description.contents == "pooled" else frames
        with np.errstate(over="ignore"):
            kept = kept.astype(self.description.dtype)
        if not np.isfinite(kept).all():
            raise DataError(f"{item_id}: expected frames within ±65504, got {np.abs(frames).max():g}: use dtype float32")
        self._origins[item_id] = origin
        length = -1.0 if seconds is None else seconds
        self._pending.append(_Pending(item_id, kept, pooled, frames.shape[1], start, length, origin, dict(columns or {})))
        self._pending_bytes += kept.nbytes
        if len(self._pending) >= self._shard_items or self._pending_bytes >= self._shard_bytes:
            self.flush()

    def relabel(self, columns: Mapping[str, Mapping[str, Plain]]) -> int:
        """Bring the columns of items up to date; what is not named stays. Returns how many items changed.

        A job with a part of its own leaves those of others alone. The index of each shard that changes appears anew, by rename;
        its frames are not touched.
        """
        from pyarrow import parquet

        num_changed = 0
        for path in (path for folder in self._relabelled for path in sorted(folder.glob("index-*.parquet"))):
            with parquet.ParquetFile(path) as file:
                table = file.read()
            ids = table.column("id").to_pylist()
            if not any(columns.get(item_id) for item_id in ids):
                continue
            old = table.select([name for name in table.column_names if name.startswith(PREFIX)]).to_pylist() or [{}] * len(ids)
            new = [
                {**row, **{PREFIX + name: value for name, value in columns.get(item_id, {}).items()}}
                for item_id, row in zip(ids, old, strict=True)
            ]
            names = dict.fromkeys(name for row in new for name in row)
            arrays = {name: to_array([row.get(name) for row in new]) for name in names}
            made = [
                dict(zip(arrays, values, strict=True))
                for values in zip(*(one.to_pylist() for one in arrays.values()), strict=True)
            ]
            changed = sum(
                any(row.get(name) != value for name, value in after.items()) for row, after in zip(old, made, strict=True)
            )
            if changed:
                num_changed += changed
                table = table.drop_columns([name for name in table.column_names if name.startswith(PREFIX)])
                for name, array in arrays.items():
                    table = table.append_column(name, array)
                with whole_file(path) as partial:
                    parquet.write_table(table, partial)
        return num_changed

    def flush(self) -> None:
        """Write what was added as a shard."""
        import pyarrow
        from pyarrow import parquet

        if not self._pending:
            return
        shard, items = self._next_shard, self._pending
        offsets = np.cumsum([0, *(item.frames.shape[1] for item in items)]).tolist()
        if self.description.contents == "frames":
            write_array(shard_path(self.folder, "frames", shard), np.concatenate([item.frames for item in items], axis=1))
        write_array(shard_path(self.folder, "pooled", shard), np.stack([item.pooled for item in items]))
        columns = {
            "id": pyarrow.array([item.item_id for item in items], pyarrow.string()),
            "shard": pyarrow.array([shard] * len(items), pyarrow.int64()),
            "offset": pyarrow.array(offsets[:-1], pyarrow.int64()),
            "num_frames": pyarrow.array([item.num_frames for item in items], pyarrow.int64()),
            "start": pyarrow.array([item.start for item in items], pyarrow.float64()),
            "frame_rate": pyarrow.array([self.description.frame_rate] * len(items), pyarrow.float64()),
            "path": pyarrow.array([item.origin.path for item in items], pyarrow.string()),
            **origin_columns([item.origin for item in items]),
            "seconds": pyarrow.array([item.seconds for item in items], pyarrow.float64()),
        }
        for name in dict.fromkeys(name for item in items for name in item.columns):
            columns[PREFIX + name] = to_array([item.columns.get(name) for item in items])
        with whole_file(shard_path(self.folder, "index", shard)) as partial:
            parquet.write_table(pyarrow.table(columns), partial)
        self._next_shard += 1
        self._pending, self._pending_bytes = [], 0

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.flush()


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a `.npy` file by rename."""
    with whole_file(path) as partial, partial.open("wb") as file:
        np.save(file, array)
