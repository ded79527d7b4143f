"""Writing a token store: shards of whole cuts; each counts from the moment that store.json lists it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Integer
from torch import Tensor

from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.files import whole_file, whole_folder, write_json
from audiossl.locks import only_user
from audiossl.signals.corpora.origins import Origin, origin_columns
from audiossl.tokens.store import FORMAT, STORE_FILE, Shard, TokenStore

LEFTOVERS = re.compile(r"tokens-\d{5,}\.npy|index-\d{5,}\.parquet|\.(tokens-\d+\.npy|index-\d+\.parquet|store\.json)\.partial")


class TokenWriter:
    """Writes a token store; used as a context manager.

    with TokenWriter(folder, quantiser_id=quantiser.id, num_codebooks=8, codebook_size=256, frame_rate=50.0) as writer:
        writer.add("cut-1", quantiser.encode(frames))

    Without `append` the folder appears whole when the block ends well, and replaces an older store there.

    With `append` shards are added to the store in the folder, or to a new one begun there. Whenever the process is killed, the
    store opens and holds every committed shard; the next writer sweeps what the killed one left, and skips the cuts for which
    `cut_id in writer`. A block that ends with an exception keeps every cut added so far.

    >>> import torch
    >>> with TokenWriter("tokens", quantiser_id="q", num_codebooks=2, codebook_size=8, frame_rate=50.0) as writer:
    ...     writer.add("cut-1", torch.zeros(25, 2, dtype=torch.uint8))
    >>> "cut-1" in writer
    True
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        quantiser_id: str,
        num_codebooks: int,
        codebook_size: int,
        frame_rate: float,
        teacher: str = "",
        teacher_digest: str = "",
        quality: str = "",
        search: str = "",
        append: bool = False,
        shard_frames: int = 2**24,
        commit_seconds: float = 300.0,
    ) -> None:
        """Describe the store; nothing is read or written before the block begins.

        Args:
            folder: folder to be written.
            quantiser_id: `id` of the quantiser.
            num_codebooks: N, codes per frame.
            codebook_size: K; up to 256 a code takes one byte, else two.
            frame_rate: token frames per second.
            teacher: teacher of the frames, in words.
            teacher_digest: digest of weights that may be others under the same name; "" if unknown.
            quality: quality of the search that found the codes; "" if unknown.
            search: name and version of the search, where codes depend on it (`Quantizer.search_name`).
            append: whether to continue the store in the folder; quantiser, N, K, frame rate, teacher and quality must be the
                same.
            shard_frames: a shard with this many token frames is closed; 2**24 are 93 hours at 50 Hz.
            commit_seconds: age, with `append`, at which a shard is closed, counted from its first cut: the work that a kill
                costs.
        """
        self.folder = Path(folder)
        self.num_codebooks, self.codebook_size = num_codebooks, codebook_size
        self.append, self.shard_frames, self.commit_seconds = append, shard_frames, commit_seconds
        self.dtype = np.dtype("uint8" if codebook_size <= 256 else "<u2")
        self._about = {
            "quantiser_id": quantiser_id,
            "teacher": teacher,
            "frame_rate": float(frame_rate),
            "num_codebooks": num_codebooks,
            "codebook_size": codebook_size,
        }
        self._details = {"teacher_digest": teacher_digest, "quality": quality, "search": search}
        self._other_search = ""  # why nothing can be added
        self._ids: set[str] = set()
        self._origins: dict[str, Origin] = {}
        self._shards: list[Shard] = []
        self._open: _OpenShard | None = None
        self._root: Path | None = None  # where files go, inside the block

    def __enter__(self) -> TokenWriter:
        """Open or begin the store.

        Raises:
            StoreError: if another writer is at work on the folder, or `append` meets a damaged store or one made otherwise.
            ConfigError: if the folder cannot be written.
        """
        with ExitStack() as stack:
            stack.enter_context(only_user(self.folder))
            self._root = self._continue() if self.append else stack.enter_context(whole_folder(self.folder))
            self._list_shards(self._root)
            stack.push(self._finish)
            self._stack = stack.pop_all()
        return self

    def __contains__(self, cut_id: object) -> bool:
        """Whether a cut was added, to this writer or, with `append`, before."""
        return cut_id in self._ids

    @property
    def origins(self) -> Mapping[str, Origin]:
        """What the cuts of the store in the folder were made of, by id."""
        return self._origins

    def check_search(self) -> None:
        """Refuse to add to codes of another search; `add` does so too, but after the work.

        Raises:
            StoreError: if the cuts of the store were searched otherwise.
        """
        if self._other_search:
            raise StoreError(self._other_search)

    def add(self, cut_id: str, codes: Integer[Tensor, "T N"], source: str = "", origin: Origin | None = None) -> None:
        """Add the codes of one cut, and say which file it was made of.

        Args:
            cut_id: id of the cut.
            codes: its codes.
            source: the file.
            origin: the same with its stamp and the part that is meant; one of a higher version takes the place of a cut.

        Raises:
            DataError: if their shape or range is wrong, or the cut is there already and not replaced.
            StoreError: if the cuts of the store were searched otherwise.
        """
        self.check_search()
        origin = origin or Origin(source)
        if self._root is None:
            raise RuntimeError("a TokenWriter takes cuts inside its `with` block only")
        if cut_id in self._ids and origin.version <= self._origins.get(cut_id, Origin()).version:
            raise DataError(f"cut '{cut_id}' is tokenised twice; cut ids must be unique within a store")
        if codes.shape[1] != self.num_codebooks:
            raise DataError(f"cut '{cut_id}' has {codes.shape[1]} codes per frame, the store holds {self.num_codebooks}")
        values = codes.detach().cpu().numpy()
        if values.size and not 0 <= int(values.min()) <= int(values.max()) < self.codebook_size:
            raise DataError(
                f"codes of cut '{cut_id}' reach from {values.min()} to {values.max()}, outside 0..{self.codebook_size - 1}; "
                "store tokens without padding, and check that they come from the quantiser of this store"
            )
        if self._open is None:
            number = 1 + max((int(shard.tokens.removeprefix("tokens-")[:-4]) for shard in self._shards), default=-1)
            self._open = _OpenShard(self._root, number, self.num_codebooks, self.dtype)
        self._open.add(cut_id, np.ascontiguousarray(values, dtype=self.dtype), origin)
        self._ids.add(cut_id)
        if origin != Origin():  # a pre-training corpus has millions of cuts, and no need of them
            self._origins[cut_id] = origin
        late = self.append and time.monotonic() - self._open.began >= self.commit_seconds
        if late or self._open.num_frames >= self.shard_frames:
            self.commit()

    def commit(self) -> None:
        """Close the shard that is being written, and list it; the next cut begins another."""
        if self._root is None:
            raise RuntimeError("a TokenWriter commits inside its `with` block only")
        if self._open is not None:
            if self._open.lengths:
                self._shards.append(self._open.close())
            self._open = None
        self._list_shards(self._root)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def _finish(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None or self.append:
                self.commit()
        finally:
            if self._open is not None:
                self._open.discard()
            self._open = self._root = None

    def _continue(self) -> Path:
        """Read the store in the folder, if there is one, and sweep what a killed writer left."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot write the store {self.folder}: {error.strerror}. Choose another folder.") from error
        left = [path for path in self.folder.iterdir() if LEFTOVERS.fullmatch(path.name)]
        if (self.folder / STORE_FILE).exists():
            store = TokenStore.open(self.folder)
            different = [
                f"{key} is {getattr(store, key)!r}, not {value!r}"
                for key, value in self._about.items()
                if getattr(store, key) != value
            ]
            # Stores of older versions do not say these. What is unknown stays so: it is not known of all cuts.
            different += [
                f"{key} is {held!r}, not {value!r}"
                for key, value in self._details.items()
                if key != "search" and value and (held := getattr(store, key)) and held != value
            ]
            search = self._details["search"]
            if len(store):
                self._details = {key: getattr(store, key) for key in self._details}
            if search and self._details["search"] != search:  # those of older versions do not say theirs; it was not this one
                held = self._details["search"] or "an older version of audiossl with another search"
                self._other_search = (
                    f"the codes in {self.folder} were found by {held}, new ones would be by {search}: codes of two searches "
                    "never mix. Choose another folder, or move the store away and tokenise all recordings again"
                )
            if different:
                raise StoreError(
                    f"the tokens in {self.folder} were made otherwise ({'; '.join(different)}): choose another folder"
                )
            self._shards, self._ids, self._origins = list(store.shards), set(store.cut_ids()), store.origins()
        elif any(not path.name.startswith(".") for path in left):
            # A writer lists its shards, none at first, before it writes one: this is no leftover but a store that lost its list.
            raise StoreError(f"{self.folder} holds tokens but no {STORE_FILE}; the store is damaged, choose another folder")
        listed = {name for shard in self._shards for name in (shard.tokens, shard.index)}
        for path in left:
            if path.name not in listed:
                path.unlink()
        return self.folder

    def _list_shards(self, root: Path) -> None:
        shards = [asdict(shard) for shard in self._shards]
        about = {**self._about, **{key: value for key, value in self._details.items() if value}}
        write_json(root / STORE_FILE, {"format": FORMAT, **about, "dtype": self.dtype.name, "shards": shards})


class _OpenShard:
    """A shard whose codes are being written, under a temporary name."""

    def __init__(self, root: Path, number: int, num_codebooks: int, dtype: np.dtype) -> None:
        self.tokens, self.index = root / f"tokens-{number:05d}.npy", root / f"index-{number:05d}.parquet"
        self.num_codebooks, self.dtype = num_codebooks, dtype
        self.ids: list[str] = []
        self.lengths: list[int] = []  # of cuts, in frames
        self.origins: list[Origin] = []
        self.num_frames = 0
        self.began = time.monotonic()
        self._partial = self.tokens.with_name(f".{self.tokens.name}.partial")
        self._file = self._partial.open("wb")
        self._write_header()
        self._codes_begin = self._file.tell()

    def add(self, cut_id: str, values: Integer[np.ndarray, "T N"], origin: Origin) -> None:
        # A write that failed half way must not shift the following cuts.
        self._file.seek(self._end())
        self._file.write(values.data)
        self.ids.append(cut_id)
        self.lengths.append(len(values))
        self.origins.append(origin)
        self.num_frames += len(values)

    def close(self) -> Shard:
        """Give both files their names."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        lengths = np.array(self.lengths, np.int64)
        columns: dict[str, Any] = {
            "cut_id": pa.array(self.ids, pa.string()),
            "offset": lengths.cumsum() - lengths,
            "num_frames": lengths,
        }
        if any(origin.path for origin in self.origins):
            columns["source"] = pa.array([origin.path for origin in self.origins], pa.string())
        if any(origin != Origin(origin.path) for origin in self.origins):
            columns |= origin_columns(self.origins)
        with whole_file(self.index) as partial:
            pq.write_table(pa.table(columns), partial, compression="zstd", use_dictionary=False, write_page_checksum=True)
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
        self._file.truncate(self._end())
        self._file.seek(0)
        self._write_header()
        self._file.flush()
        os.fsync(self._file.fileno())  # the list must not reach the disk before what it lists
        self._file.close()
        self._partial.replace(self.tokens)
        return Shard(self.tokens.name, self.index.name, len(self.lengths), self.num_frames, self._end())

    def discard(self) -> None:
        """Close the file as it is; the next writer sweeps it."""
        self._file.close()

    def _end(self) -> int:
        return self._codes_begin + self.num_frames * self.num_codebooks * self.dtype.itemsize

    def _write_header(self) -> None:
        """Write a .npy header; numpy pads it so that the number of rows can grow in place."""
        shape = (self.num_frames, self.num_codebooks)
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)
