"""The classifier that learns from few labels: scikit-learn's manners, and that unlabelled windows count."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

import audiossl
from audiossl.errors import ConfigError
from audiossl.estimators import ArrayError, RandomEncoder, SemiSupervised

RNG = np.random.default_rng(0)
Y = np.arange(60) % 3
X = (1 + 3 * Y[:, None, None]) * RNG.standard_normal((60, 2, 64))
FEW = np.where(np.arange(60) < 9, Y, -1)


def test_it_learns_from_nine_labels_and_repeats_itself():
    model = audiossl.SemiSupervised(steps=30)
    assert model.fit(X, FEW) is model
    assert model.score(X, Y) > 0.8
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (60, 3) and np.allclose(probabilities.sum(1), 1, atol=1e-5)
    assert np.array_equal(model.classes_[probabilities.argmax(1)], model.predict(X))
    again = clone(model).fit(X, FEW).predict_proba(X)
    assert np.array_equal(again, probabilities)
    hidden = np.where(FEW < 0, FEW, 2 - FEW)
    assert not np.array_equal(clone(model).fit(X, hidden).predict(X), model.predict(X))


def test_labels_are_those_of_scikit_learn():
    names = np.array(["lie", "sit", "walk"])[Y]
    few = names.astype(object)
    few[9:] = -1
    model = SemiSupervised(method="supervised", steps=5).fit(X, few)
    assert list(model.classes_) == ["lie", "sit", "walk"] and set(model.predict(X)) <= set(names)
    assert is_classifier(model)
    assert len(cross_val_score(SemiSupervised(method="supervised", steps=2), X, Y, cv=2)) == 2
    params = model.get_params()
    assert SemiSupervised().set_params(**params).get_params() == params


def test_any_representation_and_any_method():
    encoder = RandomEncoder(dim=8, width=4, num_blocks=2)
    model = SemiSupervised(method="tracoco", transformer=encoder, steps=2, options={"confident": 0.5}).fit(X, FEW)
    assert not hasattr(encoder, "network_") and model.transformer_.dim == 8
    fitted = encoder.fit(X)
    assert SemiSupervised(method="semixup", transformer=fitted, steps=2).fit(X, FEW).transformer_ is fitted


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(NotFittedError):
        SemiSupervised().predict(X)
    for options, y, kind, message in (
        ({"method": "fixmach"}, FEW, ConfigError, "did you mean fixmatch"),
        ({"options": {"treshold": 1}}, FEW, ConfigError, "did you mean threshold"),
        ({"views": {"strong": [["nose"]]}}, FEW, ConfigError, "there is no change nose"),
        ({"transformer": 3}, FEW, ConfigError, "expected an estimator"),
        ({"steps": 0}, FEW, ConfigError, "max_steps"),
        ({}, FEW[:5], ArrayError, "a label for each of 60 windows"),
        ({}, np.where(FEW > 0, -1, FEW), ArrayError, "at least 2 classes, got 1"),
    ):
        with pytest.raises(kind, match=message):
            SemiSupervised().set_params(**options).fit(X, y)
