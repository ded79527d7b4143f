"""Resemblyzer's encoder against transformers' spectrogram and one three-layer LSTM, on random weights in the true layout."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
import torch
from torch import nn

import audiossl
from audiossl.errors import StoreError
from audiossl.models.encoder import Encoder
from audiossl.teachers.hugging_face_loading import import_transformers
from audiossl.teachers.resemblyzer import WEIGHTS_FILE, Resemblyzer


@pytest.fixture(scope="module")
def published():
    torch.manual_seed(0)
    return nn.LSTM(40, 256, 3, batch_first=True).requires_grad_(False)


@pytest.fixture(scope="module")
def encoder(published):
    return Resemblyzer({f"lstm.{name}": value for name, value in published.state_dict().items()})


def test_it_equals_the_wheels_own_computation(encoder, published):
    signal = torch.randn(1, 1, 8000) * 0.1
    pytest.importorskip("transformers")
    audio = import_transformers().audio_utils
    bands = audio.mel_filter_bank(201, 40, 0.0, 8000.0, 16000, norm="slaney", mel_scale="slaney")
    samples = signal[0, 0].numpy().astype(np.float64)
    mel = audio.spectrogram(samples, audio.window_function(400), 400, 160, power=2.0, pad_mode="constant", mel_filters=bands)
    expected, _ = published(torch.from_numpy(mel.T.astype(np.float32))[None])
    frames = encoder(signal, torch.tensor([8000]))
    torch.testing.assert_close(frames.last, expected, rtol=1e-4, atol=1e-5)
    assert frames.lengths.tolist() == [51] and len(frames.layers) == 3


def test_a_clip_gives_the_same_frames_alone_and_in_a_batch(encoder):
    signal = torch.randn(2, 1, 9000)
    together = encoder(signal, torch.tensor([9000, 4321]))
    alone = encoder(signal[1:, :, :4321], torch.tensor([4321]))
    for whole, part in zip(together.layers, alone.layers, strict=True):
        torch.testing.assert_close(whole[1, : 4321 // 160 + 1], part[0], rtol=0, atol=1e-5)
    assert isinstance(encoder, Encoder)


def test_it_is_read_from_an_unpacked_wheel_and_a_damaged_one_is_named(tmp_path, monkeypatch, published):
    monkeypatch.setattr(import_module("audiossl.signals.fetch"), "fetch", lambda *_, **__: tmp_path)
    path = tmp_path / WEIGHTS_FILE
    path.parent.mkdir()
    torch.save({"step": 1, "model_state": {f"lstm.{name}": value for name, value in published.state_dict().items()}}, path)
    assert audiossl.load("resemblyzer").embed(torch.zeros(16000)).frames.shape == (101, 256)
    path.write_bytes(b"PK")
    with pytest.raises(StoreError, match="not Resemblyzer's checkpoint"):
        audiossl.load("resemblyzer")
