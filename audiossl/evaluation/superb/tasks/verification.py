"""ASV: are two clips of one speaker; VoxCeleb1 (arXiv 1706.08612)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from audiossl.errors import DataError
from audiossl.evaluation.intervals import MOST_PARTS, divide_groups, leave_out_interval, range_of
from audiossl.evaluation.superb.heads.speaker_verification import XVector, equal_error_rate
from audiossl.evaluation.superb.task import Batch, HeadTask, Measured, Settings
from audiossl.seeds import derive_generator
from audiossl.tables import read_table


class SpeakerVerification(HeadTask[list[float]]):
    """x-vectors on the training table's speakers, cosines of the pairs in valid_trials.csv and test_trials.csv (id1,id2,same).

    The published protocol has no validation list: ten checkpoints are tested and the best is reported. A folder whose tables for
    validation are those of the test does that; any other chooses honestly.
    """

    name = "ASV"
    columns = ("label",)
    metrics = ("eer",)
    settings = Settings(optimiser="AdamW", batch=10, accumulate=5, clip_norm=1000.0, crop_seconds=8.0, evaluations=10, hidden=512)

    def read_vocabulary(self) -> None:
        """Speakers of the training table, and the trials."""
        self.classes = {"label": sorted({clip.values["label"] for clip in self.clips("train")})}
        self.trials = {split: self._read_trials(split) for split in ("valid", "test")}

    def head(self, dim: int, stride: float, hidden: int) -> nn.Module:
        """An x-vector network."""
        return XVector(dim, len(self.classes["label"]), hidden)

    def loss(self, head: nn.Module, batch: Batch) -> Float[Tensor, ""]:
        """Softmax with an additive margin."""
        labels = [self.classes["label"].index(clip.values["label"]) for clip in batch.clips]
        assert isinstance(head, XVector)
        embeddings = head(batch.features, batch.lengths)
        return head.margin_loss(embeddings, torch.tensor(labels, device=embeddings.device))

    def predict(self, head: nn.Module, batch: Batch) -> list[list[float]]:
        """Embeddings of unit length."""
        return nn.functional.normalize(head(batch.features, batch.lengths), dim=1).cpu().tolist()

    def value(self, predictions: Mapping[str, list[float]], split: str) -> float:
        """Equal error rate."""
        scores, same, _ = self._scored(predictions, split)
        return equal_error_rate(scores, same)

    def measure(self, predictions: Mapping[str, list[float]], split: str) -> dict[str, Measured]:
        """Equal error rate with an interval over the groups of first clips."""
        scores, same, groups = self._scored(predictions, split)
        names, place = np.unique(groups, return_inverse=True)
        parts = divide_groups(len(names), MOST_PARTS, derive_generator(0, self.name, split)).numpy()[place]
        without = []
        for part in range(int(parts.max()) + 1):
            kept = parts != part
            defined = same[kept].any() and not same[kept].all()
            without.append(equal_error_rate(scores[kept], same[kept]) if defined else math.nan)
        sizes = torch.from_numpy(np.bincount(parts)).double()
        left_out = torch.tensor(without, dtype=torch.float64)
        found = leave_out_interval(equal_error_rate(scores, same), left_out, sizes, range_of("eer"), len(names))
        return {"eer": Measured.of(found, len(scores))}

    def _scored(
        self, predictions: Mapping[str, list[float]], split: str
    ) -> tuple[Float[np.ndarray, "N"], Bool[np.ndarray, "N"], np.ndarray]:
        groups = {clip.id: clip.group for clip in self.clips(split)}
        trials = self.trials[split]
        scores = [float(np.dot(predictions[one], predictions[other])) for one, other, _ in trials]
        return np.array(scores), np.array([same for _, _, same in trials]), np.array([groups[one] for one, _, _ in trials])

    def _read_trials(self, split: str) -> list[tuple[str, str, bool]]:
        path = self.folder / f"{split}_trials.csv"
        if not path.is_file():
            raise DataError(f"{path} is missing: it holds the columns id1,id2,same, of pairs of clips in {split}.csv")
        known = {clip.id for clip in self.clips(split)}
        rows = [row.cells for row in read_table(path, ("id1", "id2", "same")).rows]
        try:
            trials = [(row["id1"], row["id2"], {"0": False, "1": True}[row["same"]]) for row in rows]
        except KeyError as error:
            raise DataError(f"{path}: expected the columns id1,id2,same with same 0 or 1, got {error}") from error
        if unknown := [id_ for one, other, _ in trials for id_ in (one, other) if id_ not in known]:
            raise DataError(f"{path}: '{unknown[0]}' is not in {split}.csv")
        if len({same for _, _, same in trials}) < 2:
            raise DataError(f"{path}: expected pairs of one speaker and of two, got {len(trials)} of one kind")
        return trials
