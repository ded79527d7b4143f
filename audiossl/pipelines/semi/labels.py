"""Which labels may be read: budgets and draws, the same for all rows of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from audiossl.errors import ConfigError
from audiossl.files import read_jsonl, write_jsonl
from audiossl.seeds import derive_generator
from audiossl.signals.sensors.subjects import SubjectSides

FILE = "draws.jsonl"
Key = tuple[int, int]  # seed and fold


@dataclass
class LabelBudgets:
    """How many labels may be read, and how often they are drawn.

    Attributes:
        per_class: numbers of labelled windows of each class.
        shares: shares of the labels of each class, at least one of each.
        subjects: numbers of training subjects all of whose labels are read.
        draws: number of draws of each budget; of one draw, fewer labels are a part of more.

    Raises:
        ConfigError: for a budget that is out of range, or none.
    """

    per_class: list[int] = field(default_factory=lambda: [1, 5, 10, 50])
    shares: list[float] = field(default_factory=lambda: [0.01, 0.1])
    subjects: list[int] = field(default_factory=list)
    draws: int = 5

    def __post_init__(self) -> None:
        if not (self.per_class or self.shares or self.subjects):
            raise ConfigError("labels: expected per_class, shares or subjects to say how many labels are read")
        if min([*self.per_class, *self.subjects, self.draws]) < 1 or not all(0 < share <= 1 for share in self.shares):
            raise ConfigError(
                f"labels: expected per_class, subjects and draws of at least 1 and shares above 0 and at most 1, got "
                f"{asdict(self)}"
            )

    @property
    def budgets(self) -> list[str]:
        """Names of the budgets, as in results: `5_per_class`, `1pct`, `2_subjects`."""
        return [
            *(f"{count}_per_class" for count in self.per_class),
            *(f"{100 * share:g}pct" for share in self.shares),
            *(f"{count}_subjects" for count in self.subjects),
        ]


@dataclass(frozen=True)
class Draw:
    """Labels that may be read.

    Attributes:
        fold: number of the division of subjects.
        budget: name of the budget.
        number: number of the draw.
        train: ids of the windows whose labels are learned.
        valid: ids of the windows, of validation subjects, whose labels choose the strength of probes; no more than of `train`.
    """

    fold: int
    budget: str
    number: int
    train: list[str]
    valid: list[str]


def draw_labels(
    ids: Mapping[str, Sequence[Sequence[str]]], subjects: Mapping[str, str], sides: SubjectSides, budgets: LabelBudgets, key: Key
) -> list[Draw]:
    """Draw the labels of every budget.

    Args:
        ids: for the sides train and valid, ids of the labelled windows of each class.
        subjects: subject of every window, by id.
        sides: subjects on each side.
        budgets: how many.
        key: seed and fold; the same draws come from the same key, whatever other budgets there are.
    """
    found = []
    for number in range(budgets.draws):
        orders = {
            side: [_shuffled(of_class, key, number, side, index) for index, of_class in enumerate(classes)]
            for side, classes in ids.items()
        }
        for name, counts in _counts(budgets, ids["train"]).items():
            train = [id_ for order, count in zip(orders["train"], counts, strict=True) for id_ in order[:count]]
            found.append(Draw(key[1], name, number, train, _valid(orders["valid"], train, counts)))
        people = _shuffled(sides.train, key, number, "people", 0)
        for count in budgets.subjects:
            chosen = frozenset(people[:count])
            kept = [[id_ for id_ in order if subjects[id_] in chosen] for order in orders["train"]]
            train = [id_ for order in kept for id_ in order]
            valid = _valid(orders["valid"], train, [len(order) for order in kept])
            found.append(Draw(key[1], f"{count}_subjects", number, train, valid))
    return found


def write_draws(draws: Sequence[Draw], folder: Path) -> None:
    """Write one draw a line."""
    write_jsonl(folder / FILE, [asdict(draw) for draw in draws])


def read_draws(folder: Path) -> list[Draw]:
    """Read what `write_draws` wrote."""
    return [Draw(**row) for row in read_jsonl(folder / FILE)]


def _counts(budgets: LabelBudgets, classes: Sequence[Sequence[str]]) -> dict[str, list[int]]:
    numbers = {f"{count}_per_class": [count] * len(classes) for count in budgets.per_class}
    shares = {
        f"{100 * share:g}pct": [max(1, math.floor(share * len(of_class) + 0.5)) for of_class in classes]
        for share in budgets.shares
    }
    return {**numbers, **shares}


def _valid(orders: Sequence[Sequence[str]], train: Sequence[str], counts: Sequence[int]) -> list[str]:
    """Of each class as many as are learned, and together no more than these."""
    chosen: list[str] = []
    for order, count in zip(orders, counts, strict=True):
        chosen += order[:count]
    return chosen[: len(train)]


def _shuffled(names: Sequence[str], key: Key, number: int, what: str, index: int) -> list[str]:
    generator = derive_generator(*key, number, what, index, "few labels")
    order: list[int] = torch.randperm(len(names), generator=generator).tolist()
    return [names[place] for place in order]
