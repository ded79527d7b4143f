"""Tokens of many cuts in one folder: memory-mapped codes, an index, and the id of the quantiser that made them.

store.json             quantiser id, teacher, frame rate, N, K, type, and the shards with their counts and sizes; also the digest
                       of a local teacher's weights, the quality of the search, and its name where codes depend on it, as far
                       as the writer knows them
tokens-00000.npy       codes of the cuts of a shard end to end, (frames, N) uint8 or uint16
index-00000.parquet    cut_id, offset, num_frames of the cuts of that shard, in the same order; also source, the file of each
                       cut, with its stamp and the part that was meant, where the writer knows it

A cut whose file was replaced is tokenised anew: the row with the higher version counts.

A shard counts once store.json lists it. `audiossl.tokens.store_writer` writes stores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt
from torch import Tensor

from audiossl.errors import DataError, StoreError
from audiossl.files import map_array, read_json
from audiossl.signals.corpora.origins import COLUMNS, Origin

FORMAT = 2
STORE_FILE = "store.json"
DTYPES = ("uint8", "uint16")
KEPT_OPEN = 64  # shards mapped at a time; each holds a file handle, and a process often has 1024


@dataclass(frozen=True)
class Shard:
    """A shard as store.json lists it; `num_bytes` is the size of the token file."""

    tokens: str
    index: str
    num_cuts: int
    num_frames: int
    num_bytes: int


class TokenStore:
    """Reads a token store; codes stay on disk until they are asked for.

    What the folder held on opening is what is read: shards that a writer adds later are seen by opening again.

    Attributes:
        quantiser_id, teacher, frame_rate, num_codebooks, codebook_size: values as written.
        teacher_digest, quality: values as written, "" where unknown.
        search: name and version of the search that found the codes; "" where any search finds the same, in stores of older
            versions, whose search was another one, and where unknown.
        shards: shards listed when the store was opened.
        num_bytes: size of all token and index files.

    >>> from audiossl.tokens.store_writer import TokenWriter
    >>> with TokenWriter("tokens", quantiser_id="q", num_codebooks=2, codebook_size=8, frame_rate=50.0) as writer:
    ...     writer.add("cut-1", torch.zeros(25, 2, dtype=torch.uint8))
    >>> store = TokenStore.open("tokens")
    >>> store["cut-1"].shape, store.frame_rate
    (torch.Size([25, 2]), 50.0)
    """

    def __init__(self, folder: Path, about: dict[str, Any], shards: list[Shard]) -> None:  # Any: values of a JSON file
        """Read the index of a described store; use `open`."""
        self.folder, self.shards = folder, shards
        self.quantiser_id: str = about["quantiser_id"]
        self.teacher: str = about["teacher"]
        self.teacher_digest: str = about.get("teacher_digest", "")
        self.quality: str = about.get("quality", "")
        self.search: str = about.get("search", "")
        self.frame_rate: float = about["frame_rate"]
        self.num_codebooks: int = about["num_codebooks"]
        self.codebook_size: int = about["codebook_size"]
        written = [_check_size(folder / shard.tokens, shard.num_bytes) for shard in shards]
        dtype = np.dtype(about["dtype"])
        # No method, which would hold the store and its maps in a reference cycle.
        self._map = lru_cache(maxsize=KEPT_OPEN)(partial(_map_shard, folder, shards, written, self.num_codebooks, dtype))
        indices = [_read_index(folder / shard.index, shard) for shard in shards]
        self._rows: dict[str, int] = {}
        versions: list[int] = []
        twice = 0
        for names, of_shard in ((ids, of_cut) for ids, _, _, of_cut in indices):
            for name, version in zip(names, of_shard, strict=True):
                first = self._rows.setdefault(name, len(versions))
                versions.append(version)
                if first < len(versions) - 1:
                    twice += version == versions[first]
                    if version > versions[first]:
                        self._rows[name] = len(versions) - 1
        if twice:
            raise StoreError(f"{twice} cuts of {folder} are indexed twice; the store is damaged, tokenise again")
        empty = [np.zeros(0, np.int64)]
        self._offsets = np.concatenate([offsets for _, offsets, _, _ in indices] or empty)
        self._lengths = np.concatenate([lengths for _, _, lengths, _ in indices] or empty)
        self._shard_of = np.repeat(np.arange(len(shards)), [shard.num_cuts for shard in shards])
        self.num_bytes: int = sum(shard.num_bytes + (folder / shard.index).stat().st_size for shard in shards)

    @classmethod
    def open(cls, folder: str | Path, quantiser_id: str | None = None) -> TokenStore:
        """Open a store and check that it is whole: index and sizes; codes are not read.

        Args:
            folder: written by `TokenWriter`.
            quantiser_id: refuse tokens of any other quantiser.

        Raises:
            StoreError: if the store is missing, partial or damaged, or belongs to another quantiser.
        """
        path = Path(folder)
        about, shards = _read_about(path)
        if quantiser_id is not None and about["quantiser_id"] != quantiser_id:
            raise StoreError(
                f"the tokens in {path} were made by quantiser {about['quantiser_id']}, but quantiser {quantiser_id} was given; "
                "tokens of different quantisers never mix: tokenise again or load the right quantiser"
            )
        return cls(path, about, shards)

    @property
    def num_token_frames(self) -> int:
        """Token frames of all cuts; over `frame_rate` these are the seconds of the store."""
        return int(self._lengths[list(self._rows.values())].sum())

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, cut_id: object) -> bool:
        return cut_id in self._rows

    def cut_ids(self) -> list[str]:
        """Ids in the order they were written."""
        return list(self._rows)

    def sources(self) -> dict[str, str]:
        """Path of the source file of each cut, by id; cuts without a recorded source are left out."""
        return {cut_id: origin.path for cut_id, origin in self.origins().items() if origin.path}

    def origins(self) -> dict[str, Origin]:
        """What each cut was made of, by id: its file with a stamp, and the part of it; cuts without either are left out."""
        import pyarrow.parquet as pq

        found: dict[str, Origin] = {}
        for shard in self.shards:
            table = pq.read_table(self.folder / shard.index, use_threads=False)
            if "source" not in table.column_names and "size" not in table.column_names:
                continue
            kept = [name for name in ("cut_id", "source", *COLUMNS) if name in table.column_names]
            for row in table.select(kept).to_pylist():
                cut_id, origin = row.pop("cut_id"), Origin.from_row(row.pop("source", ""), row)
                if origin != Origin() and (cut_id not in found or origin.version > found[cut_id].version):
                    found[cut_id] = origin
        return found

    def num_frames(self, cut_id: str) -> int:
        """Token frames of a cut."""
        return int(self._lengths[self._row(cut_id)])

    def __getitem__(self, cut_id: str) -> UInt[Tensor, "T N"]:
        """All codes of a cut, a copy."""
        return self.frames(cut_id)

    def get(self, cut_id: str, start: float = 0.0, duration: float | None = None) -> UInt[Tensor, "T N"]:
        """Codes of a span of a cut.

        Args:
            cut_id: id of the cut.
            start: seconds from the start of the cut, rounded to the nearest token frame.
            duration: seconds; floor(duration * frame_rate) frames, fewer where the cut ends before. All that follow if None.

        Raises:
            StoreError: if the cut is not in the store.
            DataError: if the span is negative or starts beyond the cut.
        """
        length = self.num_frames(cut_id)
        first = round(start * self.frame_rate)
        # 1e-6: durations such as 0.58 s are a hair below a whole number of frames in floating point.
        span = length - first if duration is None else math.floor(duration * self.frame_rate + 1e-6)
        if first < 0 or span < 0 or first > length:
            raise DataError(
                f"cut '{cut_id}' has {length / self.frame_rate:.2f} s of tokens; there is no span of {duration} s from {start} s"
            )
        return self.frames(cut_id, first, first + span)

    def frames(self, cut_id: str, first: int = 0, last: int | None = None) -> UInt[Tensor, "T N"]:
        """Codes of the token frames [first, last) of a cut, a copy; fewer where the cut ends before, all that follow if None.

        Raises:
            StoreError: if the cut is not in the store, or its token file is damaged.
            DataError: if `first` is negative.
        """
        if first < 0:
            raise DataError(f"cut '{cut_id}' was asked for token frames from {first} on; the first is 0")
        row = self._row(cut_id)
        offset, length = int(self._offsets[row]), int(self._lengths[row])
        first, last = min(first, length), length if last is None else min(last, length)
        codes = self._map(int(self._shard_of[row]))
        return torch.from_numpy(np.array(codes[offset + first : offset + max(first, last)]))

    def _row(self, cut_id: str) -> int:
        try:
            return self._rows[cut_id]
        except KeyError:
            raise StoreError(
                f"cut '{cut_id}' has no tokens in {self.folder} ({len(self)} cuts); tokenise the corpus again"
            ) from None

    def __reduce__(self) -> tuple[object, ...]:
        return TokenStore.open, (self.folder,)  # workers map the files themselves


def _read_about(path: Path) -> tuple[dict[str, Any], list[Shard]]:
    try:
        about = read_json(path / STORE_FILE)
        if about["format"] != FORMAT:
            raise StoreError(
                f"{path} is a token store of format {about['format']}, this version reads format {FORMAT}: tokenise again"
            )
        keys = ("quantiser_id", "teacher", "frame_rate", "num_codebooks", "codebook_size", "dtype")
        sizes = about["num_codebooks"], about["codebook_size"], about["frame_rate"]
        shards = [Shard(**shard) for shard in about["shards"]]
        counts = [count for shard in shards for count in (shard.num_frames, shard.num_cuts, shard.num_bytes)]
        if not (about["dtype"] in DTYPES and all(type(size) in (int, float) and size > 0 for size in sizes)):
            raise ValueError(f"codebooks, their size, frame rate and type of codes are {sizes} and {about['dtype']!r}")
        if not all(type(count) is int and count >= 0 for count in counts):
            raise ValueError("a count of a shard is not a whole number")
        if any(Path(name).name != name for shard in shards for name in (shard.tokens, shard.index)):
            raise ValueError("a shard names a file that is not in the folder")
        details = {key: about[key] for key in ("teacher_digest", "quality", "search") if key in about}
        return {**{key: about[key] for key in keys}, **details}, shards
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is not a whole token store: {STORE_FILE} is missing or damaged ({error})") from error


def _check_size(path: Path, num_bytes: int) -> int:
    """Compare the size of a token file with the one listed, and return when it was written in ns."""
    try:
        found = path.stat()
    except OSError as error:
        raise StoreError(f"the token file {path} is missing ({error.strerror}); tokenise again") from error
    if found.st_size != num_bytes:
        raise StoreError(f"{path} has {found.st_size} bytes, {STORE_FILE} says {num_bytes}; the store is damaged, tokenise again")
    return found.st_mtime_ns


def _map_shard(
    folder: Path, shards: list[Shard], written: list[int], num_codebooks: int, dtype: np.dtype, number: int
) -> UInt[np.ndarray, "T N"]:
    shard = shards[number]
    path = folder / shard.tokens
    # Since shards are mapped late, the folder may hold another store by now, and its codes would pass for these.
    if _check_size(path, shard.num_bytes) != written[number]:
        raise StoreError(f"{path} was written anew since the store was opened; open it again")
    try:
        codes = map_array(path, mmap=shard.num_frames > 0)
    except ValueError as error:
        raise StoreError(f"the token file {path} is damaged ({error}); tokenise again") from error
    if codes.shape != (shard.num_frames, num_codebooks) or codes.dtype != dtype:
        raise StoreError(
            f"{path} holds {codes.dtype} codes of shape {codes.shape}, {STORE_FILE} says {dtype} of "
            f"{(shard.num_frames, num_codebooks)}; the store is damaged, tokenise again"
        )
    return codes


def _read_index(path: Path, shard: Shard) -> tuple[list[str], Int64[np.ndarray, "C"], Int64[np.ndarray, "C"], list[int]]:
    """Read the cut ids, offsets, lengths and versions of a shard."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(use_threads=False)  # threads cost more than they save on tables this small
        names = table.column("cut_id").to_pylist()
        offsets, lengths = (table.column(name).to_numpy() for name in ("offset", "num_frames"))
        has_versions = "version" in table.column_names
        versions = table.column("version").to_pylist() if has_versions else [0] * len(names)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise StoreError(f"the index {path} is missing or damaged ({error}); tokenise again") from error
    if len(names) != shard.num_cuts:
        raise StoreError(
            f"the index {path} holds {len(names)} cuts, {STORE_FILE} says {shard.num_cuts}; the store is damaged, tokenise again"
        )
    if names and (min(offsets.min(), lengths.min()) < 0 or (offsets + lengths).max() > shard.num_frames):
        raise StoreError(f"the index {path} points beyond {shard.tokens}; the store is damaged, tokenise again")
    return names, offsets, lengths, versions
