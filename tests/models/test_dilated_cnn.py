import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.models.dilated_cnn import DilatedCNN, DilatedCNNConfig
from audiossl.models.encoder import Encoder

SMALL = DilatedCNNConfig(width=8, depth=3, dim=12)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return DilatedCNN(3, 50.0, SMALL).eval()


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(1, 90), min_size=2, max_size=4))
def test_a_window_gives_the_same_frames_alone_and_in_a_batch(encoder, lengths):
    generator = torch.Generator().manual_seed(sum(lengths))
    signal = torch.randn(len(lengths), 3, max(lengths), generator=generator)  # padding holds noise: it must not matter
    for row, size in enumerate(lengths):
        signal[row, :, size:] *= torch.nan if size % 2 else 100
    frames = encoder(signal, torch.tensor(lengths))
    for row, size in enumerate(lengths):
        alone = encoder(signal[row : row + 1, :, :size], torch.tensor([size]))
        assert int(frames.lengths[row]) == size == alone.last.shape[1]
        torch.testing.assert_close(frames.last[row, :size], alone.last[0], rtol=0, atol=1e-5)


def test_frames_are_those_of_sums_over_taps(encoder):
    """A second implementation: every output is a sum over three samples, looked up one by one."""
    x = torch.randn(3, 20)
    hidden = encoder.project.weight[..., 0] @ x + encoder.project.bias[:, None]
    for index, block in enumerate(encoder.blocks):
        change = hidden
        for convolution in (block.first, block.second):
            change = taps(functional.gelu(change), convolution, 2**index)
        if hidden.shape != change.shape:
            hidden = block.skip.weight[..., 0] @ hidden + block.skip.bias[:, None]
        hidden = hidden + change
    torch.testing.assert_close(encoder(x[None], torch.tensor([20])).last[0].T, hidden, rtol=1e-4, atol=1e-5)


def taps(x, convolution, dilation):
    out = convolution.bias[:, None].repeat(1, x.shape[1])
    for place in range(x.shape[1]):
        for tap, source in enumerate((place - dilation, place, place + dilation)):
            if 0 <= source < x.shape[1]:
                out[:, place] += convolution.weight[..., tap] @ x[:, source]
    return out


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_frame_sees_as_many_samples_as_stated(depth):
    encoder = DilatedCNN(1, 50.0, DilatedCNNConfig(width=4, depth=depth, dim=4)).eval()
    size, half = 2 ** (depth + 4) + 1, (2 ** (depth + 3) - 3) // 2
    signal = torch.randn(1, 1, size, requires_grad=True)
    encoder(signal, torch.tensor([size])).last[0, size // 2].sum().backward()
    seen = signal.grad[0, 0].nonzero()[:, 0]
    assert (int(seen.min()), int(seen.max())) == (size // 2 - half, size // 2 + half)


def test_hidden_samples_do_not_matter(encoder):
    signal, kept = torch.randn(2, 3, 40), torch.rand(2, 40) < 0.5
    other = torch.where(kept[:, None], signal, 7.0)
    lengths = torch.tensor([40, 31])
    assert torch.equal(encoder(signal, lengths, kept).last, encoder(other, lengths, kept).last)
    assert not torch.allclose(encoder(signal, lengths, kept).last, encoder(signal, lengths).last)
    torch.testing.assert_close(encoder(signal, lengths, torch.ones_like(kept)).last, encoder(signal, lengths).last)


def test_it_meets_the_contract_at_its_stated_rate(encoder):
    assert isinstance(encoder, Encoder)
    assert (encoder.frame_rate, encoder.last_frame_rate, encoder.dim, encoder.alignment) == (50, 50, 12, 1)
    published = DilatedCNN(1, 50.0, DilatedCNNConfig(depth=10, dim=320))
    assert sum(p.numel() for p in published.parameters()) == 128 + 10 * 24_704 + 390_080  # projection, blocks, last block


@pytest.mark.parametrize("change", [{"width": 0}, {"depth": -1}, {"dim": 0}])
def test_impossible_sizes_are_refused(change):
    with pytest.raises(ConfigError, match="expected a positive width"):
        DilatedCNNConfig(**change)
