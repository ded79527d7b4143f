"""Folds of people: a pipeline that is fitted inside them, and what it answers for those who are held out.

Everything that is fitted (scaling, choice of edges, tangent space, strength) is a step of one pipeline that is fitted inside
folds. A choice of edges before splitting is possible only under a name that says what it does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator

from audiossl.evaluation.fmri.persons import Persons
from audiossl.evaluation.fmri.phenotype_config import PhenotypeConfig

STRENGTHS = (0.001, 0.01, 0.1, 1.0)
Answers = Float[np.ndarray, "P *K"]


@dataclass(frozen=True)
class Steps:
    """Steps of one's own in the pipeline.

    Attributes:
        transform: transformer before all else, such as `TangentVectors`.
        model: classifier or regressor in place of ours, with nothing to be chosen, such as `BrainNetClassifier`.
    """

    transform: BaseEstimator | None = None
    model: BaseEstimator | None = None


def divisions(people: Persons, config: PhenotypeConfig, repeat: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Training and held-out places of every fold; people of one group are on one side."""
    from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, StratifiedGroupKFold

    if config.by_site:
        return list(LeaveOneGroupOut().split(people.features, people.labels, people.sites))
    state = config.seed * 1000 + repeat
    kind = StratifiedGroupKFold if people.is_class else GroupKFold
    splitter = kind(config.folds, shuffle=True, random_state=state)
    return list(splitter.split(people.features, people.labels, people.groups))


def held_out_answers(
    people: Persons, features: Float[np.ndarray, "P E"], config: PhenotypeConfig, steps: Steps
) -> list[Float[np.ndarray, "P *K"]]:
    """What is predicted of held-out people, in every repeat: decision values or quantities."""
    if config.edges_before_splitting:
        features = features[:, _best_edges(features, people, config.edges or 20)]
        config = replace(config, edges=0)
    found = []
    for repeat in range(1 if config.by_site else config.repeats):
        answers: list[np.ndarray | None] = [None] * len(people.names)
        for train, test in divisions(people, config, repeat):
            model = _fitted(features[train], people, train, config, steps)
            scored = model.decision_function(features[test]) if people.is_class else model.predict(features[test])
            for row, place in enumerate(test):
                answers[place] = np.asarray(scored)[row]
        found.append(np.stack([np.asarray(answer) for answer in answers]))
    return found


def _best_edges(features: Float[np.ndarray, "P E"], people: Persons, count: int) -> np.ndarray:
    from sklearn.feature_selection import SelectKBest, f_classif, f_regression

    chosen = SelectKBest(f_classif if people.is_class else f_regression, k=min(count, features.shape[1]))
    return np.asarray(chosen.fit(features, people.labels).get_support())


def _fitted(features: Float[np.ndarray, "P E"], people: Persons, train: np.ndarray, config: PhenotypeConfig, own: Steps) -> Any:
    from sklearn.base import clone
    from sklearn.feature_selection import SelectKBest, f_classif, f_regression
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    steps: list[tuple[str, Any]] = [] if own.transform is None else [("first", own.transform)]
    steps.append(("scale", StandardScaler()))
    if config.edges:
        score = f_classif if people.is_class else f_regression
        steps.append(("edges", SelectKBest(score, k=min(config.edges, features.shape[1]))))
    if own.model is not None:
        return Pipeline([*steps, ("model", clone(own.model))]).fit(features, people.labels[train])
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
