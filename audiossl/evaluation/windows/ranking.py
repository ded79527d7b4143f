"""Areas under ROC curves by subject: how scores rank the windows of one fold, never those of different folds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from audiossl.errors import DataError
from audiossl.evaluation.windows.subject_scores import SubjectScores, group_subjects

MOST_RANKS = 2**16
"""Number of ranks that are distinguished in one fold. Up to so many windows areas are exact; see `WindowRanking` for more."""
CHUNK_CELLS = 2**23  # numbers that are held at once while windows are ranked


@dataclass(frozen=True)
class FoldRanks:
    """How often each class is ranked where, by one fold's probe.

    Attributes:
        counts: one sparse matrix (2 M, G) for each seed and class: windows of each subject, those of other classes and its own,
            at each of M ranks of rising score. Most cells are empty.
        subjects: names of the G subjects of the fold.
    """

    counts: tuple[tuple[Tensor, ...], ...]
    subjects: tuple[str, ...]

    def pairs(self, times: Float[Tensor, "R G"]) -> tuple[Float[Tensor, "S R K"], Float[Tensor, "S R K"]]:
        """Pairs of an own and another window of each class, and those of them in which the own is higher; equals count half."""
        rows = max(1, CHUNK_CELLS // max(matrix.shape[0] for seed in self.counts for matrix in seed))
        blocks = [[[_pairs(matrix, block) for matrix in seed] for seed in self.counts] for block in times.split(rows)]
        found = torch.cat([torch.stack([torch.stack(seed, -1) for seed in block], 1) for block in blocks], 2)  # (2, S, R, K)
        return found[0], found[1]


def _pairs(counts: Tensor, times: Float[Tensor, "R G"]) -> Float[Tensor, "2 R"]:
    """Pairs that are won, and all pairs, of one class under one seed."""
    others, own = torch.sparse.mm(counts, times.T).unflatten(0, (2, -1)).unbind(0)  # (M, R)
    lower = others.cumsum(0) - others / 2
    return torch.stack([(own * lower).sum(0), own.sum(0) * others.sum(0)])


@dataclass(frozen=True)
class WindowRanking(SubjectScores):
    """The area under the ROC curve of each class against the rest, averaged over classes that occur next to others.

    A probe of one fold says nothing of how high another fold's scores are, so windows are compared inside folds: the area is the
    share of right pairs among the pairs of all folds. Where every fold tests one class only, there is none.

    Of a fold of N windows the area is exact where there are no more than `MOST_RANKS`, 65,536, different scores. Where there
    are more, windows share ranks, N / 65,536 of them at most, and pairs inside a rank count half. With W windows a rank, an own
    window shares it with W - 1 others at most, and the other way round: a class of share p of the windows has an area that is off
    by no more than 1 / (2 * 65,536 * max(p, 1 - p)), below 1.6e-5 for every share, however rare the class.

    Attributes:
        folds: ranks of each.
        subjects: names of the G subjects of all folds.
        num_windows: number of windows that were scored.
        windows: number of windows of each subject.
    """

    folds: tuple[FoldRanks, ...]
    subjects: tuple[str, ...]
    num_windows: int
    windows: Float[Tensor, "G"]

    @classmethod
    def of_scores(cls, truth: Int[Tensor, "N"], scores: Float[Tensor, "S N K"], subjects: list[str]) -> WindowRanking:
        """Count how high the windows of one fold are ranked by probabilities, or their logarithms, under S seeds.

        Raises:
            DataError: if a score is not a number, which has no rank.
        """
        if bool(scores.isnan().any()):
            raise DataError(
                f"expected scores to rank windows by, got {int(scores.isnan().sum())} of {scores.numel()} that are NaN"
            )
        names, group = group_subjects(subjects)
        size, num_classes = scores.shape[1:]
        counts = tuple(
            tuple(_count_ranks(values[:, number], truth == number, group, len(names)) for number in range(num_classes))
            for values in scores
        )
        return cls((FoldRanks(counts, names),), names, size, torch.bincount(group, minlength=len(names)).double())

    @classmethod
    def join(cls, parts: Sequence[WindowRanking]) -> WindowRanking:
        """Lay the folds of one division side by side."""
        folds = tuple(itertools.chain.from_iterable(part.folds for part in parts))
        sizes = {name: size for part in parts for name, size in zip(part.subjects, part.sizes, strict=True)}
        names = tuple(sorted(sizes))
        return cls(folds, names, sum(part.num_windows for part in parts), torch.stack([sizes[name] for name in names]))

    @property
    def sizes(self) -> Float[Tensor, "G"]:
        """How many windows each subject has."""
        return self.windows

    @property
    def metric_names(self) -> tuple[str, ...]:
        """`auroc`, unless no fold has windows of two classes."""
        whole = self.values("auroc", torch.ones(1, len(self.subjects), dtype=torch.float64))
        return ("auroc",) if bool(whole.isfinite().all()) else ()

    def values(self, metric: str, times: Float[Tensor, "R G"]) -> Float[Tensor, "S R"]:
        """The area under every seed, when each subject counts as often as `times` says; NaN where there are no pairs."""
        place = {name: index for index, name in enumerate(self.subjects)}
        columns = [torch.tensor([place[name] for name in fold.subjects]) for fold in self.folds]
        found = [fold.pairs(times[:, here]) for fold, here in zip(self.folds, columns, strict=True)]
        return _mean_area(*(torch.stack(part).sum(0) for part in zip(*found, strict=True)))

    def each_subject(self, metric: str) -> list[float]:
        """The area of each subject's own windows, averaged over seeds; NaN where they are all of one class."""
        place = {name: index for index, name in enumerate(self.subjects)}
        shape = len(self.folds[0].counts), len(self.subjects), len(self.folds[0].counts[0])
        pairs = torch.zeros(2, *shape, dtype=torch.float64)
        for fold in self.folds:
            here = torch.tensor([place[name] for name in fold.subjects])
            for seed, classes in enumerate(fold.counts):
                for number, matrix in enumerate(classes):
                    pairs[:, seed, here, number] += _pairs_of_groups(matrix)
        return _mean_area(pairs[0], pairs[1]).mean(0).tolist()


