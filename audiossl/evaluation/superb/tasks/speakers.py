"""SID: who speaks; VoxCeleb1's identification split, 1,251 speakers (arXiv 1706.08612)."""

from __future__ import annotations

from audiossl.evaluation.superb.task import Settings
from audiossl.evaluation.superb.tasks.utterance import UtteranceTask


class SpeakerIdentification(UtteranceTask):
    """Training crops of at most 8 s; the learning rate matters: from 1e-4 to 1e-1 HuBERT Base gains 14 points."""

    name = "SID"
    columns = ("label",)
    settings = Settings(batch=8, accumulate=4, crop_seconds=8.0)
