"""SE: speech out of noise; VoiceBank-DEMAND, 28 speakers (arXiv 2203.06849)."""

from __future__ import annotations

from audiossl.evaluation.superb.task import Settings
from audiossl.evaluation.superb.tasks.masked_spectra import MaskedSpectra


class Enhancement(MaskedSpectra):
    """A column `clean_path`."""

    name = "SE"
    columns = ("clean_path",)
    source_columns = ("clean_path",)
    metrics = ("pesq", "stoi", "si_sdri")
    settings = Settings(optimiser="AdamW", updates=150_000, batch=8, hidden=896)