def _mean_area(won: Float[Tensor, "S R K"], total: Float[Tensor, "S R K"]) -> Float[Tensor, "S R"]:
    present = total > 0
    return ((won / total.clamp(min=1)) * present).sum(2) / present.sum(2)  # 0 / 0 where there are none


def _pairs_of_groups(counts: Tensor) -> Float[Tensor, "2 G"]:
    """Pairs that are won, and all pairs, among the windows of each group, of one class under one seed."""
    num_ranks, num_groups = counts.shape[0] // 2, counts.shape[1]
    rows, group = counts.indices()
    cells, cell = (group * num_ranks + rows % num_ranks).unique(return_inverse=True)  # by group, then by rank
    others, own = torch.zeros(2, len(cells), dtype=torch.float64).index_put_((rows // num_ranks, cell), counts.values())
    of_group = cells // num_ranks
    sums = torch.zeros(2, num_groups, dtype=torch.float64).index_add_(1, of_group, torch.stack([own, others]))
    before = sums[1].cumsum(0) - sums[1]
    lower = others.cumsum(0) - others / 2 - before[of_group]
    won = torch.zeros(num_groups, dtype=torch.float64).index_add_(0, of_group, own * lower)
    return torch.stack([won, sums[0] * sums[1]])


def _count_ranks(scores: Float[Tensor, "N"], own: Bool[Tensor, "N"], group: Int[Tensor, "N"], num_groups: int) -> Tensor:
    """Windows of other classes and of the own at each rank of rising score, by group: a sparse matrix (2 M, G)."""
    ranks, windows = scores.unique(return_inverse=True, return_counts=True)[1:]
    if len(windows) > MOST_RANKS:
        # Two scores share a rank if all windows of both lie in one of 65,536 equal stretches of the order, so none has more.
        after = windows.cumsum(0)
        stretches = [(place * MOST_RANKS).div(len(ranks), rounding_mode="floor") for place in (after - windows, after - 1)]
        ranks = (stretches[0] * MOST_RANKS + stretches[1]).unique(return_inverse=True)[1][ranks]
    num_ranks = int(ranks.max()) + 1
    cells = torch.stack([own.long() * num_ranks + ranks, group])
    ones = torch.ones(len(ranks), dtype=torch.float64)
    return torch.sparse_coo_tensor(cells, ones, (2 * num_ranks, num_groups), check_invariants=True).coalesce()
