"""Embedding many files into a store: resumable, in parallel jobs, with a record of what could not be read."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from audiossl.embedding.embedder import Embedder, Embedding, Layers
from audiossl.embedding.rejected import REJECTED, earlier_rejections
from audiossl.embedding.sources import FileSource
from audiossl.embedding.store import StoreDescription
from audiossl.embedding.store_writer import StoreWriter
from audiossl.engines import Engine, Row, map_groups
from audiossl.errors import ConfigError, DataError
from audiossl.files import is_same_file, path_text, write_jsonl
from audiossl.locks import only_user
from audiossl.seeds import derive_seed

GROUP_FILES = 64  # files that are open together, so that batches of similar length can be formed
AUDIO_SUFFIXES = frozenset(
    f".{name}"
    for name in "wav flac ogg oga opus mp3 m4a mp4 aac webm aif aiff aifc au caf sph w64 wma amr g722 mkv mov".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class ExtractSummary:
    """What `embed_paths` did; `folder` holds the store or this job's part of it, and `rejected.jsonl` of all calls."""

    folder: Path
    num_written: int
    num_present: int
    num_rejected: int
    audio_seconds: float


def find_audio(paths: Sequence[Path]) -> list[Path]:
    """List files in order: those named, whatever their suffix, and audio files in folders, hidden ones not.

    Raises:
        ConfigError: if a path does not exist, or there is no file at all.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = (file for file in sorted(path.rglob("*")) if file.suffix.lower() in AUDIO_SUFFIXES and file.is_file())
            files += [file for file in inside if not any(part.startswith(".") for part in file.relative_to(path).parts)]
        elif path.exists():
            files.append(path)
        else:
            raise ConfigError(f"expected a file or folder, found nothing at {path}")
    if not files:
        raise ConfigError(f"expected audio files ({' '.join(sorted(AUDIO_SUFFIXES))}), found none in {' '.join(map(str, paths))}")
    return files


def name_items(paths: Sequence[Path]) -> tuple[dict[str, Path], list[dict[str, Any]]]:
    """Name every audio file after the folder it was found in, and list those whose name is taken or is not text.

    With the folder `data/en`, the file `data/en/sub/a.wav` is `en/sub/a.wav`; the file `data/en/b.wav` given by itself is
    `en/b.wav`. The same file twice counts once.

    Returns:
        Files by id, in order of ids, and rows for `rejected.jsonl`.
    """
    named: dict[str, Path] = {}
    rejected: list[dict[str, Any]] = []
    for root in paths:
        for file in find_audio([root]):
            folder = root if root.is_dir() else root.parent
            item_id = (Path(folder.resolve().name) / file.relative_to(folder)).as_posix()
            if str(file).encode(errors="backslashreplace").decode() != str(file):
                item_id = item_id.encode(errors="backslashreplace").decode()
                rejected.append({"id": item_id, "path": path_text(file), "reason": "its path is not UTF-8: rename it"})
                continue
            first = named.setdefault(item_id, file)
            if first.resolve() != file.resolve():
                reason = f"duplicate id: {first} has the same folder and name. Embed their common parent folder instead"
                rejected.append({"id": item_id, "path": path_text(file), "reason": reason})
    return dict(sorted(named.items())), rejected


def embed_paths(
    embedder: Embedder,
    paths: Sequence[str | Path],
    out: str | Path,
    layers: Layers = "last",
    pool: Literal["mean"] | None = None,
    dtype: Literal["float16", "float32"] = "float16",
    shard: tuple[int, int] | None = None,
    progress: bool = True,
    engine: Engine = "local",
    num_workers: int | None = None,
) -> ExtractSummary:
    """Embed audio files into the store at `out`; ids that it holds are skipped, so a killed run is resumed by the same call.

    An id that the store holds of another file is rejected.

    Args:
        embedder: the model.
        paths: files, and folders that are searched for audio files.
        out: folder of the store.
        layers: "last", "all" or layer numbers.
        pool: "mean" stores one vector per file and layer instead of frames.
        dtype: of stored frames.
        shard: (i, n) embeds only the files that fall to job i of n, 0 <= i < n, into a part of its own; which job a file falls to
            depends on its id only.
        progress: show a bar on stderr, if that is a terminal.
        engine: `ray` has the files embedded by workers of Ray Data (extra `ray`); the store gets the same bytes.
        num_workers: of ray.

    Raises:
        ConfigError: if a path, layer, shard, way of pooling or type does not exist, or `out` cannot be written.
        StoreError: if `out` holds a store of another model or other layers, or another process is writing it.
    """
    if pool not in (None, "mean"):
        raise ConfigError(f"expected pool='mean', or None for frames, got {pool!r}")
    if dtype not in ("float16", "float32"):
        raise ConfigError(f"expected dtype='float16' or 'float32', got {dtype!r}")
    if shard is not None and not 0 <= shard[0] < shard[1]:
        raise ConfigError(f"expected a shard i/n with 0 <= i < n, got {shard[0]}/{shard[1]}")
    out = Path(out)
    files, rejected = name_items([Path(path) for path in paths])
    part = None
    if shard is not None:
        part = f"{shard[0]:04d}-of-{shard[1]:04d}"
        files = {item_id: file for item_id, file in files.items() if derive_seed(item_id) % shard[1] == shard[0]}
        rejected = [row for row in rejected if derive_seed(row["id"]) % shard[1] == shard[0]]
    num_written, num_taken, audio_seconds = 0, 0, 0.0
    with ExitStack() as stack:
        stack.enter_context(only_user(out if part is None else out / f"part-{part}"))
        writer = stack.enter_context(StoreWriter(out, describe(embedder, layers, pool, dtype), part))
        advance = stack.enter_context(_bar(progress, len(files)))
        present = [item_id for item_id in files if item_id in writer]
        for item_id in present:
            if (held := writer.path(item_id)) and not is_same_file(held, files[item_id]):
                rejected.append({"id": item_id, "path": path_text(files[item_id]), "reason": taken_id(held, files[item_id])})
                num_taken += 1
        advance(len(present))
        # Groups do not depend on what is there already: who is in a batch with whom changes the last bits of frames.
        ids = list(files)
        groups = [
            {"files": {item_id: str(files[item_id]) for item_id in some}, "wanted": wanted}
            for some in (ids[i : i + GROUP_FILES] for i in range(0, len(ids), GROUP_FILES))
            if (wanted := [item_id for item_id in some if item_id not in writer])
        ]
        seen = [*((item_id, path_text(file)) for item_id, file in files.items()), *((row["id"], row["path"]) for row in rejected)]
        earlier = earlier_rejections(writer.folder, seen)
        work = _EmbedGroup(embedder, layers)
        rows = map_groups(work, groups, engine, num_workers, 1.0 if embedder.device.type == "cuda" else 0.0)
        for count, row in enumerate(rows, 1):
            path = path_text(files[row["id"]])
            try:
                if row["error"]:
                    raise DataError(row["error"])
                writer.add(row["id"], row["frames"], path=path)
                num_written, audio_seconds = num_written + 1, audio_seconds + row["seconds"]
            except DataError as error:
                rejected.append({"id": row["id"], "path": path, "reason": str(error)})
            advance(1)
            if count % GROUP_FILES == 0:
                write_jsonl(writer.folder / REJECTED, [*earlier, *rejected])
        write_jsonl(writer.folder / REJECTED, [*earlier, *rejected])
    return ExtractSummary(writer.folder, num_written, len(present) - num_taken, len(rejected), audio_seconds)


def taken_id(held: str, file: Path) -> str:
    """Say that a store holds another file under the id of this one."""
    return (
        f"duplicate id: the store holds {held} under this name, which is not {path_text(file)}. Give their common parent folder "
        "instead, or another --out; where the file was only moved, nothing is missing"
    )


def describe(
    embedder: Embedder,
    layers: Layers,
    pool: Literal["mean"] | None = None,
    dtype: Literal["float16", "float32"] = "float16",
) -> StoreDescription:
    """Describe the store of an embedder's frames of audio; runs it on a moment of silence to see how wide they are."""
    rate, offset = embedder.grid(layers)
    dim = embedder.embed(torch.zeros(embedder.min_samples), layers=layers).frames.shape[-1]
    numbers = embedder.layer_numbers(layers)
    contents = "frames" if pool is None else "pooled"
    return StoreDescription(
        embedder.name, embedder.digest, "last" if numbers is None else numbers, dim, rate, offset, dtype, contents
    )


