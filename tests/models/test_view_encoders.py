from typing import get_args

import pytest
import torch

from audiossl.errors import ConfigError
from audiossl.models.view_encoders import ViewKind, make_view_encoder


@pytest.mark.parametrize("kind", get_args(ViewKind))
def test_a_window_gives_the_same_vector_alone_and_in_a_batch(kind):
    torch.manual_seed(0)
    encoder = make_view_encoder(kind, 2, 32)
    lengths = torch.tensor([96, 41, 77, 41])
    signal = torch.randn(4, 2, 96)
    encoder(signal[[0, 0, 0]] * torch.tensor([1.0, 2.0, 0.5])[:, None, None], torch.tensor([96, 96, 96]))
    encoder.eval()
    for row, size in enumerate(lengths):
        signal[row, :, size:] = 0
    together = encoder(signal, lengths)
    for row, size in enumerate(lengths.tolist()):
        alone = encoder(signal[row : row + 1, :, :size], lengths[row : row + 1])
        torch.testing.assert_close(together[row], alone[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", get_args(ViewKind))
def test_every_parameter_learns(kind):
    encoder = make_view_encoder(kind, 2, 32)
    encoder(torch.randn(4, 2, 64), torch.full((4,), 64)).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in encoder.parameters())


def test_the_plane_encoder_tells_scales_apart():
    """Two tones of one strength must not give one vector: the mean is taken over time only."""
    torch.manual_seed(0)
    encoder = make_view_encoder("gabor", 1, 32).eval()
    time = torch.arange(128) / 50
    tones = torch.stack([torch.sin(6.283 * f * time) for f in (2.0, 12.0)])[:, None]
    slow, fast = encoder(tones, torch.full((2,), 128)).detach()
    assert float((slow - fast).norm()) > 0.1 * float(slow.norm())


def test_published_sizes_can_be_asked_for():
    options = {"num_scales": 48, "min_scale": 1.0, "max_scale": 128.0, "mode": "paper", "hop": 1, "gain": 0.0}
    encoder = make_view_encoder("gabor", 1, 128, {**options, "widths": (32, 64, 96, 128), "kernel": 5})
    assert encoder(torch.randn(2, 1, 64), torch.full((2,), 64)).shape == (2, 128)
    convolutions = sum(conv.weight.numel() for conv in encoder.convs)
    assert convolutions == 25 * (32 + 32 * 64 + 65 * 96 + 97 * 128)


def test_unknown_kinds_and_options_are_refused():
    with pytest.raises(ConfigError, match="there is no view 'wavelet'"):
        make_view_encoder("wavelet", 1, 32)
    with pytest.raises(ConfigError, match="an option of the view 'gabor' is not known"):
        make_view_encoder("gabor", 1, 32, {"scales": 3})
    with pytest.raises(ConfigError, match="an even width"):
        make_view_encoder("fourier", 1, 33)
