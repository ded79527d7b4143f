"""Scores of windows by subject: everything a metric needs, as sums, so that intervals over subjects cost nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.errors import DataError
from audiossl.evaluation.bootstrap import Interval, bootstrap_statistic
from audiossl.seeds import derive_generator

RANK_BINS = 256  # areas under ROC curves are off by some 1e-4 for it, and cost sums of counts
Statistic = Callable[[Float[Tensor, "R *K"]], Float[Tensor, "R"]]


def accuracy(confusion: Float[Tensor, "R K K"]) -> Float[Tensor, "R"]:
    """Share of windows on the diagonal; rows are true classes, columns answers."""
    return _diagonal(confusion).sum(1) / confusion.sum((1, 2))


def macro_f1(confusion: Float[Tensor, "R K K"]) -> Float[Tensor, "R"]:
    """F1 of every class that occurs, averaged; 0 for a class that is never right."""
    present = confusion.sum(2) > 0
    return (_f1(confusion) * present).sum(1) / present.sum(1)


def weighted_f1(confusion: Float[Tensor, "R K K"]) -> Float[Tensor, "R"]:
    """F1 of every class, averaged with the number of its windows as weight."""
    support = confusion.sum(2)
    return (_f1(confusion) * support).sum(1) / support.sum(1)


def kappa(confusion: Float[Tensor, "R K K"]) -> Float[Tensor, "R"]:
    """Cohen's kappa: agreement beyond that of chance; 0 where chance alone would agree."""
    total = confusion.sum((1, 2))
    chance = (confusion.sum(1) * confusion.sum(2)).sum(1) / total.square()
    return torch.where(chance < 1, (accuracy(confusion) - chance) / (1 - chance).clamp(min=1e-12), 0.0)


def mae(sums: Float[Tensor, "R 9"]) -> Float[Tensor, "R"]:
    """Mean absolute error, in the unit of the quantity."""
    return sums[:, 1] / sums[:, 0]


def rmse(sums: Float[Tensor, "R 9"]) -> Float[Tensor, "R"]:
    """Root of the mean squared error, in the unit of the quantity."""
    return (sums[:, 2] / sums[:, 0]).sqrt()


def mape(sums: Float[Tensor, "R 9"]) -> Float[Tensor, "R"]:
    """Mean absolute error as a share of the true quantity; not finite where a true quantity is 0."""
    return sums[:, 8] / sums[:, 0]


def correlation(sums: Float[Tensor, "R 9"]) -> Float[Tensor, "R"]:
    """Pearson correlation of answers and truth; 0 where one of them is constant."""
    n, y, p, yy, pp, yp = (sums[:, i] for i in (0, 3, 4, 5, 6, 7))
    scale = ((n * yy - y * y).clamp(min=0) * (n * pp - p * p).clamp(min=0)).sqrt()
    return torch.where(scale > 0, (n * yp - y * p) / scale.clamp(min=1e-12), 0.0)


def auroc(ranks: Float[Tensor, "R K 2 M"]) -> Float[Tensor, "R"]:
    """Area under the ROC curve of each class against the rest, averaged over classes that occur; equals count half.

    `ranks` counts, for each class, the windows of other classes and its own in each of M bins of rising score.
    """
    others, own = ranks.unbind(2)
    pairs = own.sum(-1) * others.sum(-1)
    lower = others.cumsum(-1) - others / 2
    areas, present = (own * lower).sum(-1) / pairs.clamp(min=1), pairs > 0
    return (areas * present).sum(1) / present.sum(1).clamp(min=1)


CLASS_METRICS: dict[str, Statistic] = {
    "accuracy": accuracy, "macro_f1": macro_f1, "weighted_f1": weighted_f1, "kappa": kappa,
}  # fmt: skip
QUANTITY_METRICS: dict[str, Statistic] = {"mae": mae, "rmse": rmse, "correlation": correlation}