class _EmbedGroup:
    """Embeds the wanted ones of a few files: short ones in one batch with all others that are short, long ones one by one.

    A bad file yields its error. If none of the wanted short ones can be read, the others are not embedded for nothing.
    """

    def __init__(self, embedder: Embedder, layers: Layers) -> None:
        self.embedder = embedder
        self.layers: Layers = layers

    def __call__(self, group: dict[str, Any]) -> Iterator[Row]:
        embedder, files, wanted = self.embedder, group["files"], set(group["wanted"])
        short: dict[str, Tensor] = {}
        long: dict[str, float] = {}
        for item_id in sorted(files, key=lambda name: name not in wanted):  # the wanted ones first
            if item_id not in wanted and not short:
                break
            try:
                source = FileSource(Path(files[item_id]), embedder.sample_rate)
                if source.num_samples <= embedder.plan.window:
                    short[item_id] = source.read()
                else:
                    long[item_id] = source.num_samples / embedder.sample_rate
            except DataError as error:
                if item_id in wanted:
                    yield self._failed(item_id, error)
        signals = {item_id: short[item_id] for item_id in files if item_id in short}
        embeddings = embedder.embed(list(signals.values()), layers=self.layers) if signals else []
        for (item_id, signal), embedding in zip(signals.items(), embeddings, strict=True):
            if item_id in wanted:
                yield self._row(item_id, signal.shape[1] / embedder.sample_rate, embedding)
        for item_id, seconds in long.items():
            if item_id not in wanted:
                continue
            try:
                yield self._row(item_id, seconds, embedder.embed(files[item_id], layers=self.layers))
            except DataError as error:
                yield self._failed(item_id, error)

    def _row(self, item_id: str, seconds: float, embedding: Embedding) -> Row:
        return {"id": item_id, "error": "", "seconds": seconds, "frames": _stored(embedding, self.layers)}

    @staticmethod
    def _failed(item_id: str, error: DataError) -> Row:
        return {"id": item_id, "error": str(error), "seconds": 0.0, "frames": np.zeros((1, 0, 1), np.float32)}


def _stored(embedding: Embedding, layers: Layers) -> np.ndarray:
    frames = embedding.frames.numpy()
    return frames[None] if layers == "last" else frames


@contextmanager
def _bar(progress: bool, total: int) -> Iterator[Any]:
    """Yield a function that advances a progress bar on stderr, which is silent where that is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("embedding"), BarColumn(), MofNCompleteColumn(), TextColumn("files"), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), disable=not (progress and sys.stderr.isatty())) as bar:
        task = bar.add_task("embedding", total=total)
        yield lambda count: bar.advance(task, count)
