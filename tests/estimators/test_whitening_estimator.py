"""Whitening by neighbours on arrays: whose rows are neighbours, that it helps where labels are few, and mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from array_examples import windows
from sklearn.linear_model import Ridge

import audiossl
from audiossl.errors import ConfigError, DataError
from audiossl.estimators import RandomEncoder, SimCLR

SMALL = {"bank": "statistics", "options": {"statistics": {"num_bins": 4}}}


def test_rows_of_a_group_may_lie_between_those_of_others():
    X = windows(12, seed=2)
    one = audiossl.NeighbourWhitening(**SMALL).fit(X, groups=["a", "b"] * 6).transform(X)
    order = np.r_[0:12:2, 1:12:2]
    other = audiossl.NeighbourWhitening(**SMALL).fit(X[order], groups=["a"] * 6 + ["b"] * 6).transform(X)
    np.testing.assert_allclose(one @ one.T, other @ other.T, rtol=1e-3, atol=0.5)
    alike = audiossl.NeighbourWhitening(**SMALL).fit(X, groups=["a"] * 12).transform(X)
    assert not np.allclose(one @ one.T, alike @ alike.T, rtol=1e-2, atol=0.5)


def test_banks_stand_next_to_each_other_with_one_total_variance():
    X, groups = windows(12, seed=2), ["a"] * 6 + ["b"] * 6
    both = audiossl.NeighbourWhitening(bank=["statistics", "gabor"], options={"gabor": {"view": {"num_scales": 8}}})
    features = both.fit(X, groups=groups).transform(X)
    alone = audiossl.NeighbourWhitening(bank="statistics").fit(X, groups=groups).transform(X)
    np.testing.assert_array_equal(features[:, : alone.shape[1]], alone)
    for part in (alone, features[:, alone.shape[1] :]):
        assert part.var(0).sum() == pytest.approx(1e4, rel=1e-3)


def test_few_labels_say_more_of_whitened_features():
    """Two classes differ in the power of a slow tone; a loud channel changes from window to window and says nothing."""
    rng, time, count = np.random.default_rng(0), np.arange(64), 240
    y = np.arange(count) // 20 % 2
    tone = (1 + 0.6 * y[:, None]) * np.sin(2 * np.pi * 0.05 * time + rng.uniform(0, 6, (count, 1)))
    noise = rng.standard_normal((count, 3, 64)) * np.exp(rng.standard_normal((count, 3, 1)))
    X = np.concatenate([tone[:, None] + 0.3 * rng.standard_normal((count, 1, 64)), noise], axis=1)
    groups, few = np.arange(count) // 20, [3, 25, 49, 70]
    model = audiossl.NeighbourWhitening(bank="statistics").fit(X, groups=groups)
    plain = audiossl.WindowStatistics().fit_transform(X)
    plain = (plain - plain.mean(0)) / plain.std(0) * np.sqrt(1e4 / plain.shape[1])
    right = [((Ridge(1.0).fit(F[few], 2.0 * y[few] - 1).predict(F) > 0) == y).mean() for F in (model.transform(X), plain)]
    assert right[0] > 0.9 and right[0] > right[1] + 0.1


def test_rich_pooling_is_an_option_of_window_encoders(tmp_path):
    X, sizes = windows(), {"dim": 8, "width": 4, "num_blocks": 2}
    mean = RandomEncoder(**sizes).fit_transform(X)
    model = RandomEncoder(**sizes, pooling="rich").fit(X)
    rich = model.transform(X)
    assert rich.shape == (8, 32)
    np.testing.assert_allclose(rich[:, :8], mean, atol=1e-6)
    model.save(tmp_path / "model")
    assert np.array_equal(RandomEncoder.load(tmp_path / "model").transform(X), rich)
    assert SimCLR(**sizes, steps=1, pooling="rich").fit(X).transform(X).shape == (8, 32)
    with pytest.raises(ConfigError, match=r"SimCLR\.pooling: expected one of mean, rich, got 'max'"):
        SimCLR(**sizes, pooling="max").fit(X)
    with pytest.raises(ConfigError, match=r"FrameProjection\.pooling: its views are means"):
        audiossl.FrameProjection(**sizes, pooling="rich").fit(X)


def test_mistakes_are_named():
    X, groups = windows(), ["a"] * 8
    for params, said in (
        ({"bank": "rocket"}, r"NeighbourWhitening\.bank: expected one of minirocket, .* got 'rocket'"),
        ({"bank": "os:path"}, "got 'os:path'"),
        ({"bank": []}, "at least one bank, each once"),
        ({"bank": "statistics", "options": {"kernels": {}}}, "expected options of statistics, got some of kernels"),
        ({"bank": "statistics", "options": {"statistics": {"bins": 1}}}, r"options\.statistics\.bins"),
        ({"bank": "statistics", "shrinkage": -1}, "a shrinkage of at least 0"),
    ):
        with pytest.raises(ConfigError, match=said):
            audiossl.NeighbourWhitening(**params).fit(X, groups=groups)
    with pytest.raises(ConfigError, match="needs groups"):
        audiossl.NeighbourWhitening(bank="statistics").fit(X)
    with pytest.raises(DataError, match="no two of the windows are neighbours"):
        audiossl.NeighbourWhitening(bank="statistics").fit(X, groups=range(8))
    with pytest.raises(DataError, match="at least 9 samples"):
        audiossl.NeighbourWhitening().fit(X[:, :, :8], groups=groups)
