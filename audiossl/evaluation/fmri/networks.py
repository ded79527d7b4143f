"""The network that a region belongs to, predicted from its features in people with unseen labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import DataError
from audiossl.evaluation.intervals import Interval, rate_interval
from audiossl.seeds import derive_generator


@dataclass(frozen=True)
class NetworkAnswers:
    """Share of divisions in which the network of a region was predicted correctly, (P, N) for people and regions."""

    right: Float[Tensor, "P N"]

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(self.right.mean())

    def interval(self) -> Interval:
        """The accuracy with its 95 % interval over regions, for people are few."""
        of_regions = self.right.double().mean(0)
        return rate_interval(of_regions, torch.ones_like(of_regions))


def assign_networks(
    features: Float[Tensor, "R N D"],
    subjects: Sequence[str],
    networks: Sequence[str],
    num_folds: int = 5,
    num_repeats: int = 4,
    seed: int = 0,
) -> NetworkAnswers:
    """Answer by a linear SVM that saw neither the person nor the region: others' regions of the other folds.

    A region looks alike in everybody, so holding out people alone would let a classifier know it again. Features are brought to
    length 1, without which a seventh fewer are predicted correctly from correlations. With one person regions alone are held out.

    Args:
        features: features of every run and region.
        subjects: subject of every run.
        networks: network of every region; `` leaves it out.
        num_folds: number of folds of regions, stratified by network.
        num_repeats: divisions of the regions.
        seed: seed of the divisions.

    Raises:
        DataError: if fewer than two networks have as many regions as there are folds.
    """
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer
    from sklearn.svm import SVC

    labels = np.array(networks)
    used = np.flatnonzero((labels != "") & np.array([(labels == label).sum() >= num_folds for label in labels]))
    if len(set(labels[used])) < 2:
        raise DataError(f"expected at least two networks with {num_folds} regions or more each, got {sorted(set(networks))}")
    people, values = list(dict.fromkeys(subjects)), features.double().numpy()
    of_person = {name: np.flatnonzero(np.array(subjects) == name) for name in people}
    right = np.zeros((len(people), len(used)))
    for repeat in range(num_repeats):
        state = int(torch.randint(2**31, (), generator=derive_generator(seed, "regions", repeat)))
        folds = StratifiedKFold(num_folds, shuffle=True, random_state=state).split(used, labels[used])
        for train, test in folds:
            for index, person in enumerate(people):
                seen = np.concatenate([of_person[name] for name in people if name != person or len(people) == 1])
                x = values[np.ix_(seen, used[train])].reshape(-1, values.shape[2])
                model = make_pipeline(Normalizer(), SVC(kernel="linear"))
                model.fit(x, np.tile(labels[used[train]], len(seen)))
                for run in of_person[person]:
                    answers = model.predict(values[run][used[test]])
                    right[index, test] += (answers == labels[used[test]]) / len(of_person[person])
    return NetworkAnswers(torch.from_numpy(right / num_repeats).float())


def majority(networks: Sequence[str]) -> float:
    """Share of the largest network: what an answer without looking would score."""
    known = [network for network in networks if network]
    return max(known.count(network) for network in set(known)) / len(known)
