"""Areas under ROC curves by subject: how scores rank the windows of one fold, never those of different folds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.evaluation.subject_scores import SubjectScores, group_subjects

RANK_BINS = 256  # areas are off by some 1e-4 for it
BLOCK = 256  # resamples ranked at once


@dataclass(frozen=True)
class FoldRanks:
    """How often each class is ranked where, by one fold's probe.

    Attributes:
        counts: one sparse matrix (K 2 M, G) for each seed: windows of each subject, for each class those of other classes and its
            own, in each of M bins of rising score. Most cells are empty where every recording is a subject.
        subjects: names of the G subjects of the fold.
    """

    counts: tuple[Tensor, ...]
    subjects: tuple[str, ...]

    def pairs(self, times: Float[Tensor, "R G"]) -> tuple[Float[Tensor, "S R K"], Float[Tensor, "S R K"]]:
        """Pairs of an own and another window of each class, and those of them in which the own is higher; equals count half."""
        won, total = [], []
        for counts in self.counts:
            others, own = torch.sparse.mm(counts, times.T).unflatten(0, (-1, 2, RANK_BINS)).unbind(1)  # (K, M, R)
            lower = others.cumsum(1) - others / 2
            won.append((own * lower).sum(1).T)
            total.append((own.sum(1) * others.sum(1)).T)
        return torch.stack(won), torch.stack(total)


@dataclass(frozen=True)
class WindowRanking(SubjectScores):
    """The area under the ROC curve of each class against the rest, averaged over classes that occur beside others.

    A probe of one fold says nothing of how high another fold's scores are, so windows are compared inside folds: the area is the
    share of right pairs among the pairs of all folds. Where every fold tests one class only, there is none.
    """

    folds: tuple[FoldRanks, ...]
    subjects: tuple[str, ...]
    num_windows: int

    @classmethod
    def of_scores(cls, truth: Int[Tensor, "N"], scores: Float[Tensor, "S N K"], subjects: list[str]) -> WindowRanking:
        """Count how high the windows of one fold are ranked by probabilities, or their logarithms, under S seeds."""
        names, group = group_subjects(subjects)
        size, num_classes = scores.shape[1:]
        edges = torch.arange(1, RANK_BINS) * size // RANK_BINS
        counts = []
        for values in scores:
            rows = []
            for column in range(num_classes):
                of_class = values[:, column].contiguous()
                rank = torch.searchsorted(of_class.sort().values[edges], of_class, right=True)
                rows.append((column * 2 + (truth == column).long()) * RANK_BINS + rank)
            cells = torch.stack([torch.cat(rows), group.repeat(num_classes)])
            ones = torch.ones(cells.shape[1], dtype=torch.float64)
            shape = (num_classes * 2 * RANK_BINS, len(names))
            counts.append(torch.sparse_coo_tensor(cells, ones, shape, check_invariants=True).coalesce())
        return cls((FoldRanks(tuple(counts), names),), names, size)

    @classmethod
    def join(cls, parts: Sequence[WindowRanking]) -> WindowRanking:
        """Lay the folds of one division side by side."""
        folds = tuple(itertools.chain.from_iterable(part.folds for part in parts))
        names = tuple(sorted(itertools.chain.from_iterable(part.subjects for part in parts)))
        return cls(folds, names, sum(part.num_windows for part in parts))

    @property
    def metric_names(self) -> tuple[str, ...]:
        """`auroc`, unless no fold has windows of two classes."""
        whole = self.values("auroc", torch.ones(1, len(self.subjects), dtype=torch.float64))
        return ("auroc",) if bool(whole.isfinite().all()) else ()

    def values(self, metric: str, times: Float[Tensor, "R G"]) -> Float[Tensor, "S R"]:
        """The area under every seed, when each subject counts as often as `times` says; NaN where there are no pairs."""
        place = {name: index for index, name in enumerate(self.subjects)}
        columns = [torch.tensor([place[name] for name in fold.subjects]) for fold in self.folds]
        blocks = []
        for block in times.split(BLOCK):
            found = [fold.pairs(block[:, here]) for fold, here in zip(self.folds, columns, strict=True)]
            won, total = (torch.stack(part).sum(0) for part in zip(*found, strict=True))
            present = total > 0
            areas = won / total.clamp(min=1)
            blocks.append((areas * present).sum(2) / present.sum(2))  # 0 / 0 where there are none
        return torch.cat(blocks, dim=1)
