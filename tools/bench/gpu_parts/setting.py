"""What a part is given, and the rows that it returns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch

T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """Where and how large a part runs.

    Attributes:
        device: device that is measured.
        short: sizes of a test, which show that everything runs and say nothing of speed.
        work: folder for files of the part.
        repeats: measured turns.
    """

    device: torch.device
    short: bool
    work: Path
    repeats: int = 5

    def size(self, full: T, short: T) -> T:
        """The one for this run."""
        return short if self.short else full


@dataclass
class Rows:
    """Rows of a part: a value of a metric for a case, or the reason why there is none."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, case: str, metric: str, value: float | None, note: str = "") -> None:
        """Add a value."""
        row: dict[str, Any] = {"case": case, "metric": metric, "value": value}
        self.rows.append({**row, "note": note} if note else row)

    def bound(self, case: str, what: str, value: float, bound: float) -> None:
        """Add a difference that has a bound; beyond it, or if it is no number, the row says so."""
        self.add(case, what, value, f"{'within' if value <= bound else 'BEYOND'} {bound:g}")

    def value(self, case: str, metric: str) -> float | None:
        """A value that was added before; None where there is none."""
        return next((row["value"] for row in self.rows if (row["case"], row["metric"]) == (case, metric)), None)

    @contextmanager
    def attempt(self, case: str) -> Iterator[None]:
        """Note the error that ends a case, so that the others are measured."""
        try:
            yield
        except Exception as error:  # a missing package, memory, a compiler: each has its own
            reason = next(iter(str(error).splitlines()), "")[:160]
            self.add(case, "failed", None, f"{type(error).__name__}: {reason}")
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
