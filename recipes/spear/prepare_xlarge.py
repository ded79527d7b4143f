"""The speech and audio of SPEAR XLarge, 197k h; what each data set is and how to get it is in README.md."""

from __future__ import annotations

from pathlib import Path

from .prepare import SOURCES as DUAL
from .prepare import join, prepare_labels

__all__ = ["SOURCES", "prepare_corpus", "prepare_labels"]

SOURCES = {**DUAL, "yodas": "speech"}


def prepare_corpus(out: Path, data_root: Path | None, limit: int | None) -> None:
    """Join speech, with YODAS, and audio."""
    join(SOURCES, out, data_root, limit)
