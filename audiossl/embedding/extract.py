"""Embedding many files into a store: resumable, in parallel jobs, with a record of what could not be read."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from audiossl.embedding.embedder import Embedder, Embedding, Layers
from audiossl.embedding.rejected import REJECTED, earlier_rejections
from audiossl.embedding.sources import FileSource, ItemSource
from audiossl.embedding.store import StoreDescription
from audiossl.embedding.store_writer import StoreWriter
from audiossl.engines import Engine, Row, map_groups
from audiossl.errors import ConfigError, DataError
from audiossl.files import path_text, write_jsonl
from audiossl.locks import only_user
from audiossl.seeds import derive_seed
from audiossl.signals.corpora.origins import Origin, compare
from audiossl.signals.corpora.recordings import Recording, gather

STILL_HELD = " It has changed, and what the store holds under this name was made of the file as it was"
GROUP_FILES = 64  # files that are open together, so that batches of similar length can be formed


@dataclass(frozen=True)
class ExtractSummary:
    """What `embed_paths` did; `folder` holds the store or this job's part of it, and `rejected.jsonl` of all calls.

    `num_renewed` of those that were written took the place of an embedding of the same name whose file has changed since.
    """

    folder: Path
    num_written: int
    num_present: int
    num_rejected: int
    audio_seconds: float
    num_renewed: int = 0
    first_rejected: str = ""


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
    """Embed recordings into the store at `out`; ids that it holds are skipped, so a killed run is resumed by the same call.

    A file that has changed since it was embedded is embedded anew. An id that the store holds of another file is rejected.

    Args:
        embedder: the model.
        paths: audio files, folders that are searched, corpus folders, lhotse manifests and shards, tables of clips, as
            `audiossl.signals.corpora.recordings.gather` takes them; of a part of a recording that part is embedded.
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
        ConfigError: if a path, layer, shard, way of pooling or type does not exist, the model is none of audio, or `out` cannot
            be written.
        StoreError: if `out` holds a store of another model or other layers, or another process is writing it.
    """
    if pool not in (None, "mean"):
        raise ConfigError(f"expected pool='mean', or None for frames, got {pool!r}")
    if dtype not in ("float16", "float32"):
        raise ConfigError(f"expected dtype='float16' or 'float32', got {dtype!r}")
    if shard is not None and not 0 <= shard[0] < shard[1]:
        raise ConfigError(f"expected a shard i/n with 0 <= i < n, got {shard[0]}/{shard[1]}")
    if not embedder.takes.is_audio:
        raise ConfigError(f"{embedder.name} takes {embedder.takes}, no files of audio: call its embed with arrays")
    out = Path(out)
    gathered = gather([Path(path) for path in paths], round(embedder.sample_rate))
    recordings, rejected = gathered.by_id, gathered.rejected
    part = None
    if shard is not None:
        part = f"{shard[0]:04d}-of-{shard[1]:04d}"
        recordings = {item_id: one for item_id, one in recordings.items() if derive_seed(item_id) % shard[1] == shard[0]}
        rejected = [row for row in rejected if derive_seed(row["id"]) % shard[1] == shard[0]]
    num_written, num_renewed, audio_seconds = 0, 0, 0.0
    with ExitStack() as stack:
        stack.enter_context(only_user(out if part is None else out / f"part-{part}"))
        writer = stack.enter_context(StoreWriter(out, describe(embedder, layers, pool, dtype), part))
        advance = stack.enter_context(_bar(progress, len(recordings)))
        held = dict(writer.origins)
        checked = compare(recordings.values(), held)
        for item_id in checked.elsewhere:
            one = recordings[item_id]
            rejected.append({"id": item_id, "path": path_text(one.path), "reason": taken_id(held[item_id].path, one.path)})
        num_present = len(checked.current) + len(checked.unknown)
        advance(num_present + len(checked.elsewhere))
        todo = {*checked.new, *checked.changed}
        # Groups do not depend on what is there already: who is in a batch with whom changes the last bits of frames.
        ids = list(recordings)
        groups = [
            {"ids": some, "wanted": wanted}
            for some in (ids[i : i + GROUP_FILES] for i in range(0, len(ids), GROUP_FILES))
            if (wanted := [item_id for item_id in some if item_id in todo])
        ]
        seen = [(item_id, path_text(one.path)) for item_id, one in recordings.items()]
        seen += [(row["id"], row["path"]) for row in rejected]
        earlier = earlier_rejections(writer.folder, seen)
        work = _EmbedGroup(embedder, layers, recordings)
        rows = map_groups(work, groups, engine, num_workers, 1.0 if embedder.device.type == "cuda" else 0.0)
        for count, row in enumerate(rows, 1):
            path = path_text(recordings[row["id"]].path)
            old = held.get(row["id"])
            try:
                if row["error"]:
                    raise DataError(row["error"])
                origin = Origin.from_row(path, row)
                writer.add(row["id"], row["frames"], row["start"], origin=origin if old is None else origin.newer(old))
                num_written, audio_seconds = num_written + 1, audio_seconds + row["seconds"]
                num_renewed += old is not None
            except DataError as error:
                left = "" if old is None else STILL_HELD
                rejected.append({"id": row["id"], "path": path, "reason": f"{error}{left}"})
            advance(1)
            if count % GROUP_FILES == 0:
                write_jsonl(writer.folder / REJECTED, [*earlier, *rejected])
        write_jsonl(writer.folder / REJECTED, [*earlier, *rejected])
    first = f"{rejected[0]['id']}: {rejected[0]['reason']}" if rejected else ""
    return ExtractSummary(writer.folder, num_written, num_present, len(rejected), audio_seconds, num_renewed, first)


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
    """Embeds the wanted ones of a few recordings: short ones in one batch with all others that are short, long ones one by one.

    A bad file yields its error. If none of the wanted short ones can be read, the others are not embedded for nothing.
    """

    def __init__(self, embedder: Embedder, layers: Layers, recordings: Mapping[str, Recording]) -> None:
        self.embedder = embedder
        self.layers: Layers = layers
        self.recordings = recordings

    def __call__(self, group: dict[str, Any]) -> Iterator[Row]:
        embedder, ids, wanted = self.embedder, group["ids"], set(group["wanted"])
        short: dict[str, Tensor] = {}
        long: dict[str, FileSource | ItemSource] = {}
        origins: dict[str, Origin] = {}
        for item_id in sorted(ids, key=lambda name: name not in wanted):  # the wanted ones first
            if item_id not in wanted and not short:
                break
            try:
                if item_id in wanted:  # before it is read: what changes in between is embedded again next time
                    origins[item_id] = Origin.of(self.recordings[item_id])
                source = self._source(item_id)
                if source.num_samples <= embedder.plan.window:
                    short[item_id] = source.read()
                elif item_id in wanted:
                    long[item_id] = source
            except DataError as error:
                if item_id in wanted:
                    yield self._failed(item_id, error)
        signals = {item_id: short[item_id] for item_id in ids if item_id in short}
        embeddings = embedder.embed(list(signals.values()), layers=self.layers) if signals else []
        for (item_id, signal), embedding in zip(signals.items(), embeddings, strict=True):
            if item_id in wanted:
                yield self._row(item_id, signal.shape[1] / embedder.sample_rate, embedding, origins[item_id])
        for item_id, source in long.items():
            try:
                embedding = embedder.embed_source(source, self.layers)
                yield self._row(item_id, source.num_samples / embedder.sample_rate, embedding, origins[item_id])
            except DataError as error:
                yield self._failed(item_id, error)

    def _source(self, item_id: str) -> FileSource | ItemSource:
        one = self.recordings[item_id]
        if one.item is None:
            return FileSource(one.path, self.embedder.sample_rate)
        return ItemSource(one.item, self.embedder.sample_rate)

    def _row(self, item_id: str, seconds: float, embedding: Embedding, origin: Origin) -> Row:
        item = self.recordings[item_id].item
        made = {"start": 0.0 if item is None else item.start, **origin.to_row()}
        return {"id": item_id, "error": "", "seconds": seconds, "frames": _stored(embedding, self.layers), **made}

    @staticmethod
    def _failed(item_id: str, error: DataError) -> Row:
        empty = {"start": 0.0, **Origin().to_row()}
        return {"id": item_id, "error": str(error), "seconds": 0.0, "frames": np.zeros((1, 0, 1), np.float32), **empty}


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
