"""Stretches of other windows: which they are, how long, and that signals and frames are cut alike."""

import pytest
import torch

from audiossl.objectives.cutmix import CutMix
from audiossl.objectives.window_batch import WindowBatch


def drawn(lengths, hop=4, beta=4.0, seed=0):
    """Windows that hold their own number, and a mixture of them."""
    signal = torch.zeros(len(lengths), 1, max(lengths))
    for row, length in enumerate(lengths):
        signal[row, :, :length] = row + 1
    windows = WindowBatch.of(signal, torch.tensor(lengths))
    return windows, CutMix.draw(windows, hop, beta, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("seed", range(4))
def test_a_stretch_is_whole_frames_where_all_windows_have_a_signal(seed):
    windows, mixture = drawn([40, 26, 40, 33], seed=seed)
    assert 0 <= mixture.count <= 6 and mixture.share == mixture.count / 6
    mixed = mixture.of_signal(windows)
    frames = mixture.of_frames(torch.arange(1.0, 5)[:, None, None].expand(4, 10, 1))[..., 0]
    for row, (begin, other) in enumerate(zip(mixture.start.tolist(), mixture.order.tolist(), strict=True)):
        expected = windows.signal[row, 0].clone()
        expected[4 * begin : 4 * (begin + mixture.count)] = other + 1
        assert torch.equal(mixed.signal[row, 0], expected) and begin + mixture.count <= 6
        assert frames[row, :6].tolist() == expected[:24:4].tolist()
    assert torch.equal(mixed.lengths, windows.lengths)


def test_half_of_a_window_is_anothers_in_the_mean():
    shares = torch.tensor([drawn([400, 400], seed=seed)[1].share for seed in range(300)])
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(shares.var()) == pytest.approx(1 / 36, abs=0.008)  # of Beta(4, 4)


@pytest.mark.parametrize(("lengths", "beta"), [([4, 4], 4.0), ([3, 40], 4.0), ([40, 40], 0.0)])
def test_nothing_is_mixed_without_frames_or_if_it_is_not_asked_for(lengths, beta):
    windows, mixture = drawn(lengths, beta=beta)
    assert mixture.count == mixture.share == 0
    assert torch.equal(mixture.of_signal(windows).signal, windows.signal)
