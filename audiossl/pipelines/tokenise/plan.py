"""What tokenising would cost, before it starts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audiossl.embedding.plan import duration_text, measure_speed, peak_memory, seconds_of, size_text
from audiossl.pipelines.tokenise.corpus import QuantiserConfig
from audiossl.pipelines.tokenise.folders import rate_of
from audiossl.signals.corpora.places import Place, gather_places
from audiossl.teachers.teacher import Teacher
from audiossl.tokens.contract import Quantizer
from audiossl.tokens.store import STORE_FILE, TokenStore

FLOAT = 4  # bytes


@dataclass(frozen=True)
class TokenPlan:
    """What tokenising would take.

    Attributes:
        num_recordings: recordings to tokenise.
        num_present: recordings that are in the store; whether their files have changed is not looked at.
        num_rejected: recordings that cannot be taken, as far as that is known without decoding them.
        hours: of audio to tokenise.
        teacher: what makes the frames, in words.
        device: of the teacher.
        seconds: of time for the teacher's frames, fitted to and tokenised, by its speed on a few of the recordings; the fit of
            the codebooks and the search for codes come on top. None where no recording could be read.
        memory_bytes: of this process at its peak, roughly.
        disk_bytes: of the tokens.
        disk_free: bytes on the disk of the store.
    """

    num_recordings: int
    num_present: int
    num_rejected: int
    hours: float
    teacher: str
    device: str
    seconds: float | None
    memory_bytes: int
    disk_bytes: int
    disk_free: int

    def __str__(self) -> str:
        needed = "unknown: no recording could be read"
        if self.seconds is not None:
            needed = f"{duration_text(self.seconds)} for the teacher's frames, without the codebooks' own fit and search"
        lines = [
            f"{self.num_recordings:,} recordings ({self.hours:.2f} h) to tokenise with {self.teacher} on {self.device}; "
            f"{self.num_present:,} are there, {self.num_rejected:,} rejected",
            f"time   {needed}",
            f"memory {size_text(self.memory_bytes)}",
            f"disk   {size_text(self.disk_bytes)}, free {size_text(self.disk_free)}",
        ]
        return "\n".join(lines + ["the disk has not so much room"] * (self.disk_bytes > self.disk_free))


def plan_tokens(
    paths: Place | Sequence[Place],
    out: Path,
    teacher: Teacher,
    *,
    fit: QuantiserConfig | None = None,
    encode: QuantiserConfig | Quantizer | None = None,
    table: str | Path | None = None,
    where: str | None = None,
) -> TokenPlan:
    """Measure the teacher on a few recordings and say what fitting, encoding or both would take; nothing is written.

    Args:
        paths, table, where: as `audiossl.signals.corpora.places.gather_places` takes them.
        out: folder that would be written.
        teacher: whose frames are quantised.
        fit: what would be fitted, if anything.
        encode: with which codebooks recordings would be encoded, if any would.

    Raises:
        ConfigError: if a path or column does not exist, or the teacher is no model of audio.
        DataError: if a table or manifest cannot be read.
        StoreError: if `out` holds a damaged store, or one of another quantiser.
    """
    gathered = gather_places(paths, rate_of(teacher), table, where)
    held = (
        TokenStore.open(out, encode.id if isinstance(encode, Quantizer) else None)
        if encode is not None and (out / STORE_FILE).exists()
        else None
    )
    todo = {id_: one for id_, one in gathered.by_id.items() if held is None or id_ not in held}
    lengths = seconds_of(list(todo.values()))
    seconds, layers = sum(lengths), [teacher.layer]
    heard = min(seconds, fit.fit_frames / teacher.frame_rate) if fit else 0.0
    speed = measure_speed(teacher.embedder, layers, todo)
    frames = seconds * teacher.frame_rate
    code = 0 if encode is None else encode.num_codebooks * (1 if encode.codebook_size <= 256 else 2)
    held_frames = heard * teacher.frame_rate if fit else max(lengths, default=0.0) * teacher.frame_rate
    folder = out.absolute()
    return TokenPlan(
        num_recordings=len(todo) - lengths.count(0.0),
        num_present=len(gathered.by_id) - len(todo),
        num_rejected=len(gathered.rejected) + lengths.count(0.0),
        hours=seconds / 3600,
        teacher=teacher.description,
        device=str(teacher.embedder.device),
        seconds=None if speed is None else speed * (heard + (seconds if encode is not None else 0.0)),
        memory_bytes=peak_memory() + int(held_frames * teacher.embedder.dim * FLOAT),
        disk_bytes=int(frames * code),
        disk_free=shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free,
    )
