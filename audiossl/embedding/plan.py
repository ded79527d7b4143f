"""What an embedding would cost, before it starts: time from a few recordings, memory, and disk from the sizes of the frames."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from audiossl.embedding.embedder import Embedder, Layers
from audiossl.embedding.extract import check_choices, describe
from audiossl.embedding.groups import EmbedGroup
from audiossl.embedding.series import SeriesRecording
from audiossl.embedding.store import EmbeddingStore, StoreDescription, store_parts
from audiossl.embedding.store_writer import SHARD_BYTES
from audiossl.embedding.wanted import Place, Shard, gather_wanted
from audiossl.errors import DataError
from audiossl.signals.audio import probe
from audiossl.signals.corpora.origins import compare
from audiossl.signals.corpora.recordings import Recording

PROBED = 200  # files whose headers are read; the others are taken to last as long as these
MEASURED_RECORDINGS, MEASURED_SECONDS = 4, 30.0
INDEX_BYTES = 200  # of an item's row, roughly, without columns of one's own


@dataclass(frozen=True)
class EmbedPlan:
    """What an embedding would take.

    Attributes:
        num_recordings: recordings that would be embedded.
        num_present: recordings that are in the store.
        num_rejected: recordings that cannot be taken, as far as that is known without decoding them.
        hours: hours of audio to embed.
        device: the embedder is on.
        seconds: time that it will take, by the speed at which a few of the recordings were embedded; None where none could be.
        memory_bytes: memory of this process at its peak, roughly.
        disk_bytes: size of the store on disk.
        disk_free: bytes on the disk of the store.
        model: name of the embedder.

    >>> import numpy as np, soundfile
    >>> import audiossl
    >>> soundfile.write("a.wav", np.random.default_rng(0).normal(size=16000) / 10, 16000)
    >>> model = audiossl.load("logmel")
    >>> plan_embedding(model, ["a.wav"], "store").num_recordings
    1
    """

    num_recordings: int
    num_present: int
    num_rejected: int
    hours: float
    device: str
    seconds: float | None
    memory_bytes: int
    disk_bytes: int
    disk_free: int
    model: str

    @property
    def problem(self) -> str:
        """What would stop it; "" if nothing is seen."""
        return "the disk has not so much room" if self.disk_bytes > self.disk_free else ""

    def __str__(self) -> str:
        needed = "unknown: no recording could be read" if self.seconds is None else duration_text(self.seconds)
        lines = [
            f"{self.num_recordings:,} recordings ({self.hours:.2f} h) to embed with {self.model} on {self.device}; "
            f"{self.num_present:,} are there, {self.num_rejected:,} rejected",
            f"time   {needed}",
            f"memory {size_text(self.memory_bytes)}",
            f"disk   {size_text(self.disk_bytes)}, free {size_text(self.disk_free)}",
        ]
        return "\n".join([*lines, *filter(None, [self.problem])])


def plan_embedding(
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
    num_workers: int | None = None,
) -> EmbedPlan:
    """Measure a few recordings and say what `embed_paths` with the same arguments would take; nothing is written.

    Raises:
        ConfigError, DataError, StoreError: as `embed_paths`.

    >>> import numpy as np, soundfile
    >>> import audiossl
    >>> soundfile.write("a.wav", np.random.default_rng(0).normal(size=16000) / 10, 16000)
    >>> model = audiossl.load("logmel")
    >>> plan = plan_embedding(model, ["a.wav"], "store")
    >>> plan.num_recordings, plan.num_rejected
    (1, 0)
    """
    check_choices(pool, dtype)
    out = Path(out)
    gathered = gather_wanted(embedder, paths, table=table, where=where, shard=shard)
    description = describe(embedder, layers, pool, dtype)
    todo, num_present, num_elsewhere = _to_do(gathered.by_id, out, description)
    seconds = seconds_of(list(todo.values()))
    num_unreadable = seconds.count(0.0)
    speed = measure_speed(embedder, layers, todo)
    frames = sum(seconds) * description.frame_rate
    width = description.num_layers * description.dim
    frame_bytes = 0 if pool else int(frames * width * (2 if dtype == "float16" else 4))
    longest = max(seconds, default=0.0) * description.frame_rate * width * 4
    return EmbedPlan(
        num_recordings=len(todo) - num_unreadable,
        num_present=num_present,
        num_rejected=len(gathered.rejected) + num_elsewhere + num_unreadable,
        hours=sum(seconds) / 3600,
        device=str(embedder.device),
        seconds=None if speed is None else sum(seconds) * speed / (num_workers or 1),
        memory_bytes=peak_memory() + int(longest) + min(frame_bytes, SHARD_BYTES),
        disk_bytes=frame_bytes + len(todo) * (width * 4 + INDEX_BYTES),
        disk_free=shutil.disk_usage(next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())).free,
        model=embedder.name,
    )


def duration_text(seconds: float) -> str:
    """Time in the unit that people would choose.

    >>> duration_text(5.0), duration_text(600.0), duration_text(86400.0)
    ('5 s', '10 min', '24.0 h')
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def size_text(size: int) -> str:
    """Bytes in the unit that people would choose.

    >>> size_text(300), size_text(2_600_000), size_text(7 * 10**9)
    ('1 kB', '3 MB', '7.0 GB')
    """
    if size < 10**6:
        return f"{max(1, round(size / 1e3))} kB"
    return f"{size / 1e6:.0f} MB" if size < 10**9 else f"{size / 1e9:.1f} GB"


