from __future__ import annotations

import torch

from audiossl.exporters.xares import XaresEncoder
from audiossl.load import load


def test_a_class_with_a_name_is_made_without_arguments(checkpoint):
    class StudentEncoder(XaresEncoder):
        model = str(checkpoint)

    encoder = StudentEncoder()
    assert (encoder.sampling_rate, encoder.output_dim, encoder.hop_size_in_ms) == (16000, 16, 20.0)
    audio = 0.1 * torch.randn(2, 50000)
    frames = encoder(audio)
    torch.testing.assert_close(frames[1], load(checkpoint).embed(audio[1]).frames, atol=1e-5, rtol=0)
    assert isinstance(XaresEncoder(load("logmel")), torch.nn.Module) and XaresEncoder().output_dim == 80
