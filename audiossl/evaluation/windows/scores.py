"""Scores of windows by subject: everything a metric needs, as sums, so that intervals over subjects cost nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.errors import DataError
from audiossl.evaluation.windows.subject_scores import SubjectScores, group_subjects

CONSTANT = 1e-12  # share of a sum of squares below which a difference of sums is but their rounding
Statistic = Callable[[Float[Tensor, "R *K"]], Float[Tensor, "R"]]


def accuracy(confusion: Float[Tensor, "R K K"]) -> Float[Tensor, "R"]:
    """Share of windows on the diagonal; rows are true classes, columns answers."""
    return _diagonal(confusion).sum(1) / confusion.sum((1, 2))


def macro_f1(confusion: Float[Tensor, "R K K"]) -> Float[Tensor, "R"]:
    """F1 of every class that is true or answered somewhere, averaged, as scikit-learn has it; 0 for one that is never right."""
    present = confusion.sum(2) + confusion.sum(1) > 0
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
    """Pearson correlation of answers and truth; 0 where one of them is constant but for rounding."""
    n, y, p, yy, pp, yp = (sums[:, i] for i in (0, 3, 4, 5, 6, 7))
    of_truth, of_answers = n * yy - y * y, n * pp - p * p
    varies = (of_truth > CONSTANT * n * yy) & (of_answers > CONSTANT * n * pp)
    return torch.where(varies, (n * yp - y * p) / (of_truth.clamp(min=0) * of_answers.clamp(min=0)).sqrt(), 0.0)


CLASS_METRICS: dict[str, Statistic] = {
    "accuracy": accuracy, "macro_f1": macro_f1, "weighted_f1": weighted_f1, "kappa": kappa,
}  # fmt: skip
QUANTITY_METRICS: dict[str, Statistic] = {"mae": mae, "rmse": rmse, "correlation": correlation}


@dataclass(frozen=True)
class WindowScores(SubjectScores):
    """Counts of every seed and subject, and the metrics that can be read from them.

    Attributes:
        counts: confusion matrices (S, G, K, K), or sums (S, G, 9) of 1, |e|, e^2, y, p, y^2, p^2, y p and |e / t|
            with truth t, error e, and truth y and answer p less `offset`.
        subjects: names of the G subjects.
        metrics: metrics by name.
        num_windows: number of windows that were scored under each seed.
        offset: what was taken off quantities before they were squared, near their mean: squares of large ones lose digits.
    """

    counts: Float[Tensor, "S G *K"]
    subjects: tuple[str, ...]
    metrics: dict[str, Statistic]
    num_windows: int
    offset: float = 0.0

    @classmethod
    def of_classes(
        cls, truth: Int[Tensor, "N"], answers: Int[Tensor, "S N"], subjects: list[str], num_classes: int
    ) -> WindowScores:
        """Count classes 0 .. K - 1 of windows of the named subjects, answered under S seeds."""
        names, group = group_subjects(subjects)
        cell = (group * num_classes + truth) * num_classes + answers
        size = len(names) * num_classes**2
        counts = torch.stack([torch.bincount(row, minlength=size) for row in cell]).double()
        return cls(counts.reshape(len(answers), len(names), num_classes, num_classes), names, CLASS_METRICS, len(truth))

    @classmethod
    def of_quantity(cls, truth: Float[Tensor, "N"], answers: Float[Tensor, "S N"], subjects: list[str]) -> WindowScores:
        """Sum errors of a quantity, answered under S seeds.

        Raises:
            DataError: if an answer is not finite.
        """
        if not bool(torch.isfinite(answers).all()):
            raise DataError(
                f"expected finite answers, got {int((~torch.isfinite(answers)).sum())} of {answers.numel()} that are not"
            )
        names, group = group_subjects(subjects)
        share = (answers.double() / truth.double() - 1).abs()
        offset = float(truth.double().mean())
        y, p = truth.double().expand(answers.shape) - offset, answers.double() - offset
        terms = torch.stack([torch.ones_like(y), (p - y).abs(), (p - y) ** 2, y, p, y * y, p * p, y * p, share], dim=-1)
        sums = torch.zeros(len(answers), len(names), 9, dtype=torch.float64).index_add_(1, group, terms)
        # A share of nothing is not a number, so the percentage error is left out where a true quantity is 0.
        metrics = {**QUANTITY_METRICS, **({"mape": mape} if bool((truth != 0).all()) else {})}
        return cls(sums, names, metrics, len(truth), offset)

    @classmethod
    def join(cls, parts: Sequence[WindowScores]) -> WindowScores:
        """Put counts of different subjects together, as of the folds of one division; metrics are those that all parts have."""
        order = sorted((name, part, place) for part, scores in enumerate(parts) for place, name in enumerate(scores.subjects))
        offset = parts[0].offset
        of_parts = [part.counts if part.offset == offset else _shifted(part.counts, part.offset - offset) for part in parts]
        counts = torch.stack([of_parts[part][:, place] for _, part, place in order], dim=1)
        names = tuple(name for name, _, _ in order)
        metrics = {name: metric for name, metric in parts[0].metrics.items() if all(name in part.metrics for part in parts)}
        return cls(counts, names, metrics, sum(part.num_windows for part in parts), offset)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics that these counts give."""
        return tuple(self.metrics)

    @property
    def sizes(self) -> Float[Tensor, "G"]:
        """How many windows each subject has."""
        return self.counts[0].flatten(1).sum(1) if self.counts.ndim == 4 else self.counts[0, :, 0]

    def values(self, metric: str, times: Float[Tensor, "R G"]) -> Float[Tensor, "S R"]:
        """The metric under every seed, when each subject counts as often as `times` says."""
        summed = [(times @ seed.flatten(1)).unflatten(1, seed.shape[1:]) for seed in self.counts]
        return torch.stack([self.metrics[metric](sums) for sums in summed])


def _shifted(sums: Float[Tensor, "S G 9"], by: float) -> Float[Tensor, "S G 9"]:
    """Sums of quantities with `by` more than these."""
    n, error, squared, y, p, yy, pp, yp, share = sums.unbind(-1)
    return torch.stack(
        [n, error, squared, y + by * n, p + by * n, yy + by * (2 * y + by * n), pp + by * (2 * p + by * n),
         yp + by * (y + p + by * n), share], dim=-1,
    )  # fmt: skip


def _diagonal(confusion: Float[Tensor, "R K K"]) -> Float[Tensor, "R K"]:
    return confusion.diagonal(dim1=1, dim2=2)


def _f1(confusion: Float[Tensor, "R K K"]) -> Float[Tensor, "R K"]:
    return 2 * _diagonal(confusion) / (confusion.sum(1) + confusion.sum(2)).clamp(min=1)
