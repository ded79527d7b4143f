"""A row that learns from labels alone."""

from __future__ import annotations

from pathlib import Path

from audiossl.pipelines.sensors.config import SensorModel
from audiossl.pipelines.sensors.data import SensorFold
from audiossl.pipelines.sensors.learning import LearningRow
from audiossl.pipelines.sensors.rows import Answers, Vectors


class SupervisedRow(LearningRow):
    """The encoder trained on each share of the labels, without pre-training; it answers itself."""

    @classmethod
    def reads_labels(cls, model: SensorModel) -> bool:
        """Always."""
        return True

    def represent(self, fold: SensorFold, seed: int, out: Path) -> tuple[Vectors, Answers]:
        """Answer the test windows."""
        encoder = self.draw_encoder(fold.windows.values.shape[1], fold.windows.rate)
        return {}, self.train_on_labels(fold, encoder, seed, out, variant="", lr=self.model.lr)
