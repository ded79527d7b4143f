"""The s3prl upstream: as many frames as s3prl counts, ours wherever we have any, and a folder that stands alone."""

from __future__ import annotations

import importlib.util
import math

import numpy as np
import pytest
import torch

from audiossl.embedding.embedder import Embedder
from audiossl.errors import ConfigError
from audiossl.exporters import s3prl
from audiossl.exporters.hf import export_hf
from audiossl.exporters.s3prl import UpstreamExpert, export_s3prl
from audiossl.load import load


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    return export_s3prl(str(checkpoint), tmp_path_factory.mktemp("out") / "upstream", padding="invariant")


def noise(num_samples, seed=0):
    return 0.1 * torch.randn(num_samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["logmel", None])
def test_frames_are_counted_as_s3prl_counts_them(name, exported):
    expert = UpstreamExpert(name or exported).eval()
    stride = expert.get_downsample_rates("hidden_states")
    with torch.no_grad():
        for num_samples in (1, 399, 400, 401, 800, 15999, 16000, 16001, 40123):
            output = expert([noise(num_samples)])
            shapes = {tuple(layer.shape) for layer in output["hidden_states"]}
            assert shapes == {(1, math.ceil(num_samples / stride), expert.encoder.dim)}
            assert len(output["hidden_states"]) == expert.encoder.num_layers
            assert output["last_hidden_state"] is output["hidden_states"][-1]


def test_our_frames_come_first_and_each_clip_repeats_its_own_last(checkpoint, exported):
    clips = [noise(24000, 1), noise(16001, 2), noise(500, 3)]
    with torch.no_grad():
        states = torch.stack(UpstreamExpert(exported).eval()(clips)["hidden_states"])
    for row, clip in enumerate(clips):
        ours = load(checkpoint).embed(clip.numpy(), layers="all").frames
        count = ours.shape[1]
        assert count < states.shape[2]
        torch.testing.assert_close(states[:, row, :count], ours, atol=1e-5, rtol=0)
        assert (states[:, row, count:] == states[:, row, count - 1 : count]).all()


def test_more_frames_than_s3prl_counts_are_cut(monkeypatch, make_clicks):
    encoder = make_clicks()
    encoder.min_samples = 960  # pads to three frames where s3prl counts one
    monkeypatch.setattr(s3prl, "load", lambda *_: Embedder(encoder))
    assert UpstreamExpert("clicks")([torch.ones(300)])["hidden_states"][0].shape == (1, 1, 3)


def test_other_rates_are_resampled_and_strides_stay_in_16_khz_samples(monkeypatch, make_clicks):
    monkeypatch.setattr(s3prl, "load", lambda *_: Embedder(make_clicks(sample_rate=8000, hop=80)))
    expert = UpstreamExpert("clicks")
    time = torch.arange(16000) / 16000
    [frames, _] = expert([torch.sin(2 * math.pi * 440 * time), torch.zeros(4000)])["hidden_states"]
    assert expert.stride == 160 and frames.shape == (2, 100, 3)
    assert frames[0, 5:95].mean() == pytest.approx(40, rel=1e-3)  # 80 samples of power one half


def test_gradients_reach_the_encoder(exported):
    expert = UpstreamExpert(exported)
    sum(layer.sum() for layer in expert([noise(8000)])["hidden_states"]).backward()
    assert any(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in expert.parameters())


def test_the_folder_stands_alone(exported, tmp_path):
    moved = tmp_path / "elsewhere"
    exported.rename(moved)
    try:
        spec = importlib.util.spec_from_file_location("hubconf_of_test", moved / "hubconf.py")
        assert spec and spec.loader
        hubconf = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(hubconf)
        expert = hubconf.audiossl(ckpt=None, model_config=None, refresh=False)
        assert expert.encoder.encoder.padding == "invariant" and expert.stride == 320
        assert hubconf.audiossl_local(str(moved), padding="reference").encoder.encoder.padding == "reference"
        assert "-m s3prl.main SuperbSID" in (moved / "README.md").read_text()
        assert "UpstreamExpert" in (moved / "expert.py").read_text()
    finally:
        moved.rename(exported)


def test_mistakes_are_named(monkeypatch, exported, make_clicks, tmp_path):
    with pytest.raises(ConfigError, match="expected ckpt"):
        UpstreamExpert()
    with pytest.raises(ConfigError, match="got layers, model_config"):
        UpstreamExpert(exported, model_config="x.yaml", layers=3)
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigError, match="choose another --out"):
        export_s3prl("logmel", tmp_path / "mine")
    monkeypatch.setattr(s3prl, "load", lambda *_: Embedder(make_clicks(hop=400, sample_rate=48000)))
    with pytest.raises(ConfigError, match="whole samples of 16000 Hz"):
        UpstreamExpert("clicks")


def test_the_layout_of_published_models_is_written_again(checkpoint, tmp_path):
    folder = export_hf(str(checkpoint), tmp_path / "published")
    clip = noise(8000).numpy()
    np.testing.assert_array_equal(load(folder).embed(clip).frames, load(checkpoint).embed(clip).frames)
    with pytest.raises(ConfigError, match="LogMelEncoder"):
        export_hf("logmel", tmp_path / "other")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="other files"):
        export_hf(str(checkpoint), folder)
