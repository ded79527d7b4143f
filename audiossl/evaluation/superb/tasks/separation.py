"""SS: two voices out of one mixture; Libri2Mix, 16 kHz, min, mix_clean (arXiv 2203.06849)."""

from __future__ import annotations

from audiossl.evaluation.superb.task import Settings
from audiossl.evaluation.superb.tasks.masked_spectra import MaskedSpectra


class Separation(MaskedSpectra):
    """Columns `source1_path` and `source2_path`."""

    name = "SS"
    columns = ("source1_path", "source2_path")
    source_columns = ("source1_path", "source2_path")
    metrics = ("si_sdri",)
    settings = Settings(optimiser="AdamW", updates=150_000, batch=8, hidden=896)
