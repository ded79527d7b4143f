"""scikit-learn's manners on arrays (N, C, T): its own checks skip input of three dimensions."""

from __future__ import annotations

import copy
import inspect
from dataclasses import fields

import joblib
import numpy as np
import pytest
import torch
from array_examples import SMALL, small, windows
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from audiossl.errors import DataError
from audiossl.estimators import ESTIMATORS, ArrayTransformer
from audiossl.kinds import find_kind

X = windows()
GROUPS = ["a", "a", "a", "a", "b", "b", "b", "b"]
PLAIN = (str, int, float, bool, tuple, type(None))
CHECKS = {}
SLOW = {"MiniRocket"}  # aeon compiles it for many seconds


def check(function):
    """One of the checks that every estimator has to pass."""
    CHECKS[function.__name__] = function
    return function


@check
def get_and_set_params(name):
    estimator = small(name)
    params = estimator.get_params()
    assert list(params) == sorted(field.name for field in fields(estimator))
    other = type(estimator)().set_params(**params)
    assert other.get_params() == params
    with pytest.raises(ValueError, match="Invalid parameter 'stepps'"):
        estimator.set_params(stepps=1)


@check
def cloned(name):
    fitted = fitted_one(name)
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params()
    assert not hasattr(copied, "network_")


@check
def defaults(name):
    signature = inspect.signature(find_kind(name, ESTIMATORS, "estimator"))
    for parameter in signature.parameters.values():
        assert isinstance(parameter.default, PLAIN), f"{parameter} is not plain"
    assert all(getattr(small(name).set_params(), key) is not inspect.Parameter.empty for key in signature.parameters)


@check
def nothing_set_in_init(name):
    kind = type(small(name))
    estimator = kind()
    given = {parameter.name: parameter.default for parameter in inspect.signature(kind).parameters.values()}
    assert vars(estimator) == given
    assert all(vars(estimator)[key] is value for key, value in given.items())


@check
def not_fitted(name):
    for act in (lambda one: one.transform(X), lambda one: one.save("nowhere"), lambda one: one.get_feature_names_out()):
        with pytest.raises(NotFittedError):
            act(small(name))


