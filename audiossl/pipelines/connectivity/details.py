"""What a page shows of the scores of a connectivity run beyond its results: `details.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from audiossl.files import read_json, write_json

FILE = "details.json"


@dataclass
class Details:
    """The values of every seed, and what belongs next to each score; all but the people by task and model.

    Attributes:
        people: people of the tasks.
        regions_left_out: regions that some run lacks.
        seeds: values of every seed, by metric; None where a metric is not defined.
        context: chance, spread over draws, a p-value, who was left out, ...
        repeats: smallest and largest value over repeated divisions of people, by metric.
    """

    people: list[str]
    regions_left_out: list[str]
    seeds: dict[str, dict[str, dict[str, list[float | None]]]] = field(default_factory=dict)
    context: dict[str, dict[str, Mapping[str, object]]] = field(default_factory=dict)
    repeats: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)

    def add(self, task: str, model: str, metric: str, values: list[float | None]) -> None:
        """Add the values of every seed."""
        self.seeds.setdefault(task, {}).setdefault(model, {})[metric] = values

    def add_context(self, task: str, model: str, about: Mapping[str, object]) -> None:
        """Add what belongs next to a score."""
        self.context.setdefault(task, {})[model] = about

    def write(self, folder: Path) -> None:
        """Write `details.json`."""
        write_json(folder / FILE, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> Details:
        """Read what `write` wrote; files of earlier versions call the context `beside`."""
        found = read_json(folder / FILE)
        return cls(**{"context" if key == "beside" else key: value for key, value in found.items()})
