"""Embedding many files into a store: resumable, in parallel jobs, with a record of what could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import torch

from audiossl.embedding.duplicates import Duplicates
from audiossl.embedding.embedder import Embedder, Layers
from audiossl.embedding.groups import GROUP_FILES, EmbedGroup
from audiossl.embedding.rejected import REJECTED, earlier_rejections
from audiossl.embedding.store import EmbeddingStore, StoreDescription
from audiossl.embedding.store_writer import StoreWriter
from audiossl.embedding.summary import SUMMARY, ExtractSummary
from audiossl.embedding.wanted import Place, Shard, gather_wanted
from audiossl.engines import Engine, map_groups
from audiossl.errors import ConfigError, DataError
from audiossl.files import path_text, write_json, write_jsonl
from audiossl.locks import only_user
from audiossl.progress import show_progress
from audiossl.signals.corpora.origins import Origin, compare

STILL_HELD = " It has changed, and what the store holds under this name was made of the file as it was"


def embed_paths(
    embedder: Embedder,
    paths: Place | Sequence[Place],
    out: str | Path,
    layers: Layers = "last",
    pool: Literal["mean"] | None = None,
    *,
    dtype: Literal["float16", "float32"] = "float16",
    table: str | Path | None = None,
    where: str | None = None,
    shard: Shard | None = None,
    progress: bool = True,
    engine: Engine = "local",
    num_workers: int | None = None,
) -> ExtractSummary:
    """Embed recordings into the store at `out`; ids that it holds are skipped, so a killed run is resumed by the same call.

    A file that has changed since it was embedded is embedded anew. An id that the store holds of another file is rejected. What
    is known about a recording (its row of a table, its speaker, text and custom fields) is kept in the index, and brought up to
    date where it is known otherwise now.

    Args:
        embedder: the model.
        paths: audio files, folders that are searched, corpus folders, lhotse manifests and shards, tables of clips, as
            `audiossl.signals.corpora.recordings.gather` takes them, and corpora; of a part of a recording that part is embedded.
        out: folder of the store.
        layers: "last", "all" or layer numbers.
        pool: "mean" stores one vector per file and layer instead of frames.
        dtype: dtype of stored frames.
        table: table whose rows are joined to the recordings by id, path, file name or stem.
        where: condition on the columns, such as `speaker == 'a'` (`audiossl.where`).
        shard: (i, n) embeds only the files that fall to job i of n, 0 <= i < n, into a part of its own; which job a file falls to
            depends on its id only.
        progress: show a bar on stderr, or lines where that is no terminal.
        engine: `ray` has the files embedded by workers of Ray Data (extra `ray`); the store gets the same bytes.
        num_workers: number of processes to work in; 1 by default, with ray one for each CPU of its cluster.

    Raises:
        ConfigError: if a path, layer, shard, column, way of pooling or type does not exist, the model does not take what is
            there, or `out` cannot be written.
        DataError: if a table or manifest cannot be read, or the condition holds for no recording.
        StoreError: if `out` holds a store of another model or other layers, or another process is writing it.

    >>> import numpy as np, soundfile
    >>> import audiossl
    >>> soundfile.write("a.wav", np.random.default_rng(0).normal(size=16000) / 10, 16000)
    >>> model = audiossl.load("logmel")
    >>> summary = embed_paths(model, ["a.wav"], "store", progress=False)
    >>> summary.num_written, summary.num_rejected
    (1, 0)
    """
    check_choices(pool, dtype)
    out = Path(out)
    gathered = gather_wanted(embedder, paths, table=table, where=where, shard=shard)
    recordings, rejected = gathered.by_id, gathered.rejected
    part = None if shard is None else f"{shard[0]:04d}-of-{shard[1]:04d}"
    num_written, num_renewed, audio_seconds = 0, 0, 0.0
    with ExitStack() as stack:
        stack.enter_context(only_user(out if part is None else out / f"part-{part}"))
        writer = stack.enter_context(StoreWriter(out, describe(embedder, layers, pool, dtype), part))
        report = stack.enter_context(show_progress("embedding")) if progress else None
        held = dict(writer.origins)
        checked = compare(recordings.values(), held)
        for item_id in checked.elsewhere:
            one = recordings[item_id]
            rejected.append({"id": item_id, "path": path_text(one.path), "reason": taken_id(held[item_id].path, one.path)})
        num_present = len(checked.current) + len(checked.unknown)
        num_relabelled = writer.relabel({id_: recordings[id_].columns for id_ in (*checked.current, *checked.unknown)})
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
        work = EmbedGroup(embedder, layers, recordings)
        rows = map_groups(work, groups, engine, num_workers, 1.0 if embedder.device.type == "cuda" else 0.0)
        for count, row in enumerate(rows, 1):
            one, old = recordings[row["id"]], held.get(row["id"])
            path = path_text(one.path)
            try:
                if row["error"]:
                    raise DataError(row["error"])
                origin = Origin.from_row(path, row)
                origin = origin if old is None else origin.newer(old)
                about = {"seconds": row["seconds"], "columns": one.columns}
                writer.add(row["id"], row["frames"], row["start"], origin=origin, **about)
                num_written, audio_seconds = num_written + 1, audio_seconds + row["seconds"]
                num_renewed += old is not None
            except DataError as error:
                left = "" if old is None else STILL_HELD
                rejected.append({"id": row["id"], "path": path, "reason": f"{error}{left}"})
            if report is not None:
                report("files", count, len(todo))
            if count % GROUP_FILES == 0:
                write_jsonl(writer.folder / REJECTED, [*earlier, *rejected])
        write_jsonl(writer.folder / REJECTED, [*earlier, *rejected])
        writer.flush()
        duplicates = summarise(writer.folder)
    first = f"{rejected[0]['id']}: {rejected[0]['reason']}" if rejected else ""
    counts = num_written, num_present, len(rejected), audio_seconds, num_renewed, first, num_relabelled
    return ExtractSummary(writer.folder, *counts, duplicates)


def check_choices(pool: object, dtype: object) -> None:
    """Refuse a way of pooling or a type that there is not.

    Raises:
        ConfigError: for another one.
    """
    if pool not in (None, "mean"):
        raise ConfigError(f"expected pool='mean', or None for frames, got {pool!r}")
    if dtype not in ("float16", "float32"):
        raise ConfigError(f"expected dtype='float16' or 'float32', got {dtype!r}")


def summarise(folder: Path) -> Duplicates:
    """Write `summary.json` of a store: items, hours, and the vectors that came twice."""
    store = EmbeddingStore.open(folder)
    found = store.duplicates()
    table = store.table()
    seconds = float((table.column("end").to_numpy() - table.column("start").to_numpy()).sum())
    about = {"num_items": len(store), "hours": seconds / 3600, "columns": store.columns}
    counts = {key: value for key, value in asdict(found).items() if key not in ("groups", "num_items")}
    repeated = {"num_repeated": found.num_repeated, "share_repeated": found.share, **counts, "warning": found.warning}
    write_json(folder / SUMMARY, {**about, "duplicates": {**repeated, "groups": found.groups[:20]}})
    return found


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
    is_audio = embedder.takes.is_audio  # else all frames are as wide, and a moment of a BOLD run would be too short
    dim = embedder.embed(torch.zeros(embedder.min_samples), layers=layers).frames.shape[-1] if is_audio else embedder.dim
    numbers = embedder.layer_numbers(layers)
    contents = "frames" if pool is None else "pooled"
    return StoreDescription(
        embedder.name, embedder.digest, "last" if numbers is None else numbers, dim, rate, offset, dtype, contents
    )
