"""Transformations of windows and of their frames."""

import pytest
import torch

from audiossl.errors import ConfigError
from audiossl.objectives.transform_code import TransformConfig, Transforms


def of(factor=1.0, speed=1.0, is_reversed=False, band=(0.0, 1.0)):
    ends = torch.tensor([band])
    return Transforms(torch.tensor([factor]), torch.tensor([speed]), torch.tensor([is_reversed]), ends, torch.zeros(1, 11))


def test_what_they_do_to_a_signal():
    x, length = torch.arange(1.0, 9).reshape(1, 1, 8), torch.tensor([6])
    x[..., 6:] = 0
    assert of().of_signal(x, length)[0].tolist() == x.tolist()
    assert of(-2.0).of_signal(x, length)[0].tolist() == (-2 * x).tolist()
    assert of(is_reversed=True).of_signal(x, length)[0].flatten().tolist() == [6, 5, 4, 3, 2, 1, 0, 0]
    fast, size = of(speed=2.0).of_signal(x, length)
    assert fast.flatten().tolist() == [1.5, 3.5, 5.5, 0, 0, 0, 0, 0] and size.tolist() == [3]
    slow, size = of(speed=0.5).of_signal(x, length)
    assert slow.flatten()[:6].tolist() == [1, 1.25, 1.75, 2.25, 2.75, 3.25] and size.tolist() == [6]


def test_reversing_twice_is_nothing():
    x, lengths = torch.randn(1, 3, 20), torch.tensor([20])
    turn = of(is_reversed=True)
    torch.testing.assert_close(turn.of_signal(*turn.of_signal(x, lengths))[0], x)


@pytest.mark.parametrize("transform", [of(), of(is_reversed=True), of(speed=1.25), of(speed=0.8, is_reversed=True)])
def test_frames_move_as_the_signal_does(transform):
    """Frames that hold the mean time of their samples hold that of the moved samples."""
    hop, length = 4, torch.tensor([80])
    times = torch.arange(80.0).reshape(1, 1, 80)
    frames, counts = transform.of_frames(times.unflatten(2, (20, hop)).mean(3), length // hop, length, 0, hop)
    moved, sizes = transform.of_signal(times, length)
    wanted = moved[..., : int(sizes) // hop * hop].unflatten(2, (-1, hop)).mean(3)
    inner = slice(1, min(int(counts), wanted.shape[2]) - 1)
    torch.testing.assert_close(frames[..., inner], wanted[..., inner], atol=1e-4, rtol=0)


def test_codes_say_all_and_depend_on_the_id_alone():
    config = TransformConfig(gains=[0.5, 3.0], speeds=[1.0])
    ids = [f"w{i}" for i in range(64)]
    drawn = Transforms.draw(ids, (0, 1), config)
    assert drawn.code.shape == (64, config.width) and 20 < int(drawn.is_reversed.sum()) < 44
    sign = 1 - 2 * drawn.code[:, 0]
    torch.testing.assert_close(drawn.factor, sign * (drawn.code[:, 2] * 0.5 + drawn.code[:, 3] * 3))
    assert torch.equal(drawn.code[:, 1].bool(), drawn.is_reversed) and torch.equal(drawn.speed, torch.ones(64))
    again = Transforms.draw(ids[::-1], (0, 1), config)
    assert torch.equal(again.code, drawn.code.flip(0))
    where = drawn.code[:, 5:].argmax(1)
    assert torch.equal(drawn.band, torch.tensor(config.bands)[where]) and where.unique().tolist() == [0, 1, 2]
    only = {"negate": False, "reverse": False, "gains": [1.0], "speeds": [1.0], "bands": [[0.0, 1.0]]}
    plain = Transforms.draw(ids, (0, 1), TransformConfig(**only))
    assert not bool(plain.is_reversed.any()) and torch.equal(plain.factor, torch.ones(64))


def test_impossible_factors_are_refused():
    with pytest.raises(ConfigError, match="speeds above 0"):
        TransformConfig(speeds=[0.0])
    with pytest.raises(ConfigError, match="gains above 0"):
        TransformConfig(gains=[])
    for bands in ([], [[0.5, 0.25]], [[0.0, 1.5]], [[0.5]]):
        with pytest.raises(ConfigError, match="bands as pairs of rising shares"):
            TransformConfig(bands=bands)


def test_a_band_keeps_the_tones_inside_of_it_whatever_the_padding():
    """Of a constant, a slow and a fast tone, each a whole number of periods long; the second window is shorter."""
    times = torch.arange(40.0)
    parts = [torch.ones(40), torch.sin(2 * torch.pi * times * 0.1), torch.sin(2 * torch.pi * times * 0.3)]
    for band, inside in (((0.0, 0.25), parts[:2]), ((0.25, 1.0), parts[2:]), ((0.1, 1.0), parts[1:]), ((0.0, 1.0), parts)):
        both = Transforms(torch.ones(2), torch.ones(2), torch.tensor([False] * 2), torch.tensor([band] * 2), torch.zeros(2, 1))
        signal = sum(parts).repeat(2, 1, 1)
        signal[1, :, 20:] = 0
        found, sizes = both.of_signal(signal, torch.tensor([40, 20]))
        expected = sum(inside)
        torch.testing.assert_close(found[0, 0], expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(found[1, 0, :20], expected[:20], atol=1e-5, rtol=0)
        assert not found[1, :, 20:].any() and sizes.tolist() == [40, 20]


def test_bands_that_cover_everything_add_up_to_the_window():
    x, lengths = torch.randn(1, 3, 21), torch.tensor([21])
    low, high = (of(band=band).of_signal(x, lengths)[0] for band in ((0.0, 0.25), (0.25, 1.0)))
    torch.testing.assert_close(low + high, x, atol=1e-5, rtol=1e-5)
