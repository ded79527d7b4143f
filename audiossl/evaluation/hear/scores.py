"""The scores of HEAR: of clips by scikit-learn, of events as sed_eval 0.2.1 counts them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from audiossl.evaluation.hear.events import EventCounts, FileEvents, count_matches, count_segments

ClipScore = Callable[[Float[np.ndarray, "N K"], Float[np.ndarray, "N K"]], float]


@dataclass(frozen=True)
class Score:
    """How a task is scored.

    Attributes:
        clips: score from predictions and multi-hot targets, for scene tasks.
        events: what one file adds to the counts, for event tasks.
        parts: names of the values that are reported, the first being the score.
        maximise: whether more is better.
    """

    clips: ClipScore | None = None
    events: Callable[[FileEvents, FileEvents], EventCounts] | None = None
    parts: tuple[str, ...] = ()
    maximise: bool = True

    @property
    def of_events(self) -> bool:
        """Whether it scores events."""
        return self.events is not None

    def of_counts(self, counts: EventCounts) -> dict[str, float]:
        """Values by part, of counts added up over files."""
        return {part: getattr(counts, part) for part in self.parts}


def accuracy(predictions: Float[np.ndarray, "N K"], targets: Float[np.ndarray, "N K"]) -> float:
    """Share of clips whose highest prediction is their class."""
    return float((predictions.argmax(1) == targets.argmax(1)).mean())


def chroma_accuracy(predictions: Float[np.ndarray, "N K"], targets: Float[np.ndarray, "N K"]) -> float:
    """Share of clips whose highest prediction is their pitch or octaves away from it."""
    return float((predictions.argmax(1) % 12 == targets.argmax(1) % 12).mean())


def mean_average_precision(predictions: Float[np.ndarray, "N K"], targets: Float[np.ndarray, "N K"]) -> float:
    """Average precision, mean over classes; a class without a clip counts as 0, as in the kit."""
    from sklearn.metrics import average_precision_score

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No positive class found")
        return float(average_precision_score(targets, predictions, average="macro"))


def areas(predictions: Float[np.ndarray, "N K"], targets: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "K"] | None:
    """Area under the ROC curve of each class; None where a class has no clip or all of them."""
    from sklearn.metrics import roc_auc_score

    if not (targets.any(0) & ~targets.all(0)).all():
        return None
    return np.array([roc_auc_score(target, prediction) for target, prediction in zip(targets.T, predictions.T, strict=True)])


def auroc(predictions: Float[np.ndarray, "N K"], targets: Float[np.ndarray, "N K"]) -> float:
    """Area under the ROC curve, mean over classes; NaN where `areas` is None."""
    found = areas(predictions, targets)
    return math.nan if found is None else float(found.mean())


def d_prime(predictions: Float[np.ndarray, "N K"], targets: Float[np.ndarray, "N K"]) -> float:
    """Square root of 2 times the normal quantile of the area under the ROC curve, mean over classes; infinite at area 1."""
    from scipy.stats import norm

    found = areas(predictions, targets)
    if found is None:
        return math.nan
    with np.errstate(invalid="ignore"):  # areas of 0 and of 1 in one mean
        return float(np.mean(norm.ppf(found) * math.sqrt(2)))


def _matches(collar: float, share: float | None = None) -> Callable[[FileEvents, FileEvents], EventCounts]:
    return lambda reference, estimate: count_matches(reference, estimate, collar, share)


_F_MEASURE = ("f_measure", "precision", "recall")
SCORES: Mapping[str, Score] = {
    "top1_acc": Score(accuracy),
    "pitch_acc": Score(accuracy),
    "chroma_acc": Score(chroma_accuracy),
    "mAP": Score(mean_average_precision),
    "d_prime": Score(d_prime),
    "aucroc": Score(auroc),
    "event_onset_200ms_fms": Score(events=_matches(0.2), parts=_F_MEASURE),
    "event_onset_50ms_fms": Score(events=_matches(0.05), parts=_F_MEASURE),
    "event_onset_offset_50ms_20perc_fms": Score(events=_matches(0.05, 0.2), parts=_F_MEASURE),
    "segment_1s_er": Score(events=count_segments, parts=("error_rate",), maximise=False),
}


def score_clips(
    names: Sequence[str], predictions: Float[np.ndarray, "N K"], targets: Float[np.ndarray, "N K"]
) -> dict[str, float]:
    """Values of scene scores, by name."""
    found = {}
    for name in names:
        score = SCORES[name].clips
        assert score is not None
        found[name] = score(predictions, targets)
    return found


def score_events(
    names: Sequence[str], reference: Mapping[str, FileEvents], estimate: Mapping[str, FileEvents]
) -> dict[str, float]:
    """Values of event scores over the estimated files: each score by name, its parts by NAME_PART."""
    found = {}
    for name in names:
        values = SCORES[name].of_counts(total_counts(name, reference, estimate))
        found[name] = next(iter(values.values()))
        found |= {f"{name}_{part}": value for part, value in values.items()}
    return found


def total_counts(name: str, reference: Mapping[str, FileEvents], estimate: Mapping[str, FileEvents]) -> EventCounts:
    """Counts of a score, added up over the estimated files."""
    return sum((file_counts(name, reference, estimate, file) for file in estimate), EventCounts())


def file_counts(name: str, reference: Mapping[str, FileEvents], estimate: Mapping[str, FileEvents], file: str) -> EventCounts:
    """Counts of a score in one file."""
    count = SCORES[name].events
    assert count is not None
    return count(reference.get(file, ()), estimate[file])
