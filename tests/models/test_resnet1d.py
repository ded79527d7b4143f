import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import ConfigError
from audiossl.models.encoder import Encoder
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    model = ResNet1d(3, 50.0)
    model(torch.randn(32, 3, 64), torch.full((32,), 64))  # running statistics that are not those of a fresh norm
    return model.eval()


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(1, 90), min_size=2, max_size=4))
def test_a_window_gives_the_same_frames_alone_and_in_a_batch(encoder, lengths):
    generator = torch.Generator().manual_seed(sum(lengths))
    signal = torch.randn(len(lengths), 3, max(lengths), generator=generator)  # padding holds noise: it must not matter
    frames = encoder(signal, torch.tensor(lengths))
    for row, size in enumerate(lengths):
        alone = encoder(signal[row : row + 1, :, :size], torch.tensor([size]))
        count = int(alone.lengths[0])
        assert count == int(frames.lengths[row]) == -(-size // 16)
        torch.testing.assert_close(frames.last[row, :count], alone.last[0], rtol=0, atol=1e-5)


def test_padding_does_not_change_training_statistics():
    torch.manual_seed(1)
    config = ResNet1dConfig(dropout=0.0)
    short, long = torch.randn(2, 3, 40), torch.randn(2, 3, 64)
    padded = torch.cat([torch.nn.functional.pad(short, (0, 24), value=9.0), long])
    wider = torch.nn.functional.pad(padded, (0, 32), value=-5.0)
    lengths = torch.tensor([40, 40, 64, 64])
    models = [ResNet1d(3, 50.0, config) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    models[0](padded, lengths)
    models[1](wider, lengths)
    for name, value in models[0].state_dict().items():
        torch.testing.assert_close(value, models[1].state_dict()[name], msg=name)


def test_it_meets_the_contract_at_its_stated_rate(encoder):
    assert isinstance(encoder, Encoder)
    assert (encoder.frame_rate, encoder.dim, encoder.alignment) == (50 / 16, 128, 16)
    assert sum(p.numel() for p in ResNet1d(1, 50.0).parameters()) == 205_440  # published: 217,204, of which 11,764 are not used


def test_evaluation_is_the_same_twice_and_training_is_not(encoder):
    signal, lengths = torch.randn(4, 3, 64), torch.full((4,), 64)
    assert torch.equal(encoder(signal, lengths).last, encoder(signal, lengths).last)
    encoder.train()
    first, second = encoder(signal, lengths).last, encoder(signal, lengths).last
    encoder.eval()
    assert not torch.equal(first, second)


@pytest.mark.parametrize("change", [{"kernel": 4}, {"num_blocks": 0}, {"width": 3}])
def test_impossible_sizes_are_refused(change):
    with pytest.raises(ConfigError, match="expected an odd kernel"):
        ResNet1dConfig(**change)
