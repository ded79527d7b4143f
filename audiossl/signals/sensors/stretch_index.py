"""Labels of any stretch of time, counted without a walk over all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from audiossl.signals.sensors.label_counts import LabelCounts
from audiossl.signals.sensors.labels import Label, LabelKind, declared
from audiossl.signals.sensors.recording import Annotation


class StretchIndex:
    """The annotations of one task of one recording, found by time; keeps account of those that windows took."""

    def __init__(
        self,
        task: str | None,
        stretches: Sequence[Annotation],
        rate: float,
        classes: Collection[str] = (),
        kind: LabelKind = "auto",
    ) -> None:
        self.task, self.rate = task, rate
        self.stretches = sorted(stretches, key=lambda stretch: stretch.start)
        self.starts = np.array([stretch.start for stretch in self.stretches])
        labels = [declared(stretch.value, kind) for stretch in self.stretches]
        self.names = {str(label) for label in labels if label is not None}
        self.labels = [label if not classes or label in classes else None for label in labels]
        # The largest end so far never falls, so that what has ended before a window is found by bisection.
        self.last_ends = np.maximum.accumulate(np.array([stretch.end for stretch in self.stretches]))
        self._place = {id(stretch): place for place, stretch in enumerate(self.stretches)}
        self._held: set[int] = set()
        self._ambiguous: set[int] = set()
        self._met: set[int] = set()
        self._windows = self._labelled = 0

    def holding(self, start: float, end: float) -> Label:
        """The label that holds from one sample position to another, both of which may lie between samples.

        Ends may be off by half a sample. Where labels that differ hold, there is none.
        """
        first, last = (start + 0.5) / self.rate, (end - 0.5) / self.rate
        within: list[int] = []
        for place in self._begun(first, last):
            stretch = self.stretches[place]
            if stretch.end > first:
                self._met.add(place)
            if stretch.start < first and last < stretch.end:
                within.append(place)
        labels = {self.labels[place] for place in within} - {None}
        if len(labels) > 1:
            self._ambiguous.update(within)
        return self._take(within if len(labels) == 1 else [], labels.pop() if len(labels) == 1 else None)

    def starting(self, stretch: Annotation) -> Label:
        """The label of a window that was cut for one annotation, whatever else holds there."""
        place = self._place[id(stretch)]
        self._met.add(place)
        return self._take([place], self.labels[place])

    def counts(self) -> LabelCounts:
        """What became of the labels."""
        counted = [place for place, label in enumerate(self.labels) if label is not None]
        unknown = sum(stretch.value is None for stretch in self.stretches)
        held = self._held.intersection(counted)
        ambiguous = self._ambiguous.intersection(counted) - held
        partly = self._met.intersection(counted) - held - ambiguous
        outside = len(counted) - len(held) - len(ambiguous) - len(partly)
        left_out = len(self.stretches) - len(counted) - unknown
        return LabelCounts(
            self.task, self._windows, self._labelled, len(counted), len(held), len(partly), len(ambiguous), outside, unknown,
            left_out,
        )  # fmt: skip

    def _begun(self, first: float, last: float) -> range:
        """Places of annotations that may be met; all before have ended, all behind have not begun."""
        return range(int(np.searchsorted(self.last_ends, first, "right")), int(np.searchsorted(self.starts, last, "left")))

    def _take(self, places: Sequence[int], label: Label) -> Label:
        self._windows += 1
        self._labelled += label is not None
        self._held.update(places if label is not None else ())
        return label
