"""`audiossl.embed`: recordings into a store that can be searched, joined and exported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack, overload

if TYPE_CHECKING:
    from torch import nn

    from audiossl.embedding.embedder import Layers, WindowSeconds
    from audiossl.embedding.plan import EmbedPlan
    from audiossl.embedding.store import EmbeddingStore
    from audiossl.embedding.wanted import Place
    from audiossl.engines import Engine
    from audiossl.models.encoder import Encoder
    from audiossl.signals.corpora.store_check import StoreCheck


class EmbedOptions(TypedDict, total=False):
    """The keywords of `embed`."""

    layers: Layers
    pool: Literal["mean"] | None
    dtype: Literal["float16", "float32"]
    table: str | Path | None
    where: str | None
    shard: tuple[int, int] | None
    window_seconds: WindowSeconds
    device: str | None
    engine: Engine
    workers: int | None


@overload
def embed(
    model: str | Path | Encoder | nn.Module,
    paths: Place | Sequence[Place],
    output: str | Path,
    *,
    verify: Literal[False] = False,
    dry_run: Literal[False] = False,
    **options: Unpack[EmbedOptions],
) -> EmbeddingStore: ...
@overload
def embed(
    model: str | Path | Encoder | nn.Module,
    paths: Place | Sequence[Place],
    output: str | Path,
    *,
    verify: Literal[False] = False,
    dry_run: Literal[True],
    **options: Unpack[EmbedOptions],
) -> EmbedPlan: ...
@overload
def embed(
    model: str | Path | Encoder | nn.Module,
    paths: Place | Sequence[Place],
    output: str | Path,
    *,
    verify: Literal[True],
    dry_run: Literal[False] = False,
    **options: Unpack[EmbedOptions],
) -> StoreCheck: ...
def embed(
    model: str | Path | Encoder | nn.Module,
    paths: Place | Sequence[Place],
    output: str | Path,
    *,
    layers: Layers = "last",
    pool: Literal["mean"] | None = None,
    dtype: Literal["float16", "float32"] = "float16",
    table: str | Path | None = None,
    where: str | None = None,
    shard: tuple[int, int] | None = None,
    window_seconds: WindowSeconds = "auto",
    device: str | None = None,
    engine: Engine = "local",
    workers: int | None = None,
    verify: bool = False,
    dry_run: bool = False,
) -> EmbeddingStore | EmbedPlan | StoreCheck:
    """Embed recordings into a store; the same call resumes it, and what cannot be used is listed in its `rejected.jsonl`.

    A file that has changed since is embedded anew. What is known of a recording (its row of a table; speaker, text and custom
    fields of a corpus) is kept in the index of the store.

    Args:
        model: whatever `audiossl.load` takes: a name, a folder, or an encoder.
        paths: a corpus, or paths of audio files, folders that are searched, corpus folders, lhotse manifests and shards, Kaldi
            folders, Hugging Face data sets and tables of clips (CSV, TSV, JSON lines, Parquet); or a list of these. For models of
            sensors tables of samples, arrays and EDF files, for those of BOLD runs folders and tables of regional series.
        output: folder of the store.
        layers: "last" for the final output, "all", or a list of layer numbers.
        pool: "mean" stores one vector a recording and layer instead of frames.
        dtype: dtype of stored frames; pooled vectors are float32.
        table: table whose rows are joined to the recordings by id, path, file name or stem; what has no row is left out.
        where: condition on their columns, such as `speaker == 'a' and age < 30` (see `audiossl.where`).
        shard: (i, n) embeds only the recordings of job i of n, 0 <= i < n; jobs may run side by side.
        window_seconds: seconds in which longer recordings are read; "auto" is 30 s for audio. None runs every recording whole,
            and rejects those for which the memory does not suffice.
        device: device to embed on, "cpu", "cuda", "cuda:1" or "mps"; None leaves an encoder where it is, and loads names on the
            CPU.
        engine: "local" for this machine, "ray" for workers of Ray Data.
        workers: number of processes to work in, which changes no byte; 1 by default, with ray one for each CPU of its cluster.
        verify: embed nothing, but compare what the store holds with what the recordings are now.
        dry_run: embed nothing, but say what it would take.

    Returns:
        The store, with this model to search for files and a `summary` of what was done. With `dry_run` a plan: time, memory and
        disk; with `verify` which recordings are others than those in the store. All three print as text.

    Raises:
        ConfigError: if a path, layer, shard, column, device, way of pooling or type does not exist, the model does not take
            what is there, or the output cannot be written.
        DataError: if a table or manifest cannot be read, or no recording is left by `where`.
        StoreError: if the output holds a store of another model or other layers, or another process is writing it.

    >>> import tempfile, numpy, soundfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in "abc":
    ...     soundfile.write(folder / f"{name}.wav", numpy.random.default_rng(ord(name)).normal(0, 0.1, 8000), 16_000)
    >>> _ = (folder / "clips.csv").write_text("path,speaker\\na.wav,ann\\nb.wav,bob\\nc.wav,ann\\n")
    >>> store = embed("logmel", folder / "clips.csv", folder / "store", where="speaker == 'ann'")
    >>> store
    EmbeddingStore(2 items, frames of 'logmel', 1 layer of 80 channels; columns speaker)
    >>> store.neighbours(folder / "c.wav", k=1)[0].id
    'c.wav'
    """
    from audiossl.embedding.extract import embed_paths
    from audiossl.embedding.plan import plan_embedding
    from audiossl.embedding.store import EmbeddingStore
    from audiossl.embedding.wanted import gather_wanted
    from audiossl.errors import ConfigError
    from audiossl.load import load
    from audiossl.signals.corpora.store_check import check_store
    from audiossl.verbs.devices import load_on

    if verify and dry_run:
        raise ConfigError("expected verify or dry_run, not both")
    embedder = load(load(model) if device is None else load_on(model, device), window_seconds=window_seconds)
    if verify:
        held = EmbeddingStore.open(output).origins()
        return check_store(gather_wanted(embedder, paths, table=table, where=where, shard=shard).by_id, held)
    if dry_run:
        about = {"dtype": dtype, "table": table, "where": where, "shard": shard}
        return plan_embedding(embedder, paths, output, layers, pool, num_workers=workers, **about)
    summary = embed_paths(
        embedder,
        paths,
        output,
        layers,
        pool,
        dtype=dtype,
        table=table,
        where=where,
        shard=shard,
        engine=engine,
        num_workers=workers,
    )
    store = EmbeddingStore.open(summary.folder, embedder)
    store.summary = summary
    return store
