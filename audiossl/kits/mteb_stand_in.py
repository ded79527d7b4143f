"""A task for MTEB that needs no download; imported where MTEB is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from datasets import Dataset, DatasetDict
from mteb.abstasks import AbsTaskClassification
from mteb.abstasks.task_metadata import TaskMetadata
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audiossl.kits.timbres import RATE, timbre_clips


class TimbreStandIn(AbsTaskClassification):
    """Four timbres in noise, by MTEB's protocol: eight clips of each to learn from, ten times.

    It differs from MTEB's own tasks in one thing: features are standardised, as our probes do, so that both have one solution.
    """

    metadata = TaskMetadata(
        name="TimbreStandIn",
        description="Tones of four timbres in noise, made by audiossl: a stand-in that needs no download, on no leaderboard.",
        reference=None,
        dataset={"path": "audiossl/timbres", "revision": "1"},
        type="AudioClassification",
        category="a2c",
        modalities=["audio"],
        eval_splits=["test"],
        eval_langs=["zxx-Zxxx"],
        main_score="accuracy",
        date=None,
        domains=None,
        task_subtypes=None,
        license=None,
        annotations_creators=None,
        dialect=None,
        sample_creation=None,
        bibtex_citation=None,
    )
    input_column_name = "audio"
    label_column_name = "label"
    evaluator_model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, tol=1e-8))

    def load_data(self, num_proc: int | None = None, **_: object) -> None:
        """Make the clips."""
        if not self.data_loaded:
            self.dataset = DatasetDict({"train": _dataset(timbre_clips("train")), "test": _dataset(timbre_clips("test"))})
            self.data_loaded = True


def _dataset(clips: Sequence[tuple[np.ndarray, int]]) -> Dataset:
    sounds = [{"array": sound, "sampling_rate": RATE} for sound, _ in clips]
    return Dataset.from_dict({"audio": sounds, "label": [label for _, label in clips]})
