"""KS: ten words, unknown and silence; Speech Commands v0.01 (arXiv 1804.03209)."""

from __future__ import annotations

from audiossl.evaluation.superb.task import Settings
from audiossl.evaluation.superb.tasks.utterance import UtteranceTask


class KeywordSpotting(UtteranceTask):
    """Classes are drawn alike, with replacement; audio is 3 dB quieter."""

    name = "KS"
    columns = ("label",)
    settings = Settings(order="balanced")
    gain_db = -3.0
