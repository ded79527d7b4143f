"""Phenotypes from connectivity: nested cross-validation by person, controls, permutations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Num, Shaped
from sklearn.base import BaseEstimator

from audiossl.evaluation.fmri.columns import Column
from audiossl.evaluation.fmri.folds import Steps, held_out_answers
from audiossl.evaluation.fmri.people import People
from audiossl.evaluation.fmri.persons import Persons
from audiossl.evaluation.fmri.phenotype_config import LEAKS as LEAKS
from audiossl.evaluation.fmri.phenotype_config import PhenotypeConfig
from audiossl.evaluation.fmri.phenotype_metrics import areas_of_sites, metric_intervals, metrics_of_repeats
from audiossl.evaluation.intervals import Interval


@dataclass(frozen=True)
class PhenotypeScores:
    """Scores of each repeat, and what chance and confounds alone reach.

    Attributes:
        metrics: metrics by name, one value for each repeat, over all people together; AUROC of left-out sites is the mean of
            those inside each site, weighted by people, for answers of models of different sites have no common zero.
        confounds: the same of a model that sees the confounds alone; empty without any.
        p_value: share of permutations that score as high, for the first metric; None without permutations.
        intervals: 95 % over people (families, where they are named), of every metric, its mean over repeats.
        confound_intervals: the same of `confounds`.
        people: P, how many were scored.
        of_sites: AUROC inside each site that was left out and has people of both classes.
    """

    metrics: dict[str, list[float]]
    confounds: dict[str, list[float]] = field(default_factory=dict)
    p_value: float | None = None
    intervals: dict[str, Interval] = field(default_factory=dict)
    confound_intervals: dict[str, Interval] = field(default_factory=dict)
    people: int = 0
    of_sites: dict[str, float] = field(default_factory=dict)

    def mean(self, metric: str) -> float:
        """Mean over repeats."""
        return float(np.mean(self.metrics[metric]))


def score_people(
    features: Num[np.ndarray, "R E"], people: People, config: PhenotypeConfig | None = None, steps: Steps | None = None
) -> PhenotypeScores:
    """Score how well a class or a quantity is predicted from features of runs.

    Classes are predicted by a linear SVM (AUROC, balanced accuracy, macro F1), quantities by ridge regression (MAE, R2,
    correlation), their strengths chosen by an inner cross-validation. Runs of one person count as one: their features are
    averaged. Confounds are scored alone next to the features.

    Args:
        features: features of every run.
        people: labels and what else is known of the people of the runs.
        config: options.
        steps: steps of one's own in the pipeline, fitted inside folds.

    Raises:
        DataError: if columns have other lengths; labels, sites, families or whole confounds differ within a person; labels may be
            of either kind; a label, a confound or a feature is not known; or there are fewer people of a class than folds.
    """
    config, steps = config or PhenotypeConfig(), steps or Steps()
    persons = people.averaged(features, config.by_site)
    persons.check(config)
    answers = held_out_answers(persons, persons.features, config, steps)
    metrics = metrics_of_repeats(persons, answers, config)
    found = PhenotypeScores(metrics, people=len(persons.names), intervals=metric_intervals(persons, answers, config))
    if config.by_site and persons.is_class:
        found = replace(found, of_sites=areas_of_sites(persons, answers[0]))
    if people.confounds:
        plain = replace(config, edges=0, edges_before_splitting="")
        alone = held_out_answers(persons, persons.confounds, plain, Steps())
        intervals = metric_intervals(persons, alone, plain)
        found = replace(found, confounds=metrics_of_repeats(persons, alone, plain), confound_intervals=intervals)
    return replace(found, p_value=_p_value(persons, metrics, config, steps)) if config.permutations else found


def score_phenotype(
    features: Num[np.ndarray, "R E"],
    labels: Column,
    subjects: Column,
    config: PhenotypeConfig | None = None,
    sites: Column | None = None,
    families: Column | None = None,
    confounds: Mapping[str, Column] | None = None,
    transform: BaseEstimator | None = None,
    model: BaseEstimator | None = None,
) -> PhenotypeScores:
    """Score as `score_people` does, with the columns of `People` and the `Steps` one by one."""
    people = People(labels, subjects, sites, families, confounds or {})
    return score_people(features, people, config, Steps(transform, model))


def check_people(people: People, config: PhenotypeConfig) -> None:
    """Say whether `score_people` could divide these people; errors are those that it would raise."""
    people.averaged(np.zeros((len(people.subjects), 1)), config.by_site).check(config)


def leakage_self_test(people: int = 40, edges: int = 2000, seed: int = 0) -> float:
    """AUROC of noise against random labels through the whole pipeline, edges chosen inside folds; 0.5 but for chance."""
    rng = np.random.default_rng(seed)
    labels = ["a", "b"] * (people // 2)
    config = PhenotypeConfig(repeats=4, edges=20, seed=seed)
    return score_phenotype(rng.standard_normal((people, edges)), labels, [f"p{i}" for i in range(people)], config).mean("auroc")


def _p_value(people: Persons, metrics: dict[str, list[float]], config: PhenotypeConfig, steps: Steps) -> float:
    name, values = next(iter(metrics.items()))
    sign = -1 if name == "mae" else 1
    rng, once = np.random.default_rng(config.seed), replace(config, repeats=1, permutations=0)
    reached = sign * float(np.mean(values))
    beaten = 0
    for _ in range(config.permutations):
        shuffled = replace(people, labels=_shuffled(people, config, rng))
        beaten += (
            sign * metrics_of_repeats(shuffled, held_out_answers(shuffled, people.features, once, steps), once)[name][0]
            >= reached
        )
    return (beaten + 1) / (config.permutations + 1)


def _shuffled(people: Persons, config: PhenotypeConfig, rng: np.random.Generator) -> Shaped[np.ndarray, "P"]:
    """Labels dealt out anew; where sites are left out, inside each of them, so that it keeps its share of a class."""
    if not config.by_site or people.sites is None:
        return rng.permutation(people.labels)
    labels = people.labels.copy()
    for site in np.unique(people.sites):
        labels[people.sites == site] = rng.permutation(labels[people.sites == site])
    return labels
