"""ER: neutral, happy, angry or sad; IEMOCAP, five sessions, each tested once (Busso et al. 2008)."""

from __future__ import annotations

from audiossl.evaluation.superb.task import Settings
from audiossl.evaluation.superb.tasks.utterance import UtteranceTask


class EmotionRecognition(UtteranceTask):
    """The folder holds fold1 ... fold5, each with its tables; the result is the mean over them."""

    name = "ER"
    columns = ("label",)
    settings = Settings(updates=30_000, batch=4, accumulate=8)
