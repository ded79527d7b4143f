"""Phenotypes from connectivity: nested cross-validation by person, controls, permutations.

Everything that is fitted (scaling, choice of edges, tangent space, strength) is a step of one pipeline that is fitted inside
folds. A choice of edges before splitting is possible only under a name that says what it does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped

from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.fmri.columns import (
    Column,
    check_lengths,
    confounds_of_people,
    labels_of_people,
    one_for_each,
    rows_of_people,
)
from audiossl.evaluation.intervals import MOST_PARTS, Interval, divide_groups, leave_out_interval, range_of
from audiossl.seeds import derive_generator

LEAKS = "leaks labels into the score"
STRENGTHS = (0.001, 0.01, 0.1, 1.0)


@dataclass
class PhenotypeConfig:
    """How a phenotype is scored.

    Attributes:
        folds: outer ones; people, and families where they are named, are on one side.
        repeats: divisions.
        by_site: leave one site out at a time instead.
        edges: the best so many features by an F test, inside folds; 0 takes all.
        permutations: of labels over people, for a p-value of the whole pipeline; 0 makes none.
        edges_before_splitting: choose the edges on everybody, test people included. Must be the words "leaks labels into the
            score": it is here to show what it does.
        seed: of divisions and permutations.
    """

    folds: int = 5
    repeats: int = 20
    by_site: bool = False
    edges: int = 0
    permutations: int = 0
    edges_before_splitting: str = ""
    seed: int = 1

    def __post_init__(self) -> None:
        for name, least in (("folds", 2), ("repeats", 1), ("edges", 0), ("permutations", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"phenotypes: options.{name} should be at least {least}, got {getattr(self, name)}")
        if self.edges_before_splitting not in ("", LEAKS):
            raise ConfigError(
                f"edges_before_splitting chooses edges with the labels of test people, so its score means nothing; to show that, "
                f"set it to '{LEAKS}'"
            )


@dataclass(frozen=True)
class PhenotypeScores:
    """Scores of each repeat, and what chance and confounds alone reach.

    Attributes:
        metrics: by name, one value for each repeat, over all people together; AUROC of left-out sites is the mean of those inside
            each site, weighted by people, for answers of models of different sites have no common zero.
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


def score_phenotype(
    features: Float[np.ndarray, "R E"],
    labels: Column,
    subjects: Column,
    config: PhenotypeConfig | None = None,
    sites: Column | None = None,
    families: Column | None = None,
    confounds: Mapping[str, Column] | None = None,
    transform: Any = None,
    model: Any = None,
) -> PhenotypeScores:
    """Score how well a class or a quantity is told from features of runs.

    Classes are told by a linear SVM (AUROC, balanced accuracy, macro F1), quantities by ridge regression (MAE, R2, correlation),
    their strengths chosen by an inner cross-validation. Runs of one person count as one: their answers are averaged.

    Args:
        features: of every run.
        labels: of every run; the same in all runs of a person. Text is a class and a float a quantity; ints and truth values may
            be either, and are refused.
        subjects: of every run.
        config: options.
        sites: of every run, for `by_site`; the same in all runs of a person.
        families: of every run, the same in all runs of a person; relatives stay on one side.
        confounds: numbers of every run, such as age, sex as 0 and 1, mean_fd; they are scored alone beside the features. Whole
            numbers are the same in all runs of a person, others are averaged.
        transform: scikit-learn transformer that is fitted before all else, inside folds, such as `TangentVectors`.
        model: scikit-learn classifier or regressor in place of ours, with nothing to be chosen, such as `BrainNetClassifier`.

    Raises:
        DataError: if columns have other lengths; labels, sites, families or whole confounds differ within a person; labels may be
            of either kind; a label, a confound or a feature is not known; or there are fewer people of a class than folds.
    """
    config = config or PhenotypeConfig()
    columns = {"labels": labels, "subjects": subjects, "sites": sites, "families": families}
    if np.ndim(features) != 2:
        raise DataError(f"expected features of runs x features, got an array of shape {np.shape(features)}")
    check_lengths(len(features), columns, confounds)
    people = _People.of(features, labels, subjects, families, sites if config.by_site else None, transform, model)
    table = confounds_of_people(rows_of_people(subjects), confounds or {})
    people.check(config)
    answers = _answers(people, people.features, config)
    metrics = _of_repeats(people, answers, config)
    found = PhenotypeScores(metrics, people=len(people.names), intervals=_intervals(people, answers, config))
    if config.by_site and people.is_class:
        found = replace(found, of_sites=_areas_of_sites(people, answers[0]))
    if confounds:
        plain, alone = replace(config, edges=0, edges_before_splitting=""), replace(people, transform=None, model=None)
        told = _answers(alone, table, plain)
        found = replace(found, confounds=_of_repeats(alone, told, plain), confound_intervals=_intervals(alone, told, plain))
    return replace(found, p_value=_p_value(people, metrics, config)) if config.permutations else found


