"""Joint clusters of frames and clips."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional
from window_examples import small_resnet, windows

from audiossl.errors import ConfigError
from audiossl.objectives.augmentations import augment
from audiossl.objectives.clusters import Clusters, ClustersConfig
from audiossl.objectives.swapped_clusters import sinkhorn

SMALL = {"projector": [16, 8], "prototypes": 12, "clip_prototypes": 6, "width": 16, "layers": 1, "heads": 2, "freeze_steps": 0}


def make(**options):
    torch.manual_seed(0)
    return Clusters(small_resnet(), ClustersConfig(**{**SMALL, **options})).eval()


@torch.no_grad()
def test_frames_predict_the_clusters_of_the_same_frames():
    objective, batch = make(frames=3), windows(4, lengths=[64, 40, 64, 33])
    scores = []
    for number in range(2):
        frames = objective.encoder(objective._view(batch.signal, batch.lengths, batch, number), batch.lengths)
        rows = []
        for i, length in enumerate(frames.last_lengths.tolist()):
            rows += [frames.last[i, int((place + 0.5) / 3 * length)] for place in range(3)]
        z = functional.normalize(objective.frame_head(torch.stack(rows)), dim=1)
        scores.append(z @ functional.normalize(objective.frame_prototypes, dim=1).T)
    codes = [sinkhorn(x) for x in scores]
    terms = [-(codes[1 - i] * (scores[i] / 0.1).log_softmax(1)).sum(1).mean() for i in range(2)]
    assert objective(batch).means()["frame"] == pytest.approx(float(sum(terms)) / 2, rel=1e-4)


@torch.no_grad()
def test_clips_and_mean_frames_predict_the_clusters_of_clips():
    objective, batch = make(), windows(4, lengths=[64, 40, 64, 33])
    batch = replace(batch, partner=windows(4, seed=1).signal, partner_lengths=torch.tensor([64] * 4))
    clips, means = [], []
    for number, signal, lengths in ((0, batch.signal, batch.lengths), (2, batch.partner, batch.partner_lengths)):
        frames = objective.encoder(objective._view(signal, lengths, batch, number), lengths)
        clip, mean = [], []
        for i, count in enumerate(frames.last_lengths.tolist()):
            own = frames.last[i : i + 1, :count]
            clip.append(objective.transformer(own, torch.tensor([count])).mean(1))
            mean.append(own.mean(1))
        for found, head, rows in ((clips, objective.clip_head, clip), (means, objective.mean_head, mean)):
            z = functional.normalize(head(torch.cat(rows)), dim=1)
            found.append(z @ functional.normalize(objective.clip_prototypes, dim=1).T)
    codes = [sinkhorn(x) for x in clips]
    terms = [-(codes[1 - i] * (x[i] / 0.1).log_softmax(1)).sum(1).mean() for x in (clips, means) for i in range(2)]
    assert objective(batch).means()["clip"] == pytest.approx(float(sum(terms)) / 4, rel=1e-4)


@torch.no_grad()
def test_the_second_clip_may_get_drawn_changes():
    """Of the partner, and of the window itself where there is none."""
    objective, batch = make(drawn_clips=True, changes=[]), windows(4)
    other = windows(4, seed=1)
    for whole, signal in (
        (batch, batch.signal),
        (replace(batch, partner=other.signal, partner_lengths=other.lengths), other.signal),
    ):
        changed = augment(signal, batch.lengths, batch.ids, (3, 1, 2), objective.config.augmentations)
        assert not torch.equal(changed, signal)
        plain = replace(batch, partner=changed, partner_lengths=batch.lengths)
        assert objective(whole).means() == pytest.approx(make(changes=[])(plain).means())


def test_projectors_may_normalise_over_the_batch_and_frames_count_one_by_one():
    objective, batch = make(batch_norm=True).train(), windows(5)
    seen = []
    objective.frame_head[1].register_forward_hook(lambda _, inputs, out: seen.append(out.detach()))
    objective(batch).total.backward()
    assert [hidden.shape for hidden in seen] == [(5 * 8, 16)] * 2
    for hidden in seen:
        torch.testing.assert_close(hidden.mean(0), torch.zeros(16), atol=1e-5, rtol=0)
    assert not any(isinstance(layer, nn.BatchNorm1d) for layer in make().clip_head)


def test_hidden_frames_are_a_tenth_to_a_half_and_targets_have_no_gradient():
    objective, batch = make(), windows(40)
    lengths = torch.tensor([32, 20, 2, 1] * 10)
    hidden = objective._hidden(lengths, 32, batch)
    count = hidden.sum(1).view(10, 4)
    assert bool(((count[:, 0] >= 3) & (count[:, 0] <= 16)).all()) and count[:, 0].unique().numel() > 3
    assert count[:, 2].tolist() == [1] * 10 and count[:, 3].tolist() == [0] * 10
    assert not bool(hidden[torch.arange(32)[None] >= lengths[:, None]].any())
    frames = objective.encoder(batch.signal, batch.lengths)
    predicted = objective.predictor.register_forward_hook(lambda *_: torch.zeros(40, 32, 16))
    assert not objective._masked_loss(frames, batch).requires_grad, "nothing but the prediction is trained"
    assert float(objective._masked_loss(frames, batch)) == pytest.approx(1, abs=1e-2), "targets have deviation 1"
    predicted.remove()


def test_prototypes_rest_at_first():
    objective, batch = make(freeze_steps=3).train(), windows(6)
    for step, learns in ((0, False), (2, False), (3, True)):
        objective.zero_grad()
        objective.before_step(step, 0.0)
        objective(batch).total.backward()
        for prototypes in (objective.frame_prototypes, objective.clip_prototypes):
            assert prototypes.grad is not None and bool(prototypes.grad.any()) == learns
        assert bool(objective.frame_head[0].weight.grad.any())


def test_each_loss_can_be_switched_off_so_that_twins_can_be_compared():
    batch = windows(6)
    whole = make()(batch).means()
    frame_only = make(clip_weight=0.0, masked_weight=0.0)(batch)
    assert frame_only.mean() == pytest.approx(whole["frame"]) and frame_only.means()["clip"] == 0


def test_half_precision_is_close():
    objective, batch = make(), windows(6)
    with torch.autocast("cpu", torch.bfloat16):
        found = objective(batch).mean()
    assert found == pytest.approx(objective(batch).mean(), rel=1e-2)


def test_windows_of_one_frame():
    loss = make().train()(windows(3, 6, lengths=[2, 6, 1]))
    loss.total.backward()
    assert bool(loss.total.isfinite())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"changes": ["permute"]}, "changes that leave samples at their times"),
        ({"width": 18, "heads": 4}, "the heads divide"),
        ({"hide_least": 0.6}, "0 < hide_least <= hide_most < 1"),
        ({"prototypes": 0}, "prototypes above 0"),
        ({"frame_weight": -1.0}, "weights of at least 0"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        make(**options)
