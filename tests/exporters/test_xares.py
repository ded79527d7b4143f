"""The file for X-ARES and XARES-LLM: the rules of both in our own words, for neither kit is on a registry."""

from __future__ import annotations

import inspect

import pytest
import torch
from test_export_hear import imported

from audiossl.embedding.embedder import Embedder
from audiossl.exporters.source import model_source
from audiossl.exporters.xares import XaresEncoder, XaresExport
from audiossl.load import load


def only_encoder(path):
    """What the kits find: the one name of the module that ends in Encoder, made without arguments."""
    module = imported(path)
    [name] = [name for name in dir(module) if name.endswith("Encoder")]
    return getattr(module, name)()


def follows_xares(encoder):
    """X-ARES: three attributes, and frames of its width for clips of one length."""
    assert type(encoder).__name__.endswith("Encoder") and isinstance(encoder, torch.nn.Module)
    assert encoder.sampling_rate > 0 and encoder.hop_size_in_ms > 0
    frames = encoder(torch.randn(2, 50000))
    assert isinstance(frames, torch.Tensor) and frames.shape[::2] == (2, encoder.output_dim)
    return frames


def follows_xares_llm(encoder):
    """XARES-LLM: a parameter to ask for the device, a second argument, and a pair for three clips of noise without a mask."""
    assert type(encoder).__name__.endswith("Encoder") and isinstance(encoder, torch.nn.Module)
    assert next(iter(encoder.parameters())).device.type == "cpu"
    assert len(inspect.signature(encoder.forward).parameters) >= 2
    given = encoder(torch.randn(3, 50000), None)
    assert isinstance(given, tuple) and len(given) == 2
    frames, mask = given
    assert frames.ndim == 3 and mask.ndim == 2
    assert frames.shape[::2] == (3, encoder.output_dim) and mask.shape == frames.shape[:2]
    return frames, mask


@pytest.mark.parametrize("name", ["logmel", "checkpoint"])
def test_an_exported_file_follows_the_rules_of_both(name, checkpoint, tmp_path):
    encoder = only_encoder(XaresExport().write(model_source(name if name == "logmel" else str(checkpoint)), tmp_path / "mine.py"))
    assert type(encoder).__name__ == "MineEncoder"
    follows_xares(encoder)
    _, mask = follows_xares_llm(encoder)
    assert mask.all() and mask.dtype == torch.long


def test_a_class_with_a_name_is_made_without_arguments(checkpoint):
    class StudentEncoder(XaresEncoder):
        model = str(checkpoint)

    encoder = StudentEncoder()
    assert (encoder.sampling_rate, encoder.output_dim, encoder.hop_size_in_ms) == (16000, 16, 20.0)
    audio = 0.1 * torch.randn(2, 50000)
    frames = encoder(audio)
    torch.testing.assert_close(frames[1], load(checkpoint).embed(audio[1]).frames, atol=1e-5, rtol=0)
    assert isinstance(XaresEncoder(load("logmel")), torch.nn.Module) and XaresEncoder().output_dim == 80


def test_a_padded_clip_has_the_frames_that_it_has_alone(checkpoint):
    encoder = XaresEncoder(load(checkpoint))
    lengths = torch.tensor([20000, 50000, 7000])
    audio = 0.1 * torch.randn(3, 50000)
    given = (torch.arange(50000) < lengths[:, None]).int()
    frames, mask = encoder(audio, given)  # what lies in the padding is of no clip, and need not be zero
    for row, length in enumerate(lengths):
        alone, all_of_it = encoder(audio[row : row + 1, :length], None)
        assert int(mask[row].sum()) == all_of_it.shape[1]
        torch.testing.assert_close(frames[row, mask[row].bool()], alone[0], atol=1e-5, rtol=0)
        assert (frames[row, ~mask[row].bool()] == 0).all()


def test_a_model_of_another_rate_hears_16_khz_resampled(make_clicks):
    encoder = XaresEncoder(Embedder(make_clicks(32000, 640)))
    frames, _ = encoder(torch.zeros(1, 16000), audio_attention_mask=None)
    assert frames.shape[1] == 50 and encoder.sampling_rate == 32000
