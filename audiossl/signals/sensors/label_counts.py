"""Which label a window has, and which labels no window has, so that none is lost without a word."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class LabelCounts:
    """What became of the labels of a task.

    Attributes:
        task: name of the annotations; None if none were asked for.
        windows: windows that were cut.
        labelled: windows that have a label.
        labels: known ones, of the classes that count.
        held: labels that at least one window has.
        partly: labels that windows meet but none lies within.
        ambiguous: labels of windows within which another label holds as well; such windows have none.
        outside: labels that no window meets: too near an end, between windows, or where samples are missing.
        unknown: annotations whose label is not known (None or NaN).
        left_out: labels of classes that do not count.
    """

    task: str | None
    windows: int = 0
    labelled: int = 0
    labels: int = 0
    held: int = 0
    partly: int = 0
    ambiguous: int = 0
    outside: int = 0
    unknown: int = 0
    left_out: int = 0

    def __add__(self, other: LabelCounts) -> LabelCounts:
        mine, others = asdict(self), asdict(other)
        return LabelCounts(self.task, **{name: value + others[name] for name, value in mine.items() if name != "task"})

    @property
    def lost(self) -> int:
        """Known labels that no window has."""
        return self.labels - self.held

    def __str__(self) -> str:
        """One sentence on what is lost; empty if nothing is."""
        why = (
            (self.partly, "covered by no whole window"),
            (self.ambiguous, "with another label in the same windows"),
            (self.outside, "where no window is"),
        )
        said = [f"{count} {reason}" for count, reason in why if count]
        parts = [f"{self.lost} of {self.labels} labels of {self.task} are in no window ({', '.join(said)})"] if self.lost else []
        if self.unknown:
            parts.append(f"{self.unknown} label{'s' if self.unknown > 1 else ''} of {self.task} not known")
        return "; ".join(parts)