def _to_do(
    recordings: Mapping[str, Recording], out: Path, description: StoreDescription
) -> tuple[dict[str, Recording], int, int]:
    """What would be embedded; how many are there, and how many would be refused since another file has their name."""
    parts = store_parts(out)
    if not parts:
        return dict(recordings), 0, 0
    for part in parts:
        description.require_equal(StoreDescription.read(part), part)
    checked = compare(recordings.values(), EmbeddingStore.open(out).origins())
    todo = {id_: recordings[id_] for id_ in (*checked.new, *checked.changed)}
    return todo, len(checked.current) + len(checked.unknown), len(checked.elsewhere)


def seconds_of(recordings: Sequence[Recording]) -> list[float]:
    """Seconds of each, 0 of one that cannot be read; of files beyond PROBED the mean of those that were looked at."""
    known = {one.id: one.item.duration for one in recordings if one.item is not None}
    known |= {one.id: one.seconds for one in recordings if isinstance(one, SeriesRecording)}
    files = [one for one in recordings if one.item is None and one.id not in known]
    step = max(1, len(files) // PROBED)
    for one in files[::step]:
        try:
            known[one.id] = probe(one.path).duration
        except DataError:
            known[one.id] = 0.0  # it will be rejected
    probed = [known[one.id] for one in files[::step]]
    mean = sum(probed) / len(probed) if probed else 0.0
    return [known.get(one.id, mean) for one in recordings]


def measure_speed(embedder: Embedder, layers: Layers, recordings: Mapping[str, Recording]) -> float | None:
    """Seconds of work for a second of audio: a few short recordings, embedded twice, of which the second time counts."""
    seconds = dict(zip(recordings, seconds_of(list(recordings.values())[: PROBED // 4]), strict=False))
    short = [id_ for id_ in sorted(seconds, key=seconds.__getitem__) if 0 < seconds[id_] <= MEASURED_SECONDS]
    middle = short[len(short) // 2 :][:MEASURED_RECORDINGS] or list(seconds)[:1]
    work = EmbedGroup(embedder, layers, recordings)
    took, heard = 0.0, 0.0
    for _ in range(2):
        began = time.perf_counter()
        rows = list(work({"ids": middle, "wanted": middle}))
        _wait_for(embedder.device)
        took, heard = time.perf_counter() - began, sum(row["seconds"] for row in rows)
    return took / heard if heard else None


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory() -> int:
    """Most bytes that this process has held so far."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
