"""Tasks on sensor windows with subject-wise sides: probes on frozen features, with few labels or with all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.errors import DataError
from audiossl.evaluation.knn import fit_knn
from audiossl.evaluation.probes import fit_linear_probe
from audiossl.evaluation.ridge import fit_ridge_path
from audiossl.evaluation.window_scores import WindowScores
from audiossl.seeds import derive_generator
from audiossl.signals.sensors.subjects import SubjectSides
from audiossl.signals.sensors.windows import WindowSet

L2_GRID = (1.0, 1e-1, 1e-2, 1e-3)
WIDEST_LOGISTIC = 2048  # wider features are read by ridge regression on class indicators, as is usual for MiniRocket


class WindowTask:
    """A class or a quantity of each labelled window.

    Attributes:
        rows: numbers of the labelled windows in their set; what follows is in this order.
        y: classes 0 .. K - 1, or the quantity.
        classes: their names; empty for a quantity.
        sides: places in `rows` of train, valid and test windows.

    Args:
        name: of the task.
        windows: of all subjects.
        sides: who is on which side.

    Raises:
        DataError: if a side has no labelled window, or labels are of both kinds.
    """

    def __init__(self, name: str, windows: WindowSet, sides: SubjectSides) -> None:
        self.name = name
        self.rows = [row for row, label in enumerate(windows.labels) if label is not None]
        labels = [windows.labels[row] for row in self.rows]
        kinds = {isinstance(label, str) for label in labels}
        if len(kinds) != 1:
            raise DataError(f"task '{name}': expected labels that are all names or all numbers, got {len(labels)} labels")
        self.classes: tuple[str, ...] = tuple(sorted({str(label) for label in labels})) if kinds == {True} else ()
        number = {label: i for i, label in enumerate(self.classes)}
        self.y: Tensor = torch.tensor([number[str(label)] if number else float(label) for label in labels])  # pyright: ignore[reportArgumentType]
        self.subjects = [windows.subjects[row] for row in self.rows]
        self.sides = {
            side: torch.tensor([i for i, subject in enumerate(self.subjects) if subject in frozenset(names)], dtype=torch.int64)
            for side, names in (("train", sides.train), ("valid", sides.valid), ("test", sides.test))
        }
        for side, places in self.sides.items():
            if not len(places):
                raise DataError(f"task '{name}': no labelled window of the {side} subjects")

    @property
    def test_subjects(self) -> list[str]:
        """Subject of every test window."""
        return [self.subjects[place] for place in self.sides["test"].tolist()]

    def labelled(self, fraction: float, seed: int) -> tuple[Int[Tensor, "N"], Int[Tensor, "M"]]:
        """Places of the training and validation windows whose labels may be read: the same share of each class, at least one."""
        return self._drawn("train", fraction, seed), self._drawn("valid", fraction, seed)

    def probe(self, features: Float[Tensor, "N D"], fraction: float = 1.0, seed: int = 0) -> Tensor:
        """Answer the test windows with a linear probe on features in the order of `rows`; its strength is chosen on valid.

        Classes are answered by logistic regression, quantities and very wide features by ridge regression.
        """
        train, valid = self.labelled(fraction, seed)
        test = features[self.sides["test"]]
        if not self.classes:
            fits = fit_ridge_path(features[train], self.y[train][:, None])
            errors = [(fit.predict(features[valid])[:, 0] - self.y[valid]).abs().mean() for fit in fits]
            return fits[int(torch.stack(errors).argmin())].predict(test)[:, 0]
        if features.shape[1] > WIDEST_LOGISTIC:
            indicators = torch.nn.functional.one_hot(self.y[train], len(self.classes)).float()
            fits = fit_ridge_path(features[train], indicators)
            right = [(fit.predict(features[valid]).argmax(1) == self.y[valid]).float().mean() for fit in reversed(fits)]
            return fits[len(fits) - 1 - int(torch.stack(right).argmax())].predict(test).argmax(1)
        arguments = features[train], self.y[train], features[valid], self.y[valid], len(self.classes)
        return fit_linear_probe(*arguments, L2_GRID).predict(test)

    def probe_bins(self, features: Float[Tensor, "N D"], fraction: float = 1.0, seed: int = 0) -> Float[Tensor, "T"]:
        """Answer a quantity by classification into bins of width 1, the most probable one, as in arXiv 2510.22655."""
        train, valid = self.labelled(fraction, seed)
        low = int(self.y[train].min().round())
        bins = (self.y.round() - low).long()
        count = int(bins[train].max()) + 1
        probe = fit_linear_probe(features[train], bins[train], features[valid], bins[valid], count, L2_GRID)
        return probe.predict(features[self.sides["test"]]).float() + low

    def nearest(self, features: Float[Tensor, "N D"], fraction: float = 1.0, seed: int = 0) -> Int[Tensor, "T"]:
        """Answer the test windows by their nearest labelled neighbours."""
        train, valid = self.labelled(fraction, seed)
        knn = fit_knn(features[train], self.y[train], features[valid], self.y[valid], len(self.classes))
        return knn.predict(features[self.sides["test"]])

    def score(self, answers: Sequence[Tensor]) -> WindowScores:
        """Score answers to the test windows, one set for each seed."""
        truth, together = self.y[self.sides["test"]], torch.stack(list(answers))
        if self.classes:
            return WindowScores.of_classes(truth, together, self.test_subjects, len(self.classes))
        return WindowScores.of_quantity(truth, together, self.test_subjects)

    def _drawn(self, side: str, fraction: float, seed: int) -> Int[Tensor, "N"]:
        places = self.sides[side]
        if fraction >= 1:
            return places
        generator = derive_generator(seed, self.name, side, "labels", str(fraction))
        shuffled = places[torch.randperm(len(places), generator=generator)]
        if not self.classes:
            return shuffled[: max(2, round(fraction * len(places)))]
        kept = [of_class[: max(1, math.floor(fraction * len(of_class) + 0.5))] for of_class in self._by_class(shuffled)]
        return torch.cat(kept).sort().values

    def _by_class(self, places: Int[Tensor, "N"]) -> list[Int[Tensor, "_"]]:
        return [places[self.y[places] == number] for number in range(len(self.classes))]
