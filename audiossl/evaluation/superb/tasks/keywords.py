"""KS: ten words, unknown and silence; Speech Commands v0.01 (arXiv 1804.03209)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import fmean

from audiossl.evaluation.superb.task import Settings
from audiossl.evaluation.superb.tasks.utterance import UtteranceTask


class KeywordSpotting(UtteranceTask):
    """Classes are drawn alike, with replacement; audio is 3 dB quieter.

    What selects is the mean over classes of the validation table's accuracy: s3prl draws that table too, and this is what its
    draws are around.
    """

    name = "KS"
    columns = ("label",)
    settings = Settings(order="balanced")
    gain_db = -3.0

    def value(self, predictions: Mapping[str, dict[str, str]], split: str) -> float:
        """Accuracy, mean over classes."""
        right = self.count(predictions, split)["accuracy"].part
        by_class: dict[str, list[float]] = defaultdict(list)
        for clip in self.clips(split):
            by_class[clip.values["label"]].append(right[clip.id])
        return fmean(map(fmean, by_class.values()))
