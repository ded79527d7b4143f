"""What a page shows of the scores of a sensor run beyond its results: `details.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from audiossl.files import read_json, write_json

FILE = "details.json"
Ends = Mapping[str, float | int | None]  # value, low, high and the number of groups of a difference


@dataclass(frozen=True)
class RowDetails:
    """A row under one readout.

    Attributes:
        metric: first metric of the readout.
        seeds: value of it for every seed.
        subjects: value of it for each test subject, a mean over seeds; None where it is not defined.
    """

    metric: str
    seeds: list[float]
    subjects: dict[str, float | None]


@dataclass
class Details:
    """The spread over seeds, scores of each subject, and paired differences.

    Attributes:
        seeds: seeds of the recipe.
        labels: counts of what became of the labels.
        readouts: rows by readout and model.
        differences: first model minus each other one, by readout and model.
        notes: sentences for the page.
    """

    seeds: list[int]
    labels: Mapping[str, object]
    readouts: dict[str, dict[str, RowDetails]] = field(default_factory=dict)
    differences: dict[str, dict[str, Ends]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write `details.json`."""
        write_json(folder / FILE, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> Details:
        """Read what `write` wrote."""
        values = read_json(folder / FILE)
        readouts = {
            name: {model: RowDetails(**found) for model, found in models.items()} for name, models in values["readouts"].items()
        }
        return cls(**{**values, "readouts": readouts})

    @property
    def first(self) -> dict[str, RowDetails]:
        """Rows under the first readout."""
        return next(iter(self.readouts.values()))
