import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from window_examples import reorder, small_dilated_cnn, small_resnet, windows

from audiossl.errors import ConfigError
from audiossl.models.encoder import Frames
from audiossl.objectives.ts2vec import TS2Vec, TS2VecConfig, between_times, between_windows, hierarchical


def slow_contrast(a, b, other_times):
    """Equations 1 and 2 for every window, time and crop, by loops."""
    terms, (count, size, _) = [], a.shape
    for i in range(count):
        for t in range(size):
            for own, other in ((a, b), (b, a)):
                positive = math.exp(float(own[i, t] @ other[i, t]))
                rows = [(i, s) for s in range(size)] if other_times else [(j, t) for j in range(count)]
                total = sum(math.exp(float(own[i, t] @ other[place])) for place in rows)
                total += sum(math.exp(float(own[i, t] @ own[place])) for place in rows if place != (i, t))
                terms.append(-math.log(positive / total))
    return sum(terms) / len(terms)


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 4), st.integers(1, 5))
def test_both_contrasts_are_those_of_loops(count, size):
    a, b = torch.randn(2, count, size, 3, generator=torch.Generator().manual_seed(count * 10 + size))
    assert float(between_windows(a, b)) == pytest.approx(slow_contrast(a, b, False), rel=1e-4, abs=1e-5)
    assert float(between_times(a, b)) == pytest.approx(slow_contrast(a, b, True), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_the_loss_is_the_mean_over_scales(size):
    a, b = torch.randn(2, 3, size, 4)
    instance, temporal, left = [], [], (a, b)
    while True:
        instance.append(slow_contrast(*left, False))
        temporal.append(slow_contrast(*left, True))
        length = left[0].shape[1] // 2
        if not length:
            break
        left = tuple(torch.stack([x[:, 2 * t : 2 * t + 2].amax(1) for t in range(length)], 1) for x in left)
    found = hierarchical(a, b, 0.3)
    assert float(found["instance"]) == pytest.approx(0.3 * sum(instance) / len(instance), rel=1e-4)
    assert float(found["temporal"]) == pytest.approx(0.7 * sum(temporal) / len(temporal), rel=1e-4, abs=1e-6)


def test_equal_frames_give_the_logarithm_of_the_choices():
    a = torch.ones(3, 4, 2)
    assert float(between_windows(a, a)) == pytest.approx(math.log(5))
    assert float(between_times(a, a)) == pytest.approx(math.log(7))


def test_gradients_are_those_of_differences():
    a, b = (torch.randn(3, 4, 5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda a, b: sum(hierarchical(a, b).values()), (a, b))


class Positions(nn.Module):
    """Says where each frame's samples were: the mean of every stretch of `stride` samples."""

    dim, num_layers = 6, 1

    def __init__(self, stride, alignment, min_samples=1, rate=50.0):
        super().__init__()
        self.stride, self.alignment, self.min_samples = stride, alignment, min_samples
        self.sample_rate, self.frame_rate, self.last_frame_rate = rate, rate / stride, rate / stride
        self.frame_offset, self.seen = 0.0, []

    def forward(self, signal, lengths):
        self.seen.append(signal)
        frames = signal.unfold(2, self.stride, self.stride).mean(3).transpose(1, 2)
        return Frames.from_layers([frames], lengths // self.stride)


@pytest.mark.parametrize(("stride", "alignment"), [(1, 1), (4, 4), (2, 8)])
def test_overlapping_frames_are_of_the_same_samples(stride, alignment, monkeypatch):
    """With frames that only say where they are, both crops agree exactly; windows of other lengths have other offsets."""
    compared = []
    monkeypatch.setattr(
        "audiossl.objectives.ts2vec.hierarchical",
        lambda a, b, weight: compared.append((a, b)) or {"instance": a.sum(), "temporal": b.sum()},
    )
    objective = TS2Vec(Positions(stride, alignment))
    batch = windows(4, 100, lengths=[64, 80, 100, 70])
    batch.signal = torch.arange(100.0).expand(4, 6, 100) + 1000 * torch.arange(4.0)[:, None, None]
    starts = set()
    for epoch in range(20):
        batch.epoch = epoch
        objective(batch)
        a, b = compared[-1]
        assert torch.equal(a, b) and a.shape[1] * stride >= 2 * alignment
        first, second = objective.encoder.seen[-2:]
        assert first.shape[2] % alignment == second.shape[2] % alignment == 0
        assert bool((first[:, 0, 0] <= second[:, 0, 0]).all() and (first[:, 0, -1] <= second[:, 0, -1]).all())
        ends = second[:, 0, -1] - 1000 * torch.arange(4)
        assert bool((ends < batch.lengths).all())  # no padding
        starts.add(tuple((first[:, 0, 0] - 1000 * torch.arange(4)).tolist()))
    assert len(starts) > 10 and all(start % alignment == 0 for row in starts for start in row)
    assert any(len(set(row)) > 1 for row in starts)


@pytest.mark.parametrize("make", [small_dilated_cnn, small_resnet])
def test_the_order_of_a_batch_does_not_matter(make):
    objective = TS2Vec(make()).train()
    objective.encoder.eval()
    batch = windows(6, lengths=[64, 40, 64, 33, 64, 50])
    assert objective(reorder(batch, [3, 0, 5, 1, 4, 2])).mean() == pytest.approx(objective(batch).mean(), rel=1e-5)


def test_samples_are_hidden_in_training_only():
    batch = windows()
    hidden, seen = (TS2Vec(small_dilated_cnn(), TS2VecConfig(hidden=share)) for share in (0.5, 0.0))
    assert hidden.train()(batch).mean() != pytest.approx(seen.train()(batch).mean(), rel=1e-3)
    assert hidden(batch).mean() == hidden(batch).mean()  # drawn from the batch's key
    assert hidden.eval()(batch).mean() == seen.eval()(batch).mean()


def test_the_share_of_hidden_samples_and_that_crops_have_masks_of_their_own():
    objective = TS2Vec(small_dilated_cnn(), TS2VecConfig(hidden=0.3))
    first, second = (objective._kept(windows(20), 500, crop) for crop in ("first", "second"))
    assert float(first.float().mean()) == pytest.approx(0.7, abs=0.02)
    assert not torch.equal(first, second) and not torch.equal(first[0], first[1])


def test_short_windows_are_refused():
    with pytest.raises(ConfigError, match="at least 32 samples to crop for this encoder, got one of 31"):
        TS2Vec(Positions(16, 16))(windows(2, 40, lengths=[40, 31]))
    with pytest.raises(ConfigError, match="at least 50 samples"):
        TS2Vec(Positions(10, 10, min_samples=45))(windows(2, 40))


@pytest.mark.parametrize("change", [{"instance_weight": 1.5}, {"hidden": 1.0}])
def test_impossible_shares_are_refused(change):
    with pytest.raises(ConfigError, match="expected an instance_weight"):
        TS2VecConfig(**change)
