from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

from audiossl.embedding import Embedder
from audiossl.embedding.sources import FileSource, open_source
from audiossl.errors import DataError


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "ein Ton – été.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, (8000, 2)), 4000)
    return path


def test_file_is_mixed_down_and_blocks_equal_the_whole(wav, monkeypatch):
    monkeypatch.setattr("audiossl.embedding.sources.BLOCK_SECONDS", 0.13)
    source = FileSource(wav, 1000.0)
    blocks = list(source.blocks())
    assert len(blocks) == 16 and source.num_samples == 2000
    assert torch.allclose(torch.cat(blocks, dim=1), source.read(), atol=1e-6)


def test_long_file_is_streamed_on_the_same_grid(wav, toy, monkeypatch):
    monkeypatch.setattr("audiossl.embedding.sources.BLOCK_SECONDS", 0.13)
    monkeypatch.setattr(FileSource, "read", None)  # long files are never read whole
    streamed = Embedder(toy, window_seconds=0.6, context_seconds=0.16).embed(wav)
    monkeypatch.undo()
    whole = Embedder(toy).embed(str(wav))
    assert streamed.frames.shape == whole.frames.shape
    assert (streamed.frames - whole.frames).abs().max() < 1e-6


@pytest.mark.parametrize(("signal", "message"), [(3.0, "float"), (None, "NoneType"), ("nowhere.wav", "nowhere.wav")])
def test_what_is_no_signal(signal, message):
    with pytest.raises(DataError, match=message):
        open_source(signal, 16000.0)


def test_models_of_slow_signals_take_no_files(wav):
    with pytest.raises(DataError, match="pass arrays"):
        open_source(wav, 50.0)


def test_very_short_array_survives_resampling():
    assert open_source(np.ones(1), 1000.0, 48000).read().shape == (1, 1)
