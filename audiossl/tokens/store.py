"""Tokens of many cuts in one folder: memory-mapped codes, an index, and the id of the quantiser that made them.

store.json           quantiser id, teacher, frame rate, N, K, type, shards with their frame counts
tokens-00000.npy     codes of all cuts end to end, (frames, N) uint8 or uint16
index.parquet        cut_id, shard, offset, num_frames
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import torch
from jaxtyping import Integer, UInt
from torch import Tensor

from audiossl.errors import DataError, StoreError
from audiossl.files import read_json, whole_folder, write_json

FORMAT = 1
STORE_FILE = "store.json"
INDEX_FILE = "index.parquet"


class TokenWriter:
    """Writes a token store; used as a context manager, the folder appears whole when the block ends well.

    with TokenWriter(folder, quantiser_id=quantiser.id, num_codebooks=8, codebook_size=256, frame_rate=50.0) as writer:
        writer.add("cut-1", quantiser.encode(frames))
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
    ) -> None:
        """Describe the store.

        Args:
            folder: to be written; an older store there is replaced at the end.
            quantiser_id: `id` of the quantiser.
            num_codebooks: N, codes per frame.
            codebook_size: K; up to 256 a code takes one byte, else two.
            frame_rate: token frames per second.
            teacher: what made the frames, in words.
        """
        self.folder = Path(folder)
        self.num_codebooks, self.codebook_size = num_codebooks, codebook_size
        self.dtype = np.dtype("uint8" if codebook_size <= 256 else "<u2")
        self._about = {"quantiser_id": quantiser_id, "frame_rate": float(frame_rate), "teacher": teacher}
        self._rows: dict[str, tuple[int, int]] = {}  # cut id: offset, frames
        self._num_frames = 0
        self._stack = ExitStack()

    def __enter__(self) -> TokenWriter:
        self._partial = self._stack.enter_context(whole_folder(self.folder))
        self._file: BinaryIO = self._stack.enter_context((self._partial / _shard_name(0)).open("wb"))
        _write_header(self._file, (0, self.num_codebooks), self.dtype)
        return self

    def add(self, cut_id: str, codes: Integer[Tensor, "T N"]) -> None:
        """Add the codes of one cut.

        Raises:
            DataError: if their shape or range is wrong, or the cut is there already.
        """
        if cut_id in self._rows:
            raise DataError(f"cut '{cut_id}' is tokenised twice; cut ids must be unique within a store")
        if codes.shape[1] != self.num_codebooks:
            raise DataError(f"cut '{cut_id}' has {codes.shape[1]} codes per frame, the store holds {self.num_codebooks}")
        values = codes.detach().cpu().numpy()
        if values.size and not 0 <= int(values.min()) <= int(values.max()) < self.codebook_size:
            raise DataError(
                f"codes of cut '{cut_id}' reach from {values.min()} to {values.max()}, outside 0..{self.codebook_size - 1}; "
                "store tokens without padding, and check that they come from the quantiser of this store"
            )
        self._file.write(np.ascontiguousarray(values, dtype=self.dtype).tobytes())
        self._rows[cut_id] = (self._num_frames, len(values))
        self._num_frames += len(values)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._file.seek(0)
            _write_header(self._file, (self._num_frames, self.num_codebooks), self.dtype)
            self._file.flush()
            self._write_index()
            shards = [{"file": _shard_name(0), "num_frames": self._num_frames}]
            write_json(
                self._partial / STORE_FILE,
                {
                    "format": FORMAT,
                    **self._about,
                    "num_codebooks": self.num_codebooks,
                    "codebook_size": self.codebook_size,
                    "dtype": self.dtype.name,
                    "num_cuts": len(self._rows),
                    "shards": shards,
                },
            )
        self._stack.__exit__(kind, error, trace)

    def _write_index(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        offsets, lengths = zip(*self._rows.values(), strict=True) if self._rows else ((), ())
        columns = {
            "cut_id": pa.array(list(self._rows), pa.string()),
            "shard": pa.array([0] * len(self._rows), pa.int32()),
            "offset": pa.array(offsets, pa.int64()),
            "num_frames": pa.array(lengths, pa.int64()),
        }
        pq.write_table(pa.table(columns), self._partial / INDEX_FILE)


class TokenStore:
    """Reads a token store; codes stay on disk until they are asked for.

    Attributes:
        quantiser_id, teacher, frame_rate, num_codebooks, codebook_size: as written.
    """

    def __init__(
        self, folder: Path, about: dict[str, Any], shards: list[np.ndarray], index: dict[str, tuple[int, int, int]]
    ) -> None:
        """Hold an opened store; use `open`."""
        self.folder = folder
        self.quantiser_id: str = about["quantiser_id"]
        self.teacher: str = about["teacher"]
        self.frame_rate: float = about["frame_rate"]
        self.num_codebooks: int = about["num_codebooks"]
        self.codebook_size: int = about["codebook_size"]
        self._shards, self._index = shards, index

    @classmethod
    def open(cls, folder: str | Path, quantiser_id: str | None = None) -> TokenStore:
        """Open a store and check that it is whole.

        Args:
            folder: written by `TokenWriter`.
            quantiser_id: refuse tokens of any other quantiser.

        Raises:
            StoreError: if the store is missing, partial or damaged, or belongs to another quantiser.
        """
        path = Path(folder)
        about = _read_about(path)
        if quantiser_id is not None and about["quantiser_id"] != quantiser_id:
            raise StoreError(
                f"the tokens in {path} were made by quantiser {about['quantiser_id']}, but quantiser {quantiser_id} was given; "
                "tokens of different quantisers never mix: tokenise again or load the right quantiser"
            )
        shards = [_map_shard(path / shard["file"], shard["num_frames"], about) for shard in about["shards"]]
        index = _read_index(path, [len(shard) for shard in shards])
        if len(index) != about["num_cuts"]:
            raise StoreError(
                f"the index of {path} holds {len(index)} cuts, {STORE_FILE} says {about['num_cuts']}; tokenise again"
            )
        return cls(path, about, shards, index)

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, cut_id: object) -> bool:
        return cut_id in self._index

    def cut_ids(self) -> list[str]:
        """Ids in the order they were written."""
        return list(self._index)

    def num_frames(self, cut_id: str) -> int:
        """Token frames of a cut."""
        return self._find(cut_id)[2]

    def __getitem__(self, cut_id: str) -> UInt[Tensor, "T N"]:
        """All codes of a cut, a copy."""
        shard, offset, length = self._find(cut_id)
        return torch.from_numpy(np.array(self._shards[shard][offset : offset + length]))

    def get(self, cut_id: str, start: float = 0.0, duration: float | None = None) -> UInt[Tensor, "T N"]:
        """Codes of a span of a cut.

        Args:
            cut_id: which cut.
            start: seconds from the start of the cut, rounded to the nearest token frame.
            duration: seconds; floor(duration * frame_rate) frames, fewer where the cut ends before. All that follow if None.

        Raises:
            StoreError: if the cut is not in the store.
            DataError: if the span is negative or starts beyond the cut.
        """
        shard, offset, length = self._find(cut_id)
        first = round(start * self.frame_rate)
        # 1e-6: durations such as 0.58 s are a hair below a whole number of frames in floating point.
        span = length - first if duration is None else math.floor(duration * self.frame_rate + 1e-6)
        if first < 0 or span < 0 or first > length:
            raise DataError(
                f"cut '{cut_id}' has {length / self.frame_rate:.2f} s of tokens; there is no span of {duration} s from {start} s"
            )
        last = min(first + span, length)
        return torch.from_numpy(np.array(self._shards[shard][offset + first : offset + last]))

    def _find(self, cut_id: str) -> tuple[int, int, int]:
        try:
            return self._index[cut_id]
        except KeyError:
            raise StoreError(
                f"cut '{cut_id}' has no tokens in {self.folder} ({len(self)} cuts); tokenise the corpus again"
            ) from None

    def __reduce__(self) -> tuple[Any, ...]:
        return TokenStore.open, (self.folder,)  # workers map the files themselves