@dataclass(frozen=True)
class WindowScores:
    """Counts of every seed and subject, and the metrics that can be read from them.

    Attributes:
        counts: confusion matrices (S, G, K, K); or ranks (S, G, K, 2, M) as `auroc` takes them; or sums (S, G, 9) of 1, |e|, e^2,
            y, p, y^2, p^2, y p and |e / y| with truth y, answer p and e = p - y.
        subjects: names of the G subjects.
        metrics: by name.
        num_windows: that were scored under each seed.
    """

    counts: Float[Tensor, "S G *K"]
    subjects: tuple[str, ...]
    metrics: dict[str, Statistic]
    num_windows: int

    @classmethod
    def of_classes(
        cls, truth: Int[Tensor, "N"], answers: Int[Tensor, "S N"], subjects: list[str], num_classes: int
    ) -> WindowScores:
        """Count classes 0 .. K - 1 of windows of the named subjects, answered under S seeds."""
        names, group = _groups(subjects)
        cell = (group * num_classes + truth) * num_classes + answers
        size = len(names) * num_classes**2
        counts = torch.stack([torch.bincount(row, minlength=size) for row in cell]).double()
        return cls(counts.reshape(len(answers), len(names), num_classes, num_classes), names, CLASS_METRICS, len(truth))

    @classmethod
    def of_ranking(cls, truth: Int[Tensor, "N"], scores: Float[Tensor, "S N K"], subjects: list[str]) -> WindowScores:
        """Count how high windows of each class are ranked by the scores of all windows of the fold, under S seeds."""
        names, group = _groups(subjects)
        size, num_classes = scores.shape[1:]
        counts = torch.zeros(len(scores), len(names), num_classes, 2, RANK_BINS, dtype=torch.float64)
        edges = torch.arange(1, RANK_BINS) * size // RANK_BINS
        for seed, column in itertools.product(range(len(scores)), range(num_classes)):
            values = scores[seed, :, column].float().contiguous()
            ranks = torch.searchsorted(values.sort().values[edges], values, right=True)
            place = (group, (truth == column).long(), ranks)
            counts[seed, :, column].index_put_(place, torch.ones(size, dtype=torch.float64), accumulate=True)
        return cls(counts, names, {"auroc": auroc}, size)

    @classmethod
    def of_quantity(cls, truth: Float[Tensor, "N"], answers: Float[Tensor, "S N"], subjects: list[str]) -> WindowScores:
        """Sum errors of a quantity, answered under S seeds."""
        names, group = _groups(subjects)
        y, p = truth.double().expand(answers.shape), answers.double()
        terms = torch.stack(
            [torch.ones_like(y), (p - y).abs(), (p - y) ** 2, y, p, y * y, p * p, y * p, (p / y - 1).abs()], dim=-1
        )
        sums = torch.zeros(len(answers), len(names), 9, dtype=torch.float64).index_add_(1, group, terms)
        # A share of nothing is not a number, so the percentage error is left out where a true quantity is 0.
        metrics = {**QUANTITY_METRICS, **({"mape": mape} if bool((truth != 0).all()) else {})}
        return cls(sums, names, metrics, len(truth))

    @classmethod
    def join(cls, parts: Sequence[WindowScores]) -> WindowScores:
        """Put scores of different subjects together, as of the folds of one division."""
        order = sorted((name, part, place) for part, scores in enumerate(parts) for place, name in enumerate(scores.subjects))
        counts = torch.stack([parts[part].counts[:, place] for _, part, place in order], dim=1)
        return cls(counts, tuple(name for name, _, _ in order), parts[0].metrics, sum(part.num_windows for part in parts))

    def each_seed(self, metric: str) -> list[float]:
        """The metric over all subjects, for every seed."""
        return self.metrics[metric](self.counts.sum(1)).tolist()

    def each_subject(self, metric: str) -> list[float]:
        """The metric of each subject, averaged over seeds; NaN or 0 where one subject's windows do not define it."""
        return torch.stack([self.metrics[metric](seed) for seed in self.counts]).mean(0).tolist()

    def interval(self, metric: str, num_resamples: int = 2000, seed: int = 0) -> Interval:
        """Mean over seeds with its 95 % interval over subjects."""
        generator = derive_generator(seed, "subjects")
        return bootstrap_statistic(self.counts, self.metrics[metric], generator, num_resamples)

    def minus(self, other: WindowScores, metric: str, num_resamples: int = 2000, seed: int = 0) -> Interval:
        """How much higher the metric is than another model's, with the paired interval over the same subjects.

        Raises:
            DataError: if the other was scored on other subjects.
        """
        if self.subjects != other.subjects:
            raise DataError("expected scores of the same test subjects, got others: score both models on one task")
        size = len(self.subjects)
        mine, theirs = (scores.counts.reshape(len(scores.counts), size, -1) for scores in (self, other))
        width, shape = mine.shape[2], self.counts.shape[2:]
        value_of, count = self.metrics[metric], max(len(mine), len(theirs))
        # Seeds of the two are not paired: each model's metric is averaged over its own.
        both = torch.stack([torch.cat([mine[i % len(mine)], theirs[i % len(theirs)]], dim=1) for i in range(count)])

        def gap(sums: Float[Tensor, "R K"]) -> Float[Tensor, "R"]:
            first, second = sums[:, :width].reshape(-1, *shape), sums[:, width:].reshape(-1, *shape)
            return value_of(first) - value_of(second)

        return bootstrap_statistic(both, gap, derive_generator(seed, "subjects"), num_resamples)


def _groups(subjects: list[str]) -> tuple[tuple[str, ...], Int[Tensor, "N"]]:
    names = tuple(sorted(set(subjects)))
    number = {name: i for i, name in enumerate(names)}
    return names, torch.tensor([number[name] for name in subjects])


def _diagonal(confusion: Float[Tensor, "R K K"]) -> Float[Tensor, "R K"]:
    return confusion.diagonal(dim1=1, dim2=2)


def _f1(confusion: Float[Tensor, "R K K"]) -> Float[Tensor, "R K"]:
    return 2 * _diagonal(confusion) / (confusion.sum(1) + confusion.sum(2)).clamp(min=1)
