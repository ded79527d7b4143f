"""Crops with known start, speed and direction."""

import pytest
import torch

from audiossl.errors import ConfigError
from audiossl.objectives.crops import CropConfig, Crops, cut_crops, played
from audiossl.objectives.window_batch import WindowBatch

LENGTHS = torch.tensor([50, 33, 2, 1])
IDS = ["a", "b", "c", "d"]


def ramps(size=50):
    """Every sample says its time, half way through it."""
    signal = (torch.arange(size) + 0.5).expand(4, 2, size).clone()
    for row, length in enumerate(LENGTHS.tolist()):
        signal[row, :, length:] = 0
    return signal


@pytest.mark.parametrize("config", [CropConfig(), CropConfig(stretch=0.0), CropConfig(0.9, 0.5, 1.0)])
@pytest.mark.parametrize("epoch", range(4))
def test_a_crop_shows_the_times_that_it_says(config, epoch):
    crops = cut_crops(ramps(), LENGTHS, IDS, (3, epoch), config)
    for row, length in enumerate(LENGTHS.tolist()[:3]):
        for view in range(2):
            count = int(crops.lengths[row, view])
            times = crops.start[row, view] + crops.speed[row, view] * (torch.arange(count) + 0.5)
            torch.testing.assert_close(crops.signal[row, view, 0, :count], times, rtol=1e-5, atol=1e-4)
            assert not crops.signal[row, view, :, count:].any()
            edges = sorted([float(crops.start[row, view]), float(crops.start[row, view] + crops.speed[row, view] * count)])
            assert edges[0] >= -1e-4 and edges[1] <= length + 1e-4 and edges[1] - edges[0] >= config.shortest * length - 1e-4
            assert 1 / (1 + config.stretch) - 0.05 < abs(crops.speed[row, view]) * 1 < 1 + config.stretch + 0.05 or length == 2
            assert bool(crops.speed[row, view] < 0) == (config.reverse == 1)
    assert crops.lengths[3].tolist() == [1, 1]


def test_without_changes_a_crop_is_a_piece_of_the_signal():
    signal = torch.randn(4, 2, 50)
    crops = cut_crops(signal, LENGTHS, IDS, (0, 0), CropConfig(stretch=0.0))
    start, count = int(crops.start[0, 1]), int(crops.lengths[0, 1])
    assert torch.equal(crops.view(1)[0][0, :, :count], signal[0, :, start : start + count])
    whole = cut_crops(signal, LENGTHS, IDS, (0, 0), CropConfig(1.0, 0.0))
    assert torch.equal(whole.signal[0, 0], signal[0]) and whole.start.tolist() == [[0.0, 0.0]] * 4


def test_draws_are_of_the_item_whatever_its_batch():
    signal = ramps()
    together = cut_crops(signal, LENGTHS, IDS, (0, 1))
    alone = cut_crops(signal[1:2], LENGTHS[1:2], IDS[1:2], (0, 1))
    assert torch.equal(together.start[1:2], alone.start) and torch.equal(together.lengths[1:2], alone.lengths)
    assert not torch.equal(cut_crops(signal, LENGTHS, IDS, (0, 2)).start, together.start)


def test_a_batch_moves_with_its_crops():
    batch = WindowBatch.of(torch.randn(2, 3, 20))
    batch.crops = cut_crops(batch.signal, batch.lengths, batch.ids, (0, 0))
    moved = batch.to("meta")
    assert isinstance(moved.crops, Crops) and {moved.crops.signal.device.type, moved.crops.speed.device.type} == {"meta"}
    assert batch.crops.signal.device.type == "cpu" and moved.ids == batch.ids


def test_backwards_is_the_same_the_other_way_round():
    x = torch.randn(2, 20)
    assert torch.equal(played(x, 20.0, -1.0, 20), x.flip(1))


@pytest.mark.parametrize("options", [{"shortest": 0.5}, {"shortest": 1.1}, {"stretch": -0.1}, {"reverse": 2.0}])
def test_impossible_crops_are_refused(options):
    with pytest.raises(ConfigError, match=r"expected crops with shortest above 0\.5"):
        CropConfig(**options)
