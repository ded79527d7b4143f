"""What an embedding of recordings did."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from audiossl.embedding.duplicates import Duplicates

SUMMARY = "summary.json"  # of a store


@dataclass(frozen=True)
class ExtractSummary:
    """What `embed_paths` did.

    Attributes:
        folder: folder of the store, or of this job's part of it; `rejected.jsonl` there lists what all calls could not use.
        num_written: recordings that were embedded.
        num_present: recordings that were there.
        num_rejected: recordings that could not be used.
        audio_seconds: seconds of audio that were embedded.
        num_renewed: number of embedded items that replaced one of an earlier state of their file.
        first_rejected: id and reason.
        num_relabelled: number of items that were there and got other columns.
        duplicates: items of the store that have the same vector.

    >>> ExtractSummary(Path("store"), num_written=8, num_present=0, num_rejected=1, audio_seconds=12.5).num_written
    8
    """

    folder: Path
    num_written: int
    num_present: int
    num_rejected: int
    audio_seconds: float
    num_renewed: int = 0
    first_rejected: str = ""
    num_relabelled: int = 0
    duplicates: Duplicates = field(default_factory=lambda: Duplicates([], 0))

    def __str__(self) -> str:
        renewed = f" ({self.num_renewed} anew, since they have changed)" if self.num_renewed else ""
        relabelled = f" ({self.num_relabelled} with other columns)" if self.num_relabelled else ""
        return (
            f"{self.num_written} files embedded{renewed} ({self.audio_seconds / 3600:.2f} h), "
            f"{self.num_present} were there{relabelled}, {self.num_rejected} rejected; {self.folder}"
        )
