"""ASR: LibriSpeech train-clean-100, dev-clean, test-clean (`--data-root .../LibriSpeech`)."""

from __future__ import annotations

from pathlib import Path

from ..librispeech import write


def prepare_tasks(out: Path, data_root: Path | None) -> None:
    """Write the tables; transcripts as they are."""
    write(out, data_root, "ASR", lambda words: words)
