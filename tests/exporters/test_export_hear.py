"""The HEAR module: sizes and types that the interface asks for, times that do not drift, pooling as stated."""

from __future__ import annotations

import importlib.util
import re

import pytest
import torch

from audiossl.embedding.embedder import Embedder
from audiossl.errors import ConfigError
from audiossl.exporters.hear import HearModel, export_hear, get_scene_embeddings, get_timestamp_embeddings
from audiossl.load import load


@pytest.fixture(scope="module")
def logmel():
    return HearModel(load("logmel"))


def imported(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seconds", [1.07, 1.98, 2.74, 4.0, 0.02, 0.001, 0.0151])
@pytest.mark.parametrize("name", ["logmel", None])
def test_what_the_interface_promises(name, seconds, checkpoint):
    model = HearModel(load(name or checkpoint))
    audio = 2 * torch.rand(2, int(seconds * 16000)) - 1
    embeddings, times = get_timestamp_embeddings(audio, model)
    assert embeddings.dtype == times.dtype == torch.float32
    assert embeddings.shape == (*times.shape, model.timestamp_embedding_size) and len(times) == 2
    assert times.max() <= 1000 * audio.shape[1] / 16000
    assert type(model.sample_rate) is type(model.scene_embedding_size) is type(model.timestamp_embedding_size) is int
    if times.shape[1] > 2:
        assert times.diff(dim=1).sub(1000 / model.embedder.frame_rate).abs().max() < 1e-3
        assert times[0, 0] <= 45 and times[0, -1] > 1000 * seconds - 80
    scenes = get_scene_embeddings(audio, model)
    assert scenes.dtype == torch.float32 and scenes.shape == (2, model.scene_embedding_size)
    torch.testing.assert_close(scenes, embeddings.mean(1))


def test_clicks_in_long_audio_stay_where_they_are(make_clicks):
    minutes, rate = 35, 16000
    model = HearModel(Embedder(make_clicks(rate, 320)))
    audio = torch.zeros(1, minutes * 60 * rate)
    clicks = torch.arange(minutes) * 60 * rate + 12345
    audio[0, clicks] = 1.0
    embeddings, times = get_timestamp_embeddings(audio, model)
    found = times[0, embeddings[0, :, 0] > 0]
    assert len(found) == minutes and times.shape[1] == minutes * 60 * 50
    assert (found.double() - clicks * 1000 / rate).abs().max() <= 10.0 + 0.125  # half a hop, and float32 milliseconds


def test_a_click_late_in_log_mel_windows(logmel):
    audio = 1e-4 * torch.randn(1, 16000 * 70)
    places = torch.tensor([0.5, 29.99, 31.0, 58.003, 69.7])
    audio[0, (places * 16000).long()] = 1.0
    embeddings, times = get_timestamp_embeddings(audio, logmel)
    loudest = times[0, embeddings[0].mean(1).topk(15).indices]
    for place in places:
        assert (loudest - 1000 * place).abs().min() <= 5.01


def test_layers_lie_side_by_side_and_pooling_is_as_stated(checkpoint):
    embedder = load(checkpoint)
    model = HearModel(embedder, layers=[0, -1], pooling="mean+max")
    audio = 0.1 * torch.randn(2, 12000)
    embeddings, _ = get_timestamp_embeddings(audio, model)
    dim = embedder.dim
    assert model.timestamp_embedding_size == 2 * dim and model.scene_embedding_size == 4 * dim
    layers = embedder.embed(audio[1], layers="all").frames
    torch.testing.assert_close(embeddings[1], torch.cat([layers[0], layers[-1]], dim=1), atol=1e-5, rtol=0)
    scenes = get_scene_embeddings(audio, model)
    torch.testing.assert_close(scenes, torch.cat([embeddings.mean(1), embeddings.amax(1)], dim=1))


def test_unusual_audio_gives_finite_float32_under_autocast(checkpoint):
    model = HearModel(load(checkpoint))
    audio = torch.stack([torch.zeros(16000), torch.ones(16000), torch.tensor([1.0, -1.0]).repeat(8000)])
    with torch.autocast("cpu", torch.bfloat16):
        embeddings, times = get_timestamp_embeddings(audio, model)
    assert embeddings.dtype == times.dtype == torch.float32 and embeddings.isfinite().all()


def test_the_module_is_imported_and_takes_options(checkpoint, tmp_path):
    path = export_hear(str(checkpoint), tmp_path / "my_embed.py", layers="all")
    module = imported(path)
    model, other, third = module.load_model(), module.load_model("logmel"), module.load_model(layers=[1], pooling="mean+max")
    assert (model.timestamp_embedding_size, third.scene_embedding_size) == (48, 32)
    assert other.timestamp_embedding_size == 80
    audio = torch.rand(1, 8000)
    torch.testing.assert_close(
        module.get_scene_embeddings(audio, model), get_scene_embeddings(audio, HearModel(load(checkpoint), "all"))
    )
    assert "layers all, side by side" in path.read_text() and "one every 20 ms" in path.read_text()
    with pytest.raises(ConfigError, match="got hop"):
        module.load_model(hop=10)


def test_mistakes_are_named(logmel, make_clicks, tmp_path):
    with pytest.raises(ConfigError, match=re.escape("got my-embed.py")):
        export_hear("logmel", tmp_path / "my-embed.py")
    with pytest.raises(ConfigError, match="'median'"):
        HearModel(logmel.embedder, pooling="median")
    with pytest.raises(ConfigError, match="8000 Hz"):
        HearModel(Embedder(make_clicks(sample_rate=8000)))
    with pytest.raises(ConfigError, match="below 1"):
        HearModel(logmel.embedder, layers=[1])
    assert not list(tmp_path.iterdir())
