import math

import pytest
import torch
from torch import nn
from torch.nn import functional
from window_examples import reorder, small_dilated_cnn, small_resnet, windows

from audiossl.errors import ConfigError
from audiossl.models.encoder import Frames
from audiossl.objectives.ts_tcc import TSTCC, TSTCCConfig


def make(encoder=None, **options):
    torch.manual_seed(0)
    return TSTCC(encoder or small_resnet(), TSTCCConfig(**options))


def slow_prediction(objective, context, frames, now, lengths):
    """Equation 1 for every step and window, by loops over the windows that reach so far."""
    terms = []
    for ahead, predictor in enumerate(objective.predictors, start=1):
        there = [i for i in range(len(frames)) if now[i] + ahead < lengths[i]]
        for i in there:
            prediction = predictor(context[i])
            scores = {j: float(prediction @ frames[j, now[j] + ahead]) for j in there}
            terms.append(-scores[i] + math.log(sum(math.exp(score) for score in scores.values())))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("lengths", [None, [64, 10, 64, 2, 64, 5]])
def test_the_loss_is_that_of_loops(lengths):
    objective, batch = make(temperature=0.3, temporal=0.9, contextual=0.4).eval(), windows(lengths=lengths)
    with torch.no_grad():
        weak, sizes = objective._frames(batch, "weak", ["scale", "noise"])
        strong, _ = objective._frames(batch, "strong", ["permute", "noise"])
        torch.testing.assert_close(weak.norm(dim=2), torch.ones(weak.shape[:2]))
        now = objective._now(batch, sizes).tolist()
        pasts = [
            torch.stack([objective.recurrence(view[i : i + 1, : now[i] + 1])[1][0, 0] for i in range(6)])
            for view in (weak, strong)
        ]
        expected = slow_prediction(objective, pasts[0], strong, now, sizes)
        expected += slow_prediction(objective, pasts[1], weak, now, sizes)
        z = functional.normalize(torch.cat([objective.projector(past) for past in pasts]), dim=1)
    choices = (z @ z.T / 0.3).fill_diagonal_(-torch.inf).log_softmax(1)
    contextual = -sum(float(choices[i, (i + 6) % 12]) for i in range(12)) / 12
    loss = objective(batch)
    assert loss.means()["temporal"] == pytest.approx(0.9 * expected, rel=1e-4)
    assert loss.means()["contextual"] == pytest.approx(0.4 * contextual, rel=1e-4)
    assert loss.mean() == pytest.approx(0.9 * expected + 0.4 * contextual, rel=1e-4)


@pytest.mark.parametrize("make_encoder", [small_resnet, small_dilated_cnn])
def test_the_order_of_a_batch_does_not_matter(make_encoder):
    objective, batch = make(make_encoder()).eval(), windows(6, lengths=[64, 40, 64, 3, 64, 50])
    assert objective(reorder(batch, [3, 0, 5, 1, 4, 2])).mean() == pytest.approx(objective(batch).mean(), rel=1e-5)


def test_padding_does_not_matter():
    objective, batch = make().eval(), windows(6, lengths=[64, 40, 64, 3, 64, 50])
    wider = windows(6, lengths=[64, 40, 64, 3, 64, 50])
    wider.signal = functional.pad(batch.signal, (0, 30))
    assert objective(wider).mean() == pytest.approx(objective(batch).mean(), rel=1e-5)


def test_the_present_leaves_room_for_all_steps_where_it_can():
    objective, batch = make(steps=4), windows(200, 64)
    lengths = torch.tensor([20, 5, 4, 1] * 50)
    now = objective._now(batch, lengths).view(50, 4)
    assert (now.amin(0).tolist(), now.amax(0).tolist()) == ([0] * 4, [15, 0, 0, 0])
    assert torch.equal(objective._now(batch, lengths).view(50, 4), now)


class Flat(nn.Module):
    """The same frame for every second sample."""

    dim, sample_rate, frame_rate, last_frame_rate, frame_offset = 4, 50.0, 25.0, 25.0, 0.0
    num_layers = min_samples = 1
    alignment = 2

    def forward(self, signal, lengths):
        return Frames.from_layers([torch.ones(len(signal), signal.shape[2] // 2, 4)], lengths // 2)


def test_equal_frames_give_the_logarithm_of_the_choices():
    means = make(Flat(), batch_norm=False)(windows(5, 8)).means()  # four frames: all contexts have heard one
    assert means["temporal"] == pytest.approx(2 * math.log(5), rel=1e-5)
    assert means["contextual"] == pytest.approx(0.7 * math.log(9), rel=1e-5)


def test_windows_of_one_frame_are_refused_where_no_other_has_more():
    objective = make().eval()
    with pytest.raises(ConfigError, match="no window has a frame ahead"):
        objective(windows(3, 2))
    assert objective(windows(3, 6, lengths=[2, 6, 1])).mean() > 0


@pytest.mark.parametrize(("options", "message"), [({"weak": ["bend"]}, "no change 'bend'"), ({"steps": 0}, "at least one step")])
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        TSTCCConfig(**options)
