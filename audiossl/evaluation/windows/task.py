"""Tasks on sensor windows with subject-wise sides: probes on frozen features, with few labels or with all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from audiossl.errors import DataError
from audiossl.evaluation.knn import fit_knn
from audiossl.evaluation.probes import fit_linear_probe, fit_probe_path
from audiossl.evaluation.windows.ranking import WindowRanking
from audiossl.evaluation.windows.ridge import fit_ridge_path
from audiossl.evaluation.windows.scores import WindowScores
from audiossl.seeds import derive_generator
from audiossl.signals.sensors.labels import LabelKind, ask_where_kind_is_open, kind_of
from audiossl.signals.sensors.subjects import SubjectSides
from audiossl.signals.sensors.windows import WindowSet

L2_GRID = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
WIDEST_LOGISTIC = 2048  # wider features are read by ridge regression on class indicators, as is usual for MiniRocket


class WindowTask:
    """A class or a quantity of each labelled window.

    Attributes:
        rows: numbers of the labelled windows in their set; what follows is in this order.
        y: classes 0 .. K - 1, or the quantity.
        classes: their names; empty for a quantity.
        sides: places in `rows` of train, valid and test windows.

    Args:
        name: name of the task.
        windows: windows of all subjects.
        sides: who is on which side.
        kind: what the labels were declared to be when the windows were cut.

    Raises:
        DataError: if a side has no labelled window, labels are of both kinds, or nobody said whether numbers are classes.
    """

    def __init__(self, name: str, windows: WindowSet, sides: SubjectSides, kind: LabelKind = "auto") -> None:
        self.name = name
        self.rows = [row for row, label in enumerate(windows.labels) if label is not None]
        labels = [windows.labels[row] for row in self.rows]
        try:
            found = kind_of(labels)
            if kind == "auto":
                ask_where_kind_is_open(labels)
        except DataError as error:
            raise DataError(f"task '{name}': {error}") from error
        if found is None:
            raise DataError(f"task '{name}': expected labelled windows, got none among {len(windows)}")
        self.classes: tuple[str, ...] = tuple(sorted({str(label) for label in labels})) if found == "class" else ()
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
        """Places of the training and validation windows with readable labels: the same share of each class, at least one."""
        return self._drawn("train", fraction, seed), self._drawn("valid", fraction, seed)

    def probe(self, features: Float[Tensor, "N D"], fraction: float = 1.0, seed: int = 0, *, keep_scale: bool = False) -> Tensor:
        """Score the classes (T, K) of the test windows, or answer their quantity (T,), by a linear probe.

        Scores are logarithms of probabilities, which unlike logits can be compared between windows; those of ridge regression are
        its estimates of the class indicators.

        Features are in the order of `rows`. The strength is chosen on valid by a probe of train; then a probe of that strength is
        fitted to both. Classes are read by logistic regression, quantities and very wide features by ridge regression. Both
        standardise every feature; with `keep_scale`, for features whose scales were learned, ridge regression reads them as they
        are.
        """
        train, valid = self.labelled(fraction, seed)
        both, test = torch.cat([train, valid]), features[self.sides["test"]]
        if self.classes and features.shape[1] <= WIDEST_LOGISTIC and not keep_scale:
            chosen = fit_linear_probe(*self._pick(features, train), *self._pick(features, valid), len(self.classes), L2_GRID)
            probe = fit_probe_path(*self._pick(features, both), len(self.classes), [chosen.l2])[0]
            return probe.logits(test).double().log_softmax(1)
        strength = self._ridge_strength(features, train, valid, keep_scale)
        (fit,) = fit_ridge_path(features[both], self._targets(both), [strength], deviation=_ones(features, keep_scale))
        answers = fit.predict(test)
        return answers if self.classes else answers[:, 0]

    def probe_bins(
        self, features: Float[Tensor, "N D"], fraction: float = 1.0, seed: int = 0, *, keep_scale: bool = False
    ) -> Float[Tensor, "T"]:
        """Answer a quantity by classification into bins of width 1, the most probable one, as in arXiv 2510.22655."""
        train, valid = self.labelled(fraction, seed)
        both = torch.cat([train, valid])
        low = int(self.y[both].min().round())
        bins = (self.y.round() - low).long()
        count = int(bins[both].max()) + 1
        if keep_scale:  # the strength that is best for the quantity
            strength = self._ridge_strength(features, train, valid, keep_scale)
            indicators = functional.one_hot(bins[both], count).float()
            (fit,) = fit_ridge_path(features[both], indicators, [strength], deviation=_ones(features, keep_scale))
            return fit.predict(features[self.sides["test"]]).argmax(1).float() + low
        chosen = fit_linear_probe(features[train], bins[train], features[valid], bins[valid], count, L2_GRID)
        probe = fit_probe_path(features[both], bins[both], count, [chosen.l2])[0]
        return probe.predict(features[self.sides["test"]]).float() + low

    def nearest(
        self, features: Float[Tensor, "N D"], fraction: float = 1.0, seed: int = 0, *, keep_scale: bool = False
    ) -> Int[Tensor, "T"]:
        """Answer the test windows by their nearest labelled neighbours in train and valid, their number chosen on valid."""
        train, valid = self.labelled(fraction, seed)
        count = len(self.classes)
        chosen = fit_knn(*self._pick(features, train), *self._pick(features, valid), count, keep_scale=keep_scale)
        both = self._pick(features, torch.cat([train, valid]))
        found = fit_knn(*both, *self._pick(features, valid), count, [chosen.k], keep_scale=keep_scale)
        return found.predict(features[self.sides["test"]])

    def score(self, answers: Sequence[Tensor]) -> WindowScores:
        """Score answers to the test windows, one set for each seed; of scores of classes the highest is the answer."""
        truth, together = self.y[self.sides["test"]], torch.stack(list(answers))
        if self.classes:
            together = together.argmax(-1) if together.ndim == 3 else together
            return WindowScores.of_classes(truth, together, self.test_subjects, len(self.classes))
        return WindowScores.of_quantity(truth, together, self.test_subjects)

    def rank(self, scores: Sequence[Float[Tensor, "T K"]]) -> WindowRanking:
        """Score how scores of classes rank the test windows, one set for each seed."""
        return WindowRanking.of_scores(self.y[self.sides["test"]], torch.stack(list(scores)), self.test_subjects)

    def _pick(self, features: Float[Tensor, "N D"], places: Int[Tensor, "M"]) -> tuple[Float[Tensor, "M D"], Int[Tensor, "M"]]:
        return features[places], self.y[places]

    def _targets(self, places: Int[Tensor, "M"]) -> Float[Tensor, "M K"]:
        """What ridge regression predicts: an indicator of each class, or the quantity."""
        if self.classes:
            return functional.one_hot(self.y[places], len(self.classes)).float()
        return self.y[places][:, None]

    def _ridge_strength(
        self, features: Float[Tensor, "N D"], train: Int[Tensor, "M"], valid: Int[Tensor, "V"], keep_scale: bool
    ) -> float:
        """The strongest penalty that is best on valid."""
        errors = {}
        deviation = _ones(features, keep_scale)
        for fit in reversed(fit_ridge_path(features[train], self._targets(train), deviation=deviation)):
            answers = fit.predict(features[valid])
            wrong = answers.argmax(1) != self.y[valid] if self.classes else (answers[:, 0] - self.y[valid]).abs()
            errors[fit.strength] = float(wrong.float().mean())
        return min(errors, key=lambda strength: errors[strength])

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


def _ones(features: Float[Tensor, "N D"], keep_scale: bool) -> Float[Tensor, "D"] | None:
    """What columns are divided by where their scales are kept; None where they are standardised."""
    return torch.ones(features.shape[1]) if keep_scale else None