def _shard_name(shard: int) -> str:
    return f"tokens-{shard:05d}.npy"


def _write_header(file: BinaryIO, shape: tuple[int, int], dtype: np.dtype) -> None:
    """Write a .npy header; numpy pads it so that the number of rows can grow in place."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _read_about(path: Path) -> dict[str, Any]:
    try:
        about = read_json(path / STORE_FILE)
        if about["format"] != FORMAT:
            raise StoreError(f"{path} is a token store of format {about['format']}, this version reads format {FORMAT}")
        keys = ("quantiser_id", "teacher", "frame_rate", "num_codebooks", "codebook_size", "dtype", "num_cuts", "shards")
        return {key: about[key] for key in keys}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is not a whole token store: {STORE_FILE} is missing or damaged ({error})") from error


def _map_shard(path: Path, num_frames: int, about: dict[str, Any]) -> np.ndarray:
    try:
        codes = np.load(path, mmap_mode="r" if num_frames else None, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise StoreError(f"the token file {path} is missing or damaged ({error}); tokenise again") from error
    if codes.shape != (num_frames, about["num_codebooks"]) or codes.dtype.name != about["dtype"]:
        raise StoreError(
            f"{path} holds {codes.dtype} codes of shape {codes.shape}, {STORE_FILE} says {about['dtype']} of "
            f"{(num_frames, about['num_codebooks'])}; the store is damaged, tokenise again"
        )
    return codes


def _read_index(path: Path, shard_lengths: list[int]) -> dict[str, tuple[int, int, int]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path / INDEX_FILE)
        names = table.column("cut_id").to_pylist()
        shard, offset, length = (table.column(name).to_numpy() for name in ("shard", "offset", "num_frames"))
    except (OSError, KeyError, pa.ArrowException) as error:
        raise StoreError(f"the index of {path} is missing or damaged ({error}); tokenise again") from error
    if len(names) and (
        shard.min() < 0
        or shard.max() >= len(shard_lengths)
        or offset.min() < 0
        or bool((offset + length > np.asarray(shard_lengths)[shard]).any())
    ):
        raise StoreError(f"the index of {path} points beyond its token files; the store is damaged, tokenise again")
    return dict(zip(names, zip(shard.tolist(), offset.tolist(), length.tolist(), strict=True), strict=True))
