"""How predicted events are matched with the truth, in counts that add up over files (sed_eval, Mesaros et al. 2016)."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

FileEvents = Sequence[tuple[str, float, float]]  # label, start and end in milliseconds


@dataclass(frozen=True)
class EventCounts:
    """Counts that add up over files, and the rates made of them; a rate of nothing is NaN.

    Attributes:
        true_positives: matched events.
        num_reference, num_estimated: events, or active classes of segments.
        errors: substitutions, deletions and insertions of segments.
    """

    true_positives: float = 0.0
    num_reference: float = 0.0
    num_estimated: float = 0.0
    errors: float = 0.0

    def __add__(self, other: EventCounts) -> EventCounts:
        return EventCounts(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(self)))

    @property
    def precision(self) -> float:
        """Matched share of the estimated events."""
        return _ratio(self.true_positives, self.num_estimated)

    @property
    def recall(self) -> float:
        """Matched share of the reference events."""
        return _ratio(self.true_positives, self.num_reference)

    @property
    def f_measure(self) -> float:
        """Harmonic mean of precision and recall; 0 if both are, NaN if one is."""
        return 2 * self.precision * self.recall / ((self.precision + self.recall) or 1.0)

    @property
    def error_rate(self) -> float:
        """Errors for each active class of a reference segment."""
        return _ratio(self.errors, self.num_reference)


def count_matches(reference: FileEvents, estimate: FileEvents, collar: float, share: float | None = None) -> EventCounts:
    """Count the most events of a file that can be paired, each once, with one of the same label close in time.

    Args:
        reference: the truth.
        estimate: what was found.
        collar: seconds by which starts may differ.
        share: None to leave ends unread; else they may differ by the collar or this share of the reference's length.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    sides: dict[str, tuple[list[tuple[float, float]], list[tuple[float, float]]]] = defaultdict(lambda: ([], []))
    for side, events in enumerate((reference, estimate)):
        for label, start, end in events:
            sides[label][side].append((start / 1000, end / 1000))
    matched = 0
    for truth, found in sides.values():
        if truth and found:
            given, made = np.array(truth)[:, None], np.array(found)[None]
            near = np.abs(given[..., 0] - made[..., 0]) <= collar
            if share is not None:
                near &= np.abs(given[..., 1] - made[..., 1]) <= np.maximum(collar, share * (given[..., 1] - given[..., 0]))
            matched += int((maximum_bipartite_matching(csr_matrix(near)) >= 0).sum())
    return EventCounts(float(matched), float(len(reference)), float(len(estimate)))


def count_segments(reference: FileEvents, estimate: FileEvents) -> EventCounts:
    """Count, in segments of one second, the classes that are substituted, missing or too many."""
    given, found = _active_segments(reference), _active_segments(estimate)
    per_segment = [Counter(segment for segment, _ in side) for side in (given, found)]
    hits = Counter(segment for segment, _ in given & found)
    errors = sum(
        max(per_segment[0][segment], per_segment[1][segment]) - hits[segment] for segment in per_segment[0] | per_segment[1]
    )
    return EventCounts(float(len(given & found)), float(len(given)), float(len(found)), float(errors))


def _active_segments(events: FileEvents) -> set[tuple[int, str]]:
    return {
        (segment, label) for label, start, end in events for segment in range(math.floor(start / 1000), math.ceil(end / 1000))
    }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
