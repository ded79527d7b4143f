"""Score frozen features: a linear probe and nearest neighbours, chosen on validation data, tested once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.errors import DataError
from audiossl.evaluation.intervals import SHARE, Interval, rate_interval
from audiossl.evaluation.knn import K_GRID, fit_knn
from audiossl.evaluation.probes import L2_GRID, check_split, fit_linear_probe
from audiossl.evaluation.results import ResultRow
from audiossl.evaluation.splits import Split
from audiossl.seeds import derive_generator


@dataclass(frozen=True)
class Readout:
    """Which readouts to run and what they may choose from.

    Attributes:
        probe: run the linear probe (metric `accuracy`).
        knn: run nearest neighbours (metric `knn_accuracy`).
        l2_grid: strengths of the probe.
        k_grid: numbers of neighbours.
        max_references: training rows that nearest neighbours search at most.
        num_resamples: not used, for intervals of rates draw nothing.
        seed: seed of the references; not of the model, so that all models meet the same draws.
        context: frames on either side that a task on frames stacks to each.

    >>> Readout(knn=False).probe
    True
    """

    probe: bool = True
    knn: bool = True
    l2_grid: Sequence[float] = L2_GRID
    k_grid: Sequence[int] = K_GRID
    max_references: int = 20_000
    num_resamples: int = 2000
    seed: int = 0
    context: int = 0


@dataclass(frozen=True)
class Examples:
    """Features of one split with their classes (-1 where training never saw the label) and groups 0 .. num_groups - 1.

    `group_names` are those of the groups, where they are known.
    """

    x: Float[Tensor, "N D"]
    y: Int[Tensor, "N"]
    groups: Int[Tensor, "N"]
    num_groups: int
    group_names: Sequence[str] = ()


@dataclass(frozen=True)
class Outcome:
    """Rows of one model on one task, and what is needed to compare it with another.

    Attributes:
        rows: one per readout.
        chosen: `l2` and `k`, whichever were run, chosen on the validation split.
        valid_accuracy: validation accuracy of what was chosen, by metric.
        correct: correct test examples of every group, (G,), by metric.
        total: test examples of every group, (G,).

    >>> def outcome(right: list[float]) -> Outcome:
    ...     return Outcome([], {}, {}, {"accuracy": torch.tensor(right)}, torch.tensor([10.0, 10.0, 10.0]))
    >>> float(outcome([9.0, 8.0, 9.0]).correct["accuracy"].sum())
    26.0
    """

    rows: list[ResultRow]
    chosen: dict[str, float]
    valid_accuracy: dict[str, float]
    correct: dict[str, Float[Tensor, "G"]]
    total: Float[Tensor, "G"]


def read_out(
    dataset: str, task: str, model: str, examples: Mapping[Split, Examples], num_classes: int, readout: Readout | None = None
) -> Outcome:
    """Fit on train, choose on valid, score on test, with 95 % intervals over the groups of the test split.

    Labels of the test split are read after every choice has been made.

    Raises:
        DataError: if a split is empty or not finite.
    """
    readout = readout or Readout()
    train, valid, test = (examples[split] for split in ("train", "valid", "test"))
    check_split("test", test.x, test.y)
    predictions: dict[str, Tensor] = {}
    chosen: dict[str, float] = {}
    valid_accuracy: dict[str, float] = {}
    if readout.probe:
        probe = fit_linear_probe(train.x, train.y, valid.x, valid.y, num_classes, readout.l2_grid)
        chosen["l2"], valid_accuracy["accuracy"] = probe.l2, probe.valid_accuracy[probe.l2]
        predictions["accuracy"] = probe.predict(test.x)
    if readout.knn:
        generator = derive_generator(readout.seed, dataset, task, "references")
        knn = fit_knn(train.x, train.y, valid.x, valid.y, num_classes, readout.k_grid, readout.max_references, generator)
        chosen["k"], valid_accuracy["knn_accuracy"] = knn.k, knn.valid_accuracy[knn.k]
        predictions["knn_accuracy"] = knn.predict(test.x)
    rows: list[ResultRow] = []
    correct: dict[str, Tensor] = {}
    total = torch.bincount(test.groups, minlength=test.num_groups).double()
    for metric, predicted in predictions.items():
        correct[metric] = torch.bincount(test.groups, (predicted == test.y).double(), test.num_groups)
        found, scores = rate_interval(correct[metric], total), rates_of_groups(test.group_names, correct[metric], total)
        rows.append(ResultRow.of(dataset, task, model, metric, found, len(test.y), scores))
    return Outcome(rows, chosen, valid_accuracy, correct, total)


def rates_of_groups(
    names: Sequence[str], correct: Float[Tensor, "G"], total: Float[Tensor, "G"]
) -> dict[str, tuple[float | None, float]] | None:
    """Rate and count of each group by name; None where groups have no names."""
    rows = zip(names, correct.tolist(), total.tolist(), strict=True) if names else ()
    return {name: (part / whole if whole else None, whole) for name, part, whole in rows} or None


def difference(first: Outcome, second: Outcome, metric: str = "accuracy") -> Interval:
    """Paired interval of how much better the first model is than the second, over the same test groups.

    Raises:
        DataError: if the two were not scored on the same test examples.

    >>> def outcome(right: list[float]) -> Outcome:
    ...     return Outcome([], {}, {}, {"accuracy": torch.tensor(right)}, torch.tensor([10.0, 10.0, 10.0]))
    >>> round(difference(outcome([9.0, 8.0, 9.0]), outcome([5.0, 6.0, 6.0])).value, 2)
    0.3
    """
    if not torch.equal(first.total, second.total):
        raise DataError("expected two outcomes of one task, got different test examples: run both models with the same FrameTask")
    return rate_interval(first.correct[metric] - second.correct[metric], first.total, SHARE.of_differences)
