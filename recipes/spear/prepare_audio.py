"""The general audio of SPEAR, 13k h; what each data set is and how to get it is in README.md."""

from __future__ import annotations

from pathlib import Path

from .prepare import AUDIO as SOURCES
from .prepare import join, prepare_labels

__all__ = ["SOURCES", "prepare_corpus", "prepare_labels"]


def prepare_corpus(out: Path, data_root: Path | None, limit: int | None) -> None:
    """Join the audio."""
    join(SOURCES, out, data_root, limit)
