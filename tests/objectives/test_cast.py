"""CAST: crops, Grad-CAM over time, and what agrees with what."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional
from window_examples import small_resnet, windows

from audiossl.errors import ConfigError
from audiossl.models.encoder import Frames
from audiossl.objectives.cast import CAST, CASTConfig, agreement, draw_crop, grad_cam
from audiossl.objectives.frame_decoder import share_of_frames


def make(**options):
    torch.manual_seed(0)
    return CAST(small_resnet(), CASTConfig(**{"projector": [16, 8], "queue": 8, "smoothing": 0.06, **options})).eval()


def test_crops_keep_a_share_of_what_is_active():
    active = torch.zeros(100, dtype=torch.bool)
    active[80:90] = True
    drawn = [draw_crop(active, 10, 0.5, torch.Generator().manual_seed(seed)) for seed in range(100)]
    assert all(size >= 10 and start >= 0 and start + size <= 100 for start, size in drawn)
    assert all(int(active[start : start + size].sum()) >= 5 for start, size in drawn)
    assert len({*drawn}) > 50
    scattered = torch.zeros(100, dtype=torch.bool)
    scattered[[0, 99]] = True
    most = max(int(scattered[s : s + z].sum()) for s, z in [draw_crop(scattered, 50, 1.0, torch.Generator().manual_seed(3))])
    assert most >= 1, "where nothing keeps enough, what keeps most is taken"


def test_grad_cam_is_that_of_the_gradient_by_frames():
    values = torch.randn(3, 6, 4, requires_grad=True)
    lengths, key = torch.tensor([6, 4, 1]), torch.randn(3, 4)

    def similarity(pooled):
        return functional.cosine_similarity(pooled.tanh(), key)

    found = grad_cam(Frames.from_layers([values], lengths), similarity)
    for row, length in enumerate(lengths.tolist()):
        own = values[row : row + 1, :length].detach().requires_grad_()
        score = functional.cosine_similarity(own.mean(1).tanh(), key[row : row + 1])
        weights = torch.autograd.grad(score.sum(), own)[0][0].mean(0)
        seen = (own[0].detach() @ weights).clamp(min=0)
        wanted = (seen - seen.min()) / (seen.max() - seen.min()).clamp(min=1e-12)
        torch.testing.assert_close(found[row, :length].detach(), wanted, atol=1e-4, rtol=1e-4)
        assert not bool(found[row, length:].any())


def test_the_second_gradient_is_right():
    torch.manual_seed(1)
    values, key = torch.randn(2, 5, 3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    lengths, wanted = torch.tensor([5, 4]), torch.rand(2, 5)

    def loss(scale):
        frames = Frames.from_layers([values.float() * scale.float()], lengths)
        return (
            1 - agreement(grad_cam(frames, lambda p: functional.cosine_similarity(p.tanh(), key.float())), wanted, lengths)
        ).sum()

    scale = torch.tensor(1.3, requires_grad=True)
    found = float(torch.autograd.grad(loss(scale), scale)[0])
    step = 1e-2
    wanted_slope = (float(loss(torch.tensor(1.3 + step)).detach()) - float(loss(torch.tensor(1.3 - step)).detach())) / (2 * step)
    assert found == pytest.approx(wanted_slope, abs=2e-3)


def test_agreement_in_closed_form():
    seen = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 5.0], [0.0, 0.0, 0.0]])
    wanted = torch.tensor([[0.0, 0.3, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    assert agreement(seen, wanted, torch.tensor([3, 2, 3])).tolist() == pytest.approx([1, math.sqrt(0.5), 0])


def test_the_share_of_frames_that_is_marked():
    encoder = small_resnet()
    mask = torch.tensor([[1, 1, 0, 1, 1, 0, 0]], dtype=torch.bool)
    lengths = torch.tensor([5])
    frames = encoder.eval()(torch.zeros(1, 6, 7), lengths)
    assert share_of_frames(mask, frames, lengths, encoder).tolist()[0][:3] == [1.0, 0.5, 1.0]


def test_the_loss_is_the_weighted_mean_of_both_parts():
    batch = windows(5, lengths=[64, 40, 64, 33, 64])
    means = make().forward(batch).means()
    for beta, alpha in ((1.0, 0.0), (0.0, 2.0), (2.0, 1.0)):
        found = make(contrast_weight=beta, attention_weight=alpha)(batch).means()
        assert found["contrast"] == pytest.approx(4 * means["contrast"] * beta / (alpha + beta), rel=1e-5)
        assert found["attention"] == pytest.approx(4 / 3 * means["attention"] * alpha / (alpha + beta), rel=1e-5)
    assert 0 <= 4 / 3 * means["attention"] <= 1


def test_attention_trains_the_encoder_and_not_the_keys():
    objective = make(contrast_weight=0.0).train()
    objective(windows(4)).total.backward()
    assert all(parameter.grad is None for parameter in objective.target.parameters())
    assert bool(objective.encoder.stem.weight.grad.any()) and bool(objective.projector[0].weight.grad.any())


def test_silenced_keys_are_not_in_the_queue():
    objective, batch = make().train(), windows(4)
    (_, _), (second, _) = (objective._crop(view, batch, i) for i, view in enumerate(objective.views(batch)))
    keys = objective.key(*second)[1]
    objective(batch)
    assert int(objective.queue.filled) == 4
    torch.testing.assert_close(objective.queue.rows[:4], functional.normalize(keys, dim=1))


def test_without_gradients_the_loss_is_the_same():
    objective, batch = make(), windows(4)
    wanted = objective(batch).mean()
    with torch.no_grad():
        loss = objective(batch)
    assert loss.mean() == pytest.approx(wanted, rel=1e-5) and not loss.total.requires_grad


def test_half_precision_is_close():
    objective, batch = make(), windows(6)
    with torch.autocast("cpu", torch.bfloat16):
        found = objective(batch).mean()
    assert found == pytest.approx(objective(batch).mean(), rel=2e-2)


def test_constant_windows_have_a_loss():
    batch = windows(3)
    assert bool(make()(replace(batch, signal=torch.ones_like(batch.signal))).total.isfinite())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shortest": 0.0}, "shortest above 0"),
        ({"keep": 1.5}, "keep of 0 to 1"),
        ({"contrast_weight": 0.0, "attention_weight": 0.0}, "not both 0"),
        ({"smoothing": 0.0}, "smoothing above 0"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        make(**options)