def check_people(
    labels: Column,
    subjects: Column,
    config: PhenotypeConfig,
    sites: Column | None = None,
    families: Column | None = None,
    confounds: Mapping[str, Column] | None = None,
) -> None:
    """Say whether `score_phenotype` could divide these people; errors are those that it would raise."""
    check_lengths(len(subjects), {"labels": labels, "sites": sites, "families": families}, confounds)
    confounds_of_people(rows_of_people(subjects), confounds or {})
    people = _People.of(np.zeros((len(subjects), 1)), labels, subjects, families, sites if config.by_site else None)
    people.check(config)


def leakage_self_test(people: int = 40, edges: int = 2000, seed: int = 0) -> float:
    """AUROC of noise against random labels through the whole pipeline, edges chosen inside folds; 0.5 but for chance."""
    rng = np.random.default_rng(seed)
    labels = ["a", "b"] * (people // 2)
    config = PhenotypeConfig(repeats=4, edges=20, seed=seed)
    return score_phenotype(rng.standard_normal((people, edges)), labels, [f"p{i}" for i in range(people)], config).mean("auroc")


def corrected_t_test(differences: Sequence[float], folds: int) -> float:
    """Two-sided p of the mean of repeated cross-validation differences, with the variance that overlap of training sets asks for.

    Nadeau and Bengio 2003, Machine Learning 52: the variance is multiplied by 1 / n + 1 / (folds - 1) instead of 1 / n.
    """
    from scipy.stats import t

    values = np.asarray(differences, float)
    scale = values.std(ddof=1) * np.sqrt(1 / len(values) + 1 / (folds - 1))
    return float(2 * t.sf(abs(values.mean()) / max(scale, 1e-300), len(values) - 1))


@dataclass(frozen=True)
class _People:
    features: Float[np.ndarray, "P E"]
    labels: Shaped[np.ndarray, "P"]
    groups: Shaped[np.ndarray, "P"]
    sites: Shaped[np.ndarray, "P"] | None
    names: list[str]
    is_class: bool
    transform: Any
    model: Any

    @classmethod
    def of(
        cls,
        features: Any,
        labels: Column,
        subjects: Column,
        families: Column | None = None,
        sites: Column | None = None,
        transform: Any = None,
        model: Any = None,
    ) -> _People:
        rows = rows_of_people(subjects)
        values, is_class = labels_of_people(rows, labels)
        groups = np.array(list(rows) if families is None else one_for_each(rows, families, "families"))
        of_site = None if sites is None else np.array(one_for_each(rows, sites, "sites"))
        table = np.asarray(features, float)
        averaged = np.stack([table[own].mean(0) for own in rows.values()]) if rows else table
        return cls(averaged, values, groups, of_site, list(rows), is_class, transform, model)

    def only(self, kept: Bool[np.ndarray, "P"]) -> _People:
        """Some of the people."""
        names = [name for name, keep in zip(self.names, kept, strict=True) if keep]
        sites = None if self.sites is None else self.sites[kept]
        return replace(
            self, features=self.features[kept], labels=self.labels[kept], groups=self.groups[kept], sites=sites, names=names
        )

    def check(self, config: PhenotypeConfig) -> None:
        if not np.isfinite(self.features).all():
            raise DataError(
                f"expected finite features, got others of {self.names[int((~np.isfinite(self.features)).any(1).argmax())]}"
            )
        if config.by_site:
            self._check_sites()
        wanted, groups = max(3, 0 if config.by_site else config.folds), len(set(self.groups))
        if groups < wanted:
            raise DataError(f"expected {wanted} people or families to divide into {config.folds} folds, got {groups}")
        if not self.is_class:
            if len(set(self.labels)) < 2:
                raise DataError(f"expected a quantity that varies, got {self.labels[0]:g} of all {len(self.names)} people")
            return
        counts = {str(label): int((self.labels == label).sum()) for label in sorted(set(self.labels))}
        fewest = min(counts.values())
        if len(counts) < 2 or fewest < config.folds or fewest - -(-fewest // config.folds) < 2:
            wanted = f"two classes or more, each with {config.folds} people, one a fold, and 3 at least"
            raise DataError(f"expected {wanted}, got {counts}")

    def _check_sites(self) -> None:
        if self.sites is None or len(set(self.sites)) < 2:
            raise DataError("expected at least two sites to leave one out, got none or one")
        for site in sorted(set(self.sites)) if self.is_class else ():
            if len(set(self.labels[self.sites != site])) < 2:
                raise DataError(f"without site {site} one class is left: sites stand for classes and cannot be left out")

    def divisions(self, config: PhenotypeConfig, repeat: int) -> list[tuple[np.ndarray, np.ndarray]]:
        from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, StratifiedGroupKFold

        if config.by_site:
            return list(LeaveOneGroupOut().split(self.features, self.labels, self.sites))
        state = config.seed * 1000 + repeat
        kind = StratifiedGroupKFold if self.is_class else GroupKFold
        splitter = kind(config.folds, shuffle=True, random_state=state)
        return list(splitter.split(self.features, self.labels, self.groups))


def _answers(people: _People, features: Float[np.ndarray, "P E"], config: PhenotypeConfig) -> list[Float[np.ndarray, "P *K"]]:
    """What held-out people were told to be, in every repeat: decision values or quantities."""
    if config.edges_before_splitting:
        features = features[:, _best_edges(features, people, config.edges or 20)]
        config = replace(config, edges=0)
    found = []
    for repeat in range(1 if config.by_site else config.repeats):
        answers: list[np.ndarray | None] = [None] * len(people.names)
        for train, test in people.divisions(config, repeat):
            model = _fitted(features[train], people, train, config)
            scored = model.decision_function(features[test]) if people.is_class else model.predict(features[test])
            for row, place in enumerate(test):
                answers[place] = np.asarray(scored)[row]
        found.append(np.stack([np.asarray(answer) for answer in answers]))
    return found


def _of_repeats(people: _People, answers: list[Float[np.ndarray, "P *K"]], config: PhenotypeConfig) -> dict[str, list[float]]:
    each = [_metrics(people, told, config.by_site) for told in answers]
    return {name: [one[name] for one in each] for name in each[0]}


def _intervals(people: _People, answers: list[Float[np.ndarray, "P *K"]], config: PhenotypeConfig) -> dict[str, Interval]:
    """Leave families out in turn; a metric that is not defined without one of them, for lack of a class, has no ends."""
    names, family = np.unique(people.groups, return_inverse=True)
    parts = divide_groups(len(names), MOST_PARTS, derive_generator(config.seed, "families")).numpy()[family]
    whole = _means(people, answers, config)
    without: dict[str, list[float]] = {}
    for part in range(int(parts.max()) + 1):
        kept = parts != part
        some = people.only(kept)
        if not kept.any() or (people.is_class and len(set(some.labels)) < len(set(people.labels))):
            found = dict.fromkeys(whole, float("nan"))
        else:
            found = _means(some, [told[kept] for told in answers], config)
        for name, value in found.items():
            without.setdefault(name, []).append(value)
    sizes = torch.from_numpy(np.bincount(parts)).double()
    return {
        name: leave_out_interval(value, torch.tensor(without[name], dtype=torch.float64), sizes, range_of(name), len(names))
        for name, value in whole.items()
    }


def _means(people: _People, answers: list[Float[np.ndarray, "P *K"]], config: PhenotypeConfig) -> dict[str, float]:
    return {name: float(np.mean(values)) for name, values in _of_repeats(people, answers, config).items()}


def _best_edges(features: Float[np.ndarray, "P E"], people: _People, count: int) -> np.ndarray:
    from sklearn.feature_selection import SelectKBest, f_classif, f_regression

    chosen = SelectKBest(f_classif if people.is_class else f_regression, k=min(count, features.shape[1]))
    return np.asarray(chosen.fit(features, people.labels).get_support())


def _fitted(features: Float[np.ndarray, "P E"], people: _People, train: np.ndarray, config: PhenotypeConfig) -> Any:
    from sklearn.base import clone
    from sklearn.feature_selection import SelectKBest, f_classif, f_regression
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    steps: list[tuple[str, Any]] = [] if people.transform is None else [("first", people.transform)]
    steps.append(("scale", StandardScaler()))
    if config.edges:
        score = f_classif if people.is_class else f_regression
        steps.append(("edges", SelectKBest(score, k=min(config.edges, features.shape[1]))))
    if people.model is not None:
        return Pipeline([*steps, ("model", clone(people.model))]).fit(features, people.labels[train])
    if people.is_class:
        steps.append(("model", LinearSVC(dual="auto", random_state=0, max_iter=20000)))
        grid = {"model__C": [strength / features.shape[1] * 100 for strength in STRENGTHS]}
        groups_of = [len(set(people.groups[train][people.labels[train] == label])) for label in set(people.labels[train])]
        inner: Any = StratifiedGroupKFold(max(2, min(3, *groups_of)), shuffle=True, random_state=config.seed)
    else:
        steps.append(("model", Ridge()))
        grid = {"model__alpha": [features.shape[1] * strength for strength in (0.1, 1.0, 10.0, 100.0)]}
        inner = GroupKFold(3, shuffle=True, random_state=config.seed)
    labels, groups = people.labels[train], people.groups[train]
    divisions = list(inner.split(features, labels, groups))
    scoring = "balanced_accuracy" if people.is_class else "r2"
    if scoring == "r2" and min(len(tested) for _, tested in divisions) < 2:
        scoring = "neg_mean_squared_error"  # one person has no r2, and a choice by NaN would be none
    return GridSearchCV(Pipeline(steps), grid, cv=divisions, scoring=scoring).fit(features, labels)


def _metrics(people: _People, answers: Float[np.ndarray, "P *K"], by_site: bool) -> dict[str, float]:
    """Scores of one division; a thousand draws of an interval want them a hundred times faster than scikit-learn's."""
    if not people.is_class:
        error = answers - people.labels
        spread = float(np.square(people.labels - people.labels.mean()).sum())
        varies = np.std(answers) > 0 and spread > 0
        return {
            "mae": float(np.abs(error).mean()),
            "r2": 1 - float(np.square(error).sum()) / spread if spread > 0 else float("nan"),
            "correlation": float(np.corrcoef(people.labels, answers)[0, 1]) if varies else 0.0,
        }
    classes, truth = np.unique(people.labels, return_inverse=True)
    chosen = (answers > 0).astype(int) if len(classes) == 2 else answers.argmax(1)
    counts = np.zeros((len(classes), len(classes)))
    np.add.at(counts, (truth, chosen), 1)
    right, true, told = counts.diagonal(), counts.sum(1), counts.sum(0)
    return {
        "auroc": _area_inside_sites(people, answers) if by_site else _area(people.labels, answers),
        "accuracy": float(right.sum() / counts.sum()),
        "balanced_accuracy": float((right / true).mean()),
        "macro_f1": float((2 * right / (true + told)).mean()),
    }


def _area(labels: Shaped[np.ndarray, "P"], answers: Float[np.ndarray, "P *K"]) -> float:
    """AUROC of two classes, or its mean over classes against the rest; NaN where one class alone is there."""
    from scipy.stats import rankdata

    classes = np.unique(labels)
    if len(classes) < 2:
        return float("nan")
    areas = []
    for name, values in zip(classes[1:], [answers], strict=True) if answers.ndim == 1 else zip(classes, answers.T, strict=True):
        own = labels == name
        count = int(own.sum())
        areas.append((rankdata(values)[own].sum() - count * (count + 1) / 2) / (count * (len(labels) - count)))
    return float(np.mean(areas))


def _areas_of_sites(people: _People, answers: Float[np.ndarray, "P *K"]) -> dict[str, float]:
    assert people.sites is not None
    classes = set(people.labels)
    rows = {str(site): people.sites == site for site in np.unique(people.sites)}
    return {site: _area(people.labels[at], answers[at]) for site, at in rows.items() if set(people.labels[at]) == classes}


def _area_inside_sites(people: _People, answers: Float[np.ndarray, "P *K"]) -> float:
    """Mean of the sites' AUROCs, weighted by people; NaN where no site has people of all classes."""
    areas = _areas_of_sites(people, answers)
    counts = [int((people.sites == site).sum()) for site in areas]
    return float(np.average(list(areas.values()), weights=counts)) if areas else float("nan")


def _p_value(people: _People, metrics: dict[str, list[float]], config: PhenotypeConfig) -> float:
    name, values = next(iter(metrics.items()))
    sign = -1 if name == "mae" else 1
    rng, once = np.random.default_rng(config.seed), replace(config, repeats=1, permutations=0)
    reached = sign * float(np.mean(values))
    beaten = 0
    for _ in range(config.permutations):
        shuffled = replace(people, labels=_shuffled(people, config, rng))
        beaten += sign * _of_repeats(shuffled, _answers(shuffled, people.features, once), once)[name][0] >= reached
    return (beaten + 1) / (config.permutations + 1)


def _shuffled(people: _People, config: PhenotypeConfig, rng: np.random.Generator) -> Shaped[np.ndarray, "P"]:
    """Labels dealt out anew; where sites are left out, inside each of them, so that it keeps its share of a class."""
    if not config.by_site or people.sites is None:
        return rng.permutation(people.labels)
    labels = people.labels.copy()
    for site in np.unique(people.sites):
        labels[people.sites == site] = rng.permutation(labels[people.sites == site])
    return labels
