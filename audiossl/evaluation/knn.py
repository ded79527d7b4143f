"""k nearest neighbours by cosine similarity of standardised features, k chosen on validation data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from audiossl.errors import DataError
from audiossl.evaluation.probes import check_split, standardisation

K_GRID = (1, 5, 15, 50)
CHUNK_SIMILARITIES = 2**24  # query x reference products held at once, 64 MB


@dataclass(frozen=True)
class NearestNeighbours:
    """References (N, D) of unit length with their classes, and the number of neighbours `k` that vote.

    >>> generator = torch.Generator().manual_seed(0)
    >>> y = torch.arange(40) % 2
    >>> x = torch.randn(40, 3, generator=generator) + 4 * y[:, None]
    >>> fit_knn(x[:30], y[:30], x[30:], y[30:], num_classes=2).k
    1
    """

    references: Float[Tensor, "N D"]
    classes: Int[Tensor, "N"]
    mean: Float[Tensor, "D"]
    deviation: Float[Tensor, "D"]
    num_classes: int
    k: int
    valid_accuracy: dict[int, float]

    def predict(self, x: Float[Tensor, "N2 D"]) -> Int[Tensor, "N2"]:
        """Class with the most votes; among equals the one whose neighbours are more similar."""
        return self.predict_each(x, [self.k])[self.k]

    def predict_each(self, x: Float[Tensor, "N2 D"], ks: Sequence[int]) -> dict[int, Int[Tensor, "N2"]]:
        """Predict with several numbers of neighbours in one search."""
        most = min(max(ks), len(self.references))
        rows = max(1, CHUNK_SIMILARITIES // len(self.references))
        predictions: dict[int, list[Tensor]] = {k: [] for k in ks}
        for chunk in x.split(rows):
            similarity = _directions(chunk, self.mean, self.deviation) @ self.references.T
            nearest, index = similarity.topk(most, dim=1)
            for k in ks:
                # The small part only breaks ties: k similarities in [-1, 1] add up to less than a vote.
                votes = 1 + nearest[:, :k] / (2 * k + 1)
                score = votes.new_zeros(len(chunk), self.num_classes).scatter_add_(1, self.classes[index[:, :k]], votes)
                predictions[k].append(score.argmax(dim=1))
        return {k: torch.cat(parts) for k, parts in predictions.items()}


def fit_knn(
    train_x: Float[Tensor, "N D"],
    train_y: Int[Tensor, "N"],
    valid_x: Float[Tensor, "M D"],
    valid_y: Int[Tensor, "M"],
    num_classes: int,
    k_grid: Sequence[int] = K_GRID,
    max_references: int | None = None,
    generator: torch.Generator | None = None,
    *,
    keep_scale: bool = False,
) -> NearestNeighbours:
    """Keep the training data as references and choose k on the validation data; among equals the smaller k.

    Args:
        train_x: features; mean and deviation come from here only.
        train_y: classes 0 .. num_classes - 1.
        valid_x: features to choose with.
        valid_y: classes; unknown ones count as errors.
        num_classes: K.
        k_grid: numbers of neighbours to try.
        max_references: keep a random choice of so many training rows; needs `generator`.
        generator: draws the choice.
        keep_scale: whether features are centred only: for those whose scales were learned and mean something.

    Raises:
        DataError: if a split is empty or not finite.
        ValueError: if rows are to be drawn without a generator.

    >>> generator = torch.Generator().manual_seed(0)
    >>> y = torch.arange(40) % 2
    >>> x = torch.randn(40, 3, generator=generator) + 4 * y[:, None]
    >>> fit_knn(x[:30], y[:30], x[30:], y[30:], num_classes=2, k_grid=(1, 5)).k in (1, 5)
    True
    """
    check_split("train", train_x, train_y)
    check_split("valid", valid_x, valid_y)
    if not k_grid or min(k_grid) < 1:
        raise DataError(f"expected numbers of neighbours of 1 and more to try, got {tuple(k_grid)}")
    mean, deviation = standardisation(train_x, keep_scale=keep_scale)
    if max_references is not None and len(train_x) > max_references:
        if generator is None:
            raise ValueError("max_references needs a generator")
        kept = torch.randperm(len(train_x), generator=generator)[:max_references].sort().values
        train_x, train_y = train_x[kept], train_y[kept]
    found = NearestNeighbours(_directions(train_x, mean, deviation), train_y.long(), mean, deviation, num_classes, 0, {})
    predictions = found.predict_each(valid_x, sorted(k_grid))
    accuracies = {k: (predicted == valid_y).float().mean().item() for k, predicted in predictions.items()}
    best = max(accuracies, key=lambda k: (accuracies[k], -k))
    return NearestNeighbours(found.references, found.classes, mean, deviation, num_classes, best, accuracies)


def _directions(x: Tensor, mean: Tensor, deviation: Tensor) -> Float[Tensor, "N D"]:
    return functional.normalize((x.float() - mean) / deviation, dim=1)
