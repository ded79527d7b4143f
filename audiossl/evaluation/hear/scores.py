"""The scores of HEAR by name, each of clips or of events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from audiossl.evaluation.hear.clip_scores import ClipScore, accuracy, auroc, chroma_accuracy, d_prime, mean_average_precision
from audiossl.evaluation.hear.event_counts import EventCounts, FileEvents, count_matches, count_segments


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
