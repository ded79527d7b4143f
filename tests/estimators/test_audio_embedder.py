from __future__ import annotations

import pickle

import numpy as np
import pytest
import soundfile
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import audiossl
from audiossl.errors import DataError
from audiossl.load import load
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.models.sensor_encoder import SensorEncoder, SensorInput


@pytest.fixture
def tones(tmp_path):
    paths = []
    for i, pitch in enumerate([300, 310, 320, 1200, 1240, 1280]):
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, 0.3 * np.sin(2 * np.pi * pitch * np.arange(8000) / 16000), 16000)
        paths.append(str(path))
    return paths


def test_vectors_are_the_means_of_frames(tones, checkpoint):
    vectors = audiossl.AudioEmbedder(str(checkpoint)).fit_transform(tones)
    embeddings = load(checkpoint).embed(tones)
    np.testing.assert_allclose(vectors, np.stack([embedding.pooled.numpy() for embedding in embeddings]), atol=1e-6)
    layers = audiossl.AudioEmbedder(str(checkpoint), layers="all").transform(tones[:1])
    assert layers.shape == (1, 3 * vectors.shape[1])


def test_it_is_cloned_set_pickled_and_put_in_pipelines(tones, checkpoint):
    embedder = audiossl.AudioEmbedder(sample_rate=16000)
    assert clone(embedder).get_params() == {"model": "logmel", "layers": "last", "sample_rate": 16000, "device": "cpu"}
    assert embedder.transform(tones).shape == (6, 80)
    assert pickle.loads(pickle.dumps(embedder)).set_params(model=str(checkpoint)).transform(tones).shape == (6, 16)
    labels = ["low"] * 3 + ["high"] * 3
    classifier = make_pipeline(embedder, LogisticRegression(max_iter=1000)).fit(tones, labels)
    assert list(classifier.predict(tones)) == labels


def test_arrays_at_another_rate_are_resampled():
    wave = np.sin(2 * np.pi * 440 * np.arange(44100) / 44100).astype(np.float32)
    at_16_khz = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000).astype(np.float32)
    [one] = audiossl.AudioEmbedder(sample_rate=44100).transform([wave])
    [other] = audiossl.AudioEmbedder().transform([at_16_khz])
    assert abs(one - other)[:10].max() < 0.2  # the bins around 440 Hz
    with pytest.raises(DataError, match="signal 1"):
        audiossl.AudioEmbedder().transform([wave, np.zeros(0, np.float32)])


def test_what_is_not_audio_is_refused(tmp_path):
    windows = np.random.default_rng(0).standard_normal((10, 3, 128)).astype(np.float32)
    ConnectivityEncoder(["a", "b", "c"], 2.0, ConnectivityConfig(dim=8, num_layers=1)).save(tmp_path / "bold")
    for model, given, options, message in (
        ("logmel", windows, {}, r"logmel takes audio at 16000 Hz, and an array \(10, 3, 128\) is none.*FrameProjection"),
        ("logmel", list(windows), {}, "for logmel: the model takes audio at 16000 Hz; 3 channels of 128 samples"),
        ("logmel", windows[:, 0], {"sample_rate": 52.3}, "a signal at 52.3 Hz is no audio"),
        ("logmel", "a.wav", {}, "put it in a list"),
        (
            str(tmp_path / "bold"),
            list(windows),
            {},
            "AudioEmbedder is for models of audio, and .*bold takes 3 channels at 0.5 Hz",
        ),
    ):
        with pytest.raises(DataError, match=message):
            audiossl.AudioEmbedder(model, **options).fit_transform(given)


def test_sensor_encoders_are_taken_for_one_more_version(tmp_path):
    torch.manual_seed(0)
    for count in (2, 3):
        network = ResNet1d(count, 50.0, ResNet1dConfig(width=8, num_blocks=4, dim=16)).eval()
        SensorEncoder(network, SensorInput(("x", "y", "z")[:count], ("g",) * count, 50.0)).save(tmp_path / f"{count}")
    windows = np.random.default_rng(0).standard_normal((10, 3, 128)).astype(np.float32)
    with pytest.warns(DeprecationWarning, match=r"is for models of audio, and .* takes 3 channels.*load\(.*\).embed\(X\)"):
        features = audiossl.AudioEmbedder(str(tmp_path / "3")).transform(windows)
    assert features.shape == (10, 16)
    with pytest.raises(DataError, match="takes 2 channels, got 3"), pytest.warns(DeprecationWarning):
        audiossl.AudioEmbedder(str(tmp_path / "2")).transform(windows)
