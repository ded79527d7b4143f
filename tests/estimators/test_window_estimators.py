"""What estimators on windows learn, from whom, and that parameters say what objectives say."""

from __future__ import annotations

import json
import warnings
from dataclasses import MISSING, fields, replace
from functools import partial

import numpy as np
import pytest
import torch
from array_examples import SMALL, TINY, small, windows
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import audiossl
from audiossl.errors import ConfigError, StoreError
from audiossl.estimators import (
    TSTCC,
    ArrayTransformer,
    FrameProjection,
    RandomEncoder,
    SimCLR,
    WindowStatistics,
    frame_projection,
)
from audiossl.estimators.array_windows import windows_of_array
from audiossl.estimators.window_objective import WindowObjective
from audiossl.load import load
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.objectives.pooling import mean_frame
from audiossl.seeds import derive_seed

TRAINED = {name: model for name, model in SMALL.items() if isinstance(model, WindowObjective)}
OTHER_DEFAULTS = {"map_weight": 0.0, "dim": 128}  # recipes' own, see the docstring


def tones(count: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows of slow and fast tones in noise, their class, and four people."""
    rng = np.random.default_rng(seed)
    fast, time = rng.integers(0, 2, count), np.arange(64)
    phase = rng.uniform(0, 2 * np.pi, (count, 2, 1))
    X = np.sin(2 * np.pi * (0.05 + 0.15 * fast[:, None, None]) * time + phase) + 0.3 * rng.standard_normal((count, 2, 64))
    return X, fast, np.arange(count) % 4


def test_three_lines_in_a_notebook(capsys):
    X, _, people = tones()
    model = audiossl.FrameProjection(rate=52.3, **{**TINY, "steps": 4}).fit(X[:40], groups=people[:40])
    vectors = model.transform(X[40:])
    assert vectors.shape == (20, 3 * TINY["dim"])
    said = capsys.readouterr()
    assert said.out == said.err == ""
    replace(model, verbose=1, steps=1).fit(X)
    assert "step 1/1" in capsys.readouterr().err


def test_parameters_are_the_options_of_the_objective():
    for name, model in TRAINED.items():
        told = {field.name: getattr(type(model)(), field.name) for field in fields(model)}
        for option in fields(model.config):
            mine = "prediction_steps" if name == "TSTCC" and option.name == "steps" else option.name
            assert mine in told, f"{name} lacks {option.name}"
            if option.default is not MISSING and told[mine] is not None:
                assert told[mine] == OTHER_DEFAULTS.get(mine, option.default), f"{name}.{mine}"
    assert TSTCC(**TINY, prediction_steps=1)._options()["steps"] == 1
    assert SimCLR()._options()["augmentations"] == {"kinds": "heart_rate"}
    with pytest.raises(ConfigError, match=r"SimCLR\.augmentations\.nose: expected one of the keys .*did you mean noise"):
        SimCLR(**TINY, augmentations={"nose": 0.1}).fit(windows())


def test_training_learns_from_the_windows_it_is_given():
    X, _, people = tones()
    drawn = RandomEncoder(**{key: TINY[key] for key in ("dim", "width", "num_blocks")}).fit_transform(X)
    trained = SimCLR(**TINY).fit(X, groups=people)
    assert not np.allclose(trained.transform(X), drawn, atol=1e-3)
    other = SimCLR(**TINY).fit(2 * X[::-1], groups=people)
    assert not np.allclose(other.transform(X), trained.transform(X), atol=1e-3)
    assert not np.allclose(SimCLR(**TINY, random_state=2).fit(X, groups=people).transform(X), trained.transform(X), atol=1e-3)


def test_normalisation_is_that_of_fit_and_equals_the_second_way():
    X = windows(seed=1).astype(np.float32)
    model = RandomEncoder(dim=8, width=4, num_blocks=2, random_state=3).fit(X, groups=[0, 1] * 4)
    torch.manual_seed(derive_seed(3, "encoder"))
    network = ResNet1d(3, 1.0, ResNet1dConfig(dim=8, width=4, num_blocks=2)).eval()
    mean, deviation = X.mean((0, 2), dtype=np.float64), X.std((0, 2), dtype=np.float64)
    new = 5 + 2 * windows(seed=2)
    normal = torch.from_numpy((new - mean[:, None]) / deviation[:, None]).float()
    with torch.no_grad():
        expected = mean_frame(network(normal, torch.full((8,), 32))).numpy()
    np.testing.assert_allclose(model.transform(new), expected, atol=1e-5)
    of_window = RandomEncoder(dim=8, width=4, num_blocks=2, normalise="window").fit(X)
    np.testing.assert_allclose(of_window.transform(100 * new - 7), of_window.transform(new), atol=1e-3)
    plain = WindowStatistics(normalise="none").fit(X).transform(new)
    np.testing.assert_allclose(plain[:, :3], new.mean(2), rtol=1e-4)


def test_windows_are_of_their_groups_in_order():
    X = windows(6).astype(np.float32)
    found, normaliser = windows_of_array(X, ["b", "a/1", "b", "a/1", "b", "a/1"], 10.0, "training")
    assert found.ids == ["b@0", "b@32", "b@64", "group-1@0", "group-1@32", "group-1@64"]
    assert found.subjects == ["b"] * 3 + ["a/1"] * 3
    torch.testing.assert_close(found.values, normaliser(torch.from_numpy(X[[0, 2, 4, 1, 3, 5]])))


def test_groups_decide_batches(monkeypatch):
    seen = []
    forward = SimCLR.objective.forward
    monkeypatch.setattr(SimCLR.objective, "forward", lambda self, batch: seen.append(batch) or forward(self, batch))
    X, _, people = tones(40)
    small("SimCLR").fit(X, groups=people)
    assert all(len(set(batch.subjects)) == 2 and batch.partner is None for batch in seen)
    seen.clear()
    replace(small("SimCLR"), groups_per_batch=0, batch_size=40).fit(X, groups=people)
    assert len(set(seen[0].subjects)) == 4
    seen.clear()
    replace(small("SimCLR"), neighbours=1).fit(X, groups=people)
    for batch in seen:
        for own, partner in zip(batch.signal, batch.partner, strict=True):
            row, other = (int(np.abs(scaled(X) - window.numpy()).max((1, 2)).argmin()) for window in (own, partner))
            assert people[row] == people[other]
            assert abs(row - other) <= 4  # rows of a person are every fourth
    for options in ({"neighbours": 1}, {"groups_per_batch": 2}):
        with pytest.raises(ConfigError, match=f"SimCLR.{next(iter(options))} needs groups"):
            replace(small("SimCLR"), **options).fit(X)


def scaled(X: np.ndarray) -> np.ndarray:
    """Normalised as in training."""
    return (X - X.mean((0, 2))[:, None]) / X.std((0, 2))[:, None]


def test_pipelines_and_grid_search():
    X, y, people = tones()
    pipeline = make_pipeline(SimCLR(**{**TINY, "width": 8, "steps": 1}), StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipeline, {"simclr__temperature": [0.1, 0.5]}, cv=GroupKFold(2))
    search.fit(X, y, groups=people, simclr__groups=people)
    assert search.best_score_ > 0.8  # tones are told by an untrained network, too
    assert set(search.cv_results_["param_simclr__temperature"]) == {0.1, 0.5}
    scores = cross_val_score(make_pipeline(WindowStatistics(), LogisticRegression()), X, y, cv=2)
    assert scores.min() > 0.9
    assert search.predict(X).shape == (60,)


def test_mappers_take_the_place_of_encoders(tmp_path, monkeypatch):
    monkeypatch.setattr(frame_projection, "fit_mappers", partial(frame_projection.fit_mappers, num_steps=100))
    X = windows()
    options = {**TINY, "views": ["time", "haar"]}
    real = FrameProjection(**options).fit_transform(X)
    alone = FrameProjection(**options, mapper="none").fit_transform(X)
    assert np.array_equal(real[:, :8], alone)
    errors = {}
    for kind in ("random", "linear"):
        mapped = FrameProjection(**options, mapper=kind).fit(X)
        features = mapped.transform(X)
        assert np.array_equal(features[:, :8], alone)
        mapped.save(tmp_path / kind)
        assert np.array_equal(FrameProjection.load(tmp_path / kind).transform(X), features)
        errors[kind] = np.abs(features - real).mean()
    assert errors["linear"] < errors["random"]  # which is not fitted
    with pytest.raises(ConfigError, match="mapper: expected one of real, none"):
        FrameProjection(**options, mapper="real").set_params(mapper="cubic").fit(X)


def test_the_encoder_is_one_that_load_knows(tmp_path):
    X = windows().astype(np.float32)
    model = FrameProjection(**TINY, rate=20.0, views=["time", "dct"]).fit(X)
    model.encoder_.save(tmp_path / "encoder")
    embedder = load(tmp_path / "encoder")
    assert str(embedder.takes).startswith("3 channels at 20 Hz: channel_0")
    pooled = torch.stack([one.pooled for one in embedder.embed(list(X), 20.0)])
    np.testing.assert_allclose(pooled.numpy(), model.transform(X)[:, :8], atol=1e-5)


def test_wrong_parameters_are_found_in_fit():
    for change, message in (
        ({"steps": 0}, "max_steps should be above 0"),
        ({"batch_size": 1}, "size of at least 2"),
        ({"lr": "fast"}, r"SimCLR\.lr: expected a number, got 'fast'"),
        ({"width": 3}, "an even width"),
        ({"rate": 0.0}, "a number of Hz above 0"),
        ({"normalise": "always"}, "normalise: expected one of training, window, none"),
        ({"random_state": "seed"}, "random_state: expected a whole number or None"),
        ({"temperature": -1.0}, "temperature"),
    ):
        with pytest.raises(ConfigError, match=message):
            small("SimCLR").set_params(**change).fit(windows())


def test_random_states_of_numpy():
    features = [RandomEncoder(dim=4, width=4, random_state=np.random.RandomState(0)).fit_transform(windows()) for _ in range(2)]
    assert np.array_equal(*features)
    drawn = RandomEncoder(dim=4, width=4, random_state=np.int64(5)).fit_transform(windows())
    assert np.array_equal(drawn, RandomEncoder(dim=4, width=4, random_state=5).fit_transform(windows()))


def test_files_that_are_no_estimators_are_refused(tmp_path):
    fitted = small("WindowStatistics").fit(windows())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(StoreError, match="something that is no estimator, and is left as it is"):
        fitted.save(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()
    with pytest.raises(StoreError, match="holds no estimator"):
        ArrayTransformer.load(tmp_path / "mine")
    fitted.save(tmp_path / "model")
    fitted.save(tmp_path / "model")  # in place of the earlier one
    with pytest.raises(StoreError, match="holds a WindowStatistics, not a SimCLR"):
        SimCLR.load(tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    about = json.loads(config.read_text())
    for change, message in (
        ({"estimator": "hostile_module:Class"}, "hostile_module:Class, which is no estimator of audiossl"),
        ({"params": {"bins": 4}}, "holds no WindowStatistics that can be read"),
        ({"shape": {"n_features_in_": 2}}, "holds no WindowStatistics that can be read"),
        ({"shape": None}, "config.json has no shape"),
    ):
        config.write_text(json.dumps({**about, **change}))
        with pytest.raises(StoreError, match=message):
            ArrayTransformer.load(tmp_path / "model")
    with pytest.raises(ConfigError, match="expected a plain value"):
        fitted.set_params(num_bins=object()).save(tmp_path / "other")


def test_channels_that_do_not_vary_and_one_channel():
    X = windows(num_channels=1)
    assert small("SimCLR").fit_transform(X).shape == (8, 8)
    X = np.concatenate([X, np.full_like(X, 1e6)], axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(small("SimCLR").fit_transform(X)).all()
    normaliser = windows_of_array(X.astype(np.float32), None, 1.0, "training")[1]
    assert float(normaliser.deviation[1]) == 1.0