@check
def fit_twice_gives_the_same(name):
    states = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002  # aeon seeds it
    num_threads = torch.get_num_threads()
    again = copy.deepcopy(fitted_one(name)).fit_transform(torch.from_numpy(X), groups=np.array(GROUPS))
    assert np.array_equal(again, fitted_one(name).transform(X))
    assert np.array_equal(np.random.get_state()[1], states[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[1])
    assert torch.get_num_threads() == num_threads


@check
def transform_changes_nothing(name):
    fitted = fitted_one(name)
    before = {key: copy.deepcopy(value) for key, value in vars(fitted).items() if key != "network_"}
    state = {key: value.clone() for key, value in fitted.network_.state_dict().items()}
    given = X.copy()
    fitted.transform(given)
    assert np.array_equal(given, X)
    assert set(vars(fitted)) == {*before, "network_"}
    assert all(vars(fitted)[key] == value for key, value in before.items())
    assert all(torch.equal(fitted.network_.state_dict()[key], value) for key, value in state.items())


@check
def subsets_and_order_change_nothing(name):
    fitted = fitted_one(name)
    features, rows = fitted.transform(X), [6, 0, 3]
    near = {"rtol": 1e-4, "atol": 1e-5 * np.abs(features).max()}  # sums of float32 in another order
    np.testing.assert_allclose(fitted.transform(X[rows]), features[rows], **near)
    np.testing.assert_allclose(fitted.transform(X[2:3]), features[2:3], **near)
    np.testing.assert_allclose(fitted.transform(X[::-1]), features[::-1], **near)


@check
def joblib_round_trip(name, tmp_path):
    joblib.dump(fitted_one(name), tmp_path / "fitted.joblib")
    loaded = joblib.load(tmp_path / "fitted.joblib")
    assert np.array_equal(loaded.transform(X), fitted_one(name).transform(X))
    assert repr(loaded) == repr(fitted_one(name))


@check
def saved_without_pickle(name, tmp_path):
    fitted = fitted_one(name)
    fitted.save(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]
    for loaded in (type(fitted).load(tmp_path / "model"), ArrayTransformer.load(str(tmp_path / "model"))):
        assert np.array_equal(loaded.transform(X), fitted.transform(X))
        assert loaded.get_params() == fitted.get_params()
        assert list(loaded.get_feature_names_out()) == list(fitted.get_feature_names_out())


@check
def wrong_arrays_are_refused(name):
    fitted = fitted_one(name)
    bad, huge = X.copy(), X.copy()
    bad[3, 1, 5], huge[2, 0, 0] = np.nan, 1e300
    masked = np.ma.MaskedArray(X, mask=np.isnan(bad))
    for given, message in (
        (X[0], r"expected an array \(N windows, C channels, T samples\), got one of shape \(3, 32\); one channel is"),
        (X[None], r"got one of shape \(1, 8, 3, 32\)"),
        (X[:0], "at least one window"),
        (X[:, :, :0], "at least one window, channel and sample"),
        (bad, "NaN or infinity in 1 of 8 windows, the first in row 3"),
        (masked, "NaN or infinity in 1 of 8 windows, the first in row 3"),
        (huge, "NaN or infinity in 1 of 8 windows, the first in row 2"),
        (np.where(np.isnan(bad), np.inf, bad), "NaN or infinity"),
        (X[:, :, :1], "samples"),
        (X.astype(str), "real numbers"),
        (X.astype(complex), "real numbers"),
        ([X[0], X[1, :, :20]], "of one length"),
    ):
        for act in (fitted.transform, clone(fitted).fit):
            with pytest.raises(DataError, match=message) as caught:
                act(given)
            assert isinstance(caught.value, ValueError)  # what scikit-learn raises
    assert np.array_equal(fitted.transform(X), fitted_one(name).transform(X))


@check
def a_wrong_number_of_channels_is_refused(name):
    for given in (X[:, :2], np.concatenate([X, X], axis=1)):
        with pytest.raises(DataError, match=f"expected 3 channels as in fit, got {given.shape[1]}"):
            fitted_one(name).transform(given)


@check
def a_failed_fit_leaves_what_was_fitted(name):
    fitted = copy.deepcopy(fitted_one(name))
    with pytest.raises(DataError):
        fitted.fit(X[:, :2, :1])
    assert np.array_equal(fitted.transform(X), fitted_one(name).transform(X))


@check
def groups_are_checked(name):
    for groups, message in ((GROUPS[1:], "a group for each of 8 windows, got 7"), ([*GROUPS[:-1], None], "None in row 7")):
        with pytest.raises(DataError, match=message):
            small(name).fit(X, groups=groups)


@check
def features_are_named_and_become_tables(name):
    fitted = copy.deepcopy(fitted_one(name))
    features = fitted.transform(X)
    assert fitted.n_features_in_ == 3
    names = [f"{name.lower()}{number}" for number in range(features.shape[1])]
    assert list(fitted.get_feature_names_out()) == names
    table = fitted.set_output(transform="pandas").transform(X)
    assert list(table.columns) == names
    assert np.array_equal(table.to_numpy(), features)


@check
def tensors_and_lists_are_taken(name):
    features = fitted_one(name).transform(X)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert np.array_equal(fitted_one(name).transform(torch.from_numpy(X)), features)
    assert np.array_equal(fitted_one(name).transform(X.tolist()), features)
    assert np.array_equal(fitted_one(name).transform(X.astype(np.float32)), features)


@check
def windows_differ(name):
    features = fitted_one(name).transform(X)
    assert len(np.unique(features.round(4), axis=0)) == len(X)


_FITTED: dict[str, ArrayTransformer] = {}


def fitted_one(name):
    """One that was fitted once for all checks, none of which may change it."""
    if name not in _FITTED:
        _FITTED[name] = small(name).fit(X, groups=GROUPS)
    return _FITTED[name]


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in ESTIMATORS])
def test_every_estimator_passes_every_check(name, tmp_path):
    for function in CHECKS.values():
        needs_folder = "tmp_path" in inspect.signature(function).parameters
        function(name, tmp_path) if needs_folder else function(name)


def test_all_checks_of_the_issue_are_there_and_run_on_all_estimators():
    wanted = {
        "get_and_set_params", "cloned", "defaults", "nothing_set_in_init", "not_fitted", "fit_twice_gives_the_same",
        "transform_changes_nothing", "subsets_and_order_change_nothing", "joblib_round_trip", "wrong_arrays_are_refused",
        "a_wrong_number_of_channels_is_refused",
    }  # fmt: skip
    assert wanted <= set(CHECKS)
    assert len(CHECKS) == 17
    assert set(SMALL) == set(ESTIMATORS)
    assert len(ESTIMATORS) == 14
