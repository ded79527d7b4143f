"""Alice: distributions over prototypes, aligned frames, reconstruction, and what is state."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional
from toy_encoder import HOP, BareEncoder
from window_examples import bring, small_resnet, take_steps, windows

from audiossl.errors import ConfigError
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.objectives.alice import Alice, AliceConfig, cross_entropy
from audiossl.objectives.objective import Needs
from audiossl.objectives.pooling import mean_frame
from audiossl.objectives.window_batch import WindowBatch

SMALL = {"width": 16, "head": [16], "prototypes": 32}
LENGTHS = [64, 40, 64, 33, 64, 50]


def make(encoder=None, **options):
    torch.manual_seed(0)
    return Alice(encoder or small_resnet(), AliceConfig(**{**SMALL, **options}))


def pairs(count=6, lengths=None, seed=0):
    return bring(windows(count, lengths=lengths, seed=seed), Needs.DENSE_ENCODER)


@pytest.mark.parametrize("count", [2, 32])
def test_closed_forms_of_the_cross_entropy(count):
    same, sharp = torch.zeros(3, count), 1000 * torch.eye(count)[:2]
    assert cross_entropy(same, same).tolist() == pytest.approx([math.log(count)] * 3)
    assert cross_entropy(same[:2], sharp).tolist() == pytest.approx([math.log(count)] * 2)
    assert cross_entropy(sharp, sharp).tolist() == pytest.approx([0, 0], abs=1e-6)
    assert cross_entropy(0.01 * sharp, sharp).tolist() == pytest.approx([math.log(1 + (count - 1) * math.exp(-10))] * 2, abs=1e-6)
    half = torch.randn(2, 4, 8).bfloat16()
    assert torch.allclose(cross_entropy(half[0], half[1]), cross_entropy(half[0].float(), half[1].float()), atol=1e-3)


def test_the_three_losses_by_hand():
    objective, batch = make(mask=0.5, rebuild_weight=3.0).eval(), pairs(4, [64, 40, 64, 33])
    objective.window_centre.normal_(), objective.frame_centre.normal_()
    for parameter in objective.teacher.parameters():
        parameter.data.add_(0.02)
    signal, lengths, ids = objective._crops(batch)
    kept = objective._kept(batch, ids, signal, lengths)
    window = frame = rebuild = 0.0
    with torch.no_grad():
        taught, seen = objective.teacher[0](signal, lengths), objective.encoder(signal * kept, lengths)
        logits = objective.teacher[1](mean_frame(taught)), objective.head(mean_frame(seen))
        for row in range(8):
            other, count, size = (row + 4) % 8, int(seen.last_lengths[row]), int(lengths[row])
            target = ((logits[0][other] - objective.window_centre) / 0.01).softmax(0)
            window -= float((target * (logits[1][row] / 0.1).log_softmax(0)).sum())
            of_student, of_teacher = seen.last[row : row + 1, :count], taught.last[row : row + 1, :count]
            ask = torch.tensor([count])
            aligned = objective.attention(of_student, of_student, ask)
            target = objective.teacher[2](objective.attention(of_student, of_teacher, ask))
            target = ((target - objective.frame_centre) / 0.01).softmax(-1)
            frame -= float((target * (objective.frame_head(aligned) / 0.1).log_softmax(-1)).sum(-1).mean())
            samples = objective.decoder(aligned)[0].unflatten(1, (6, 2)).transpose(0, 1).flatten(1)[:, :size]
            rebuild += float((samples - signal[row, :, :size]).square().mean()) / 2
    found = objective(batch).means()
    assert found == pytest.approx({"window": window / 8, "frame": frame / 8, "rebuild": 3 * rebuild / 8}, rel=1e-4)


def test_the_student_alone_learns_and_the_target_has_no_gradient():
    objective, batch = make().train(), pairs()
    objective(batch).total.backward()
    assert all(p.grad is None for p in objective.teacher.parameters())
    for options in ({"window_weight": 0.0, "rebuild_weight": 0.0}, {"frame_weight": 0.0, "rebuild_weight": 0.0}):
        objective = make(**options)
        objective(batch).total.backward()
        assert objective.decoder.weight.grad is None or not objective.decoder.weight.grad.any()
    # What the attention makes of the teacher's frames is a target: with it alone nothing flows.
    queries = torch.randn(2, 3, 16, requires_grad=True)
    assert not cross_entropy(torch.zeros(2, 3, 16), queries).requires_grad


def test_masks_hide_their_share_in_blocks_of_valid_samples():
    objective, batch = make(mask=0.75, block=0.1), pairs(6, LENGTHS)
    signal, lengths, ids = objective._crops(batch)
    kept = objective._kept(batch, ids, signal, lengths)[:, 0]
    for row, length in enumerate(lengths.tolist()):
        blocks = kept[row, :length].split(5)
        assert all(len(block.unique()) == 1 for block in blocks)
        assert sum(not block.any() for block in blocks) == round(0.75 * len(blocks))
    assert not torch.equal(kept[0], kept[6]), "the two crops have masks of their own"
    assert torch.equal(make(mask=0.0)._kept(batch, ids, signal, lengths), torch.ones(12, 1, 64))


def test_norms_keep_the_statistics_of_what_is_not_masked():
    masked, plain, batch = make(mask=0.9).train(), make(mask=0.0).train(), pairs()
    for objective in (masked, plain):
        objective(batch)
    for (name, value), other in zip(masked.encoder.named_buffers(), plain.encoder.buffers(), strict=True):
        assert torch.equal(value, other), name


def test_centres_are_means_of_the_teacher_and_schedules_are_of_the_step():
    objective, batch = make(centre=0.75, warmup_steps=10, momentum=0.996, momentum_steps=100), pairs(6, LENGTHS)
    signal, lengths, _ = objective._crops(batch)
    with torch.no_grad():
        expected = objective.teacher[1](mean_frame(objective.teacher.eval()[0](signal, lengths))).mean(0) / 4
    objective.eval()(batch)
    assert not objective.window_centre.any()
    objective.train()(batch)
    torch.testing.assert_close(objective.window_centre, expected)
    assert bool(objective.frame_centre.any())
    found = []
    for step in (0, 5, 10, 50):
        objective.before_step(step, 0.0)
        found.append(objective.teacher_temperature())
    assert found == pytest.approx([0.008, 0.009, 0.01, 0.01])


def test_centres_teacher_and_step_are_state():
    objective = make(momentum=0.9, warmup_steps=8)
    take_steps_of_pairs(objective)
    state = objective.state_dict()
    assert int(state["steps"]) == 2 and bool(state["window_centre"].any())
    start = make().teacher.state_dict()
    assert any(not torch.equal(value, state[f"teacher.{name}"]) for name, value in start.items())


def take_steps_of_pairs(objective):
    objective.register_forward_pre_hook(lambda module, inputs: (bring(inputs[0], module.needs),))
    take_steps(objective, 0, 3)


def test_the_order_of_a_pair_does_not_matter_where_masks_hide_nothing():
    objective, batch = make(mask=0.0).eval(), pairs(6, LENGTHS)
    turned = replace(batch.matches, signal=batch.matches.signal.flip(1), lengths=batch.matches.lengths.flip(1))
    assert objective(replace(batch, matches=turned)).mean() == pytest.approx(objective(batch).mean(), rel=1e-5)


def test_waveforms_and_graphs_are_encoded_as_well():
    speech = WindowBatch.of(torch.randn(3, 1, 20 * HOP), torch.tensor([20, 12, 8]) * HOP, rate=16000)
    bold = WindowBatch.of(torch.randn(3, 4, 60), torch.tensor([60, 60, 40]), rate=0.5)
    graphs = ConnectivityEncoder(list("abcd"), 2.0, ConnectivityConfig(10, 5, dim=8, num_layers=1))
    # Hidden volumes are zeros, of which no correlation comes: nothing is hidden from a graph.
    for encoder, batch, mask in ((BareEncoder(), speech, 0.75), (graphs, bold, 0.0)):
        loss = make(encoder, mask=mask)(bring(batch, Needs.DENSE_ENCODER))
        loss.total.backward()
        assert loss.weight == 3 and math.isfinite(loss.mean())
        assert any(p.grad is not None and bool(p.grad.any()) for p in encoder.parameters())


def test_a_perfect_reconstruction_costs_nothing():
    objective, batch = make(window_weight=0.0, frame_weight=0.0), pairs(2, [64, 20])
    objective.decoder = nn.Linear(16, 12)
    set_to_zero(objective.decoder)
    signal = torch.zeros_like(batch.matches.signal)
    assert objective(replace(batch, matches=replace(batch.matches, signal=signal))).mean() == 0
    ones = signal + (torch.arange(64) < batch.matches.lengths[..., None])[:, :, None]
    assert objective(replace(batch, matches=replace(batch.matches, signal=ones.float()))).mean() == pytest.approx(5)


def set_to_zero(layer):
    nn.init.zeros_(layer.weight), nn.init.zeros_(layer.bias)


def test_what_is_missing_or_impossible_is_refused():
    with pytest.raises(ConfigError, match="Alice needs for a crop of each window its match"):
        make()(windows())
    with pytest.raises(ConfigError, match="expected signals of 1 channels, as the encoder takes, got 6"):
        make(BareEncoder())(pairs())
    for options in ({"mask": 1.0}, {"heads": 3}, {"temperature": 0.0}, {"momentum": 2.0}, {"warmup_steps": -1}, {"head": []}):
        with pytest.raises(ConfigError, match="expected"):
            make(**options)


def test_two_prototypes_are_compared_by_direction():
    head = make(head=[4], prototypes=2).head
    x = torch.randn(5, 16)
    expected = functional.normalize(head.layers(x), dim=1) @ functional.normalize(head.prototypes, dim=1).T
    torch.testing.assert_close(head(x), expected)
    assert head(x).abs().max() <= 1 + 1e-6
