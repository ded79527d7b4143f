"""Masked token prediction: closed forms, an obvious second implementation, and indifference to padding and batches."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from students import DIM, SPEECH, Student, make_batch
from torch import nn

from audiossl.errors import ConfigError, DataError
from audiossl.objectives.masked_prediction import MaskedPredictionConfig
from audiossl.objectives.masked_tokens import MaskedTokens, TokenStream


def make_objective(streams=None, student=None, **options):
    torch.manual_seed(0)
    options = {"channel_mask_length": 3, **options}
    return MaskedTokens(student or Student(), streams or SPEECH, MaskedPredictionConfig(**options))


def slow_loss(objective, batch, alpha):
    """Frame by frame and codebook by codebook, for tokens as fast as frames."""
    features, lengths = objective.student.compute_features(batch.signal, batch.lengths)
    masked_features, mask = objective._mask(features, lengths, batch)
    frames = objective.student.forward_features(masked_features, lengths)
    head, total, weight, hits, tries = objective.heads["speech"], 0.0, 0.0, 0, 0
    for item in range(len(batch.ids)):
        for k in range(int(frames.lengths[item])):
            codes = batch.tokens["speech"][item, k]
            if int(codes[0]) == -100:
                continue
            is_masked = bool(mask[item, 2 * k + 3]) or bool(mask[item, 2 * k + 4])
            ce = 0.0
            for n, code in enumerate(codes.tolist()):
                logits = head.weight[n] @ frames.last[item, k] + head.bias[n]
                ce = ce - logits.log_softmax(dim=0)[code] / len(codes)
                if is_masked:
                    hits, tries = hits + int(logits.argmax() == code), tries + 1
            share = alpha if is_masked else 1 - alpha
            total, weight = total + share * ce, weight + share
    return total, weight, hits / tries


@pytest.mark.parametrize("alpha", [0.5, 0.8, 1.0, 0.0])
def test_equals_the_obvious_implementation(alpha):
    objective = make_objective(alpha=alpha)
    loss = objective(make_batch())
    total, weight, accuracy = slow_loss(objective, make_batch(), alpha)
    torch.testing.assert_close(loss.total, total, atol=1e-4, rtol=1e-5)
    assert float(loss.weight) == pytest.approx(weight, rel=1e-5)
    if alpha > 0:
        assert loss.means()["speech_accuracy_masked"] == pytest.approx(accuracy, rel=1e-5)


def test_uniform_logits_cost_ln_k():
    objective = make_objective({"a": TokenStream(50.0, 4, 32), "b": TokenStream(25.0, 2, 32)}, alpha=0.7)
    for heads in objective.heads.values():
        nn.init.zeros_(heads.weight)
    means = objective(make_batch(streams=objective.streams)).means()
    for name in ("a_loss_masked", "a_loss_unmasked", "b_loss_masked", "b_loss_unmasked"):
        assert means[name] == pytest.approx(math.log(32), rel=1e-6)
    single = make_objective(alpha=0.7)
    nn.init.zeros_(single.heads["speech"].weight)
    assert single(make_batch()).mean() == pytest.approx(math.log(8), rel=1e-6)


def test_starts_near_ln_256():
    objective = make_objective({"speech": TokenStream(50.0, 16, 256)})
    start = objective(make_batch((500, 500), objective.streams)).mean()
    assert math.log(256) < start < math.log(256) + 0.5


def test_alpha_weighs_masked_against_other_frames():
    losses = {alpha: make_objective(alpha=alpha)(make_batch()).total.item() for alpha in (0.0, 0.25, 0.5, 1.0)}
    assert losses[0.25] == pytest.approx(0.25 * losses[1.0] + 0.75 * losses[0.0], rel=1e-5)
    assert losses[0.5] == pytest.approx((losses[1.0] + losses[0.0]) / 2, rel=1e-5)
    loss = make_objective(alpha=0.5)(make_batch())
    masked, others = loss.parts["speech_loss_masked"], loss.parts["speech_loss_unmasked"]
    assert 2 * loss.total.item() == pytest.approx(float(masked.total + others.total), rel=1e-5), "the reference's plain sum"
    assert 2 * float(loss.weight) == pytest.approx(float(masked.count + others.count)), "all valid frames, at one half each"


@pytest.mark.parametrize("factor", [1, 2])
def test_padding_and_order_change_nothing(factor):
    objective = make_objective(student=Student(factor)).eval()
    lengths = (231, 120, 160)
    alone = [objective(make_batch(lengths, order=[index])) for index in range(3)]
    for order in ([0, 1, 2], [2, 0, 1]):
        together = objective(make_batch(lengths, order=order))
        assert together.total.item() == pytest.approx(sum(loss.total.item() for loss in alone), rel=1e-6)
        assert float(together.weight) == pytest.approx(sum(float(loss.weight) for loss in alone), rel=1e-6)
    pair = objective(make_batch(lengths, order=[0, 1])).total - alone[0].total
    assert pair.item() == pytest.approx(alone[1].total.item(), abs=1e-4)
    for name, part in together.parts.items():
        assert float(part.total) == pytest.approx(sum(float(loss.parts[name].total) for loss in alone), rel=1e-5), name


def test_padding_gets_no_gradient():
    objective = make_objective()
    batch = make_batch()
    noisy = replace(batch, signal=batch.signal.clone())
    noisy.signal[1, :, 120 * 160 :] = 1e3
    one, two = objective(batch), objective(noisy)
    assert one.total.item() == pytest.approx(two.total.item(), rel=1e-6)


def test_masks_reach_the_student():
    student = Student(own_mask=True)
    objective = make_objective(student=student)
    assert "mask_emb" not in dict(objective.named_parameters(recurse=False)), "the student's own vector is used"
    batch = make_batch()
    objective(batch)
    clean, lengths = student.compute_features(batch.signal, batch.lengths)
    filled = (student.seen == student.mask_emb).all(dim=-1)
    changed = (student.seen != clean).any(dim=-1)
    for item, length in enumerate(lengths.tolist()):
        assert 0.25 < float(filled[item, :length].float().mean()) < 0.55
        assert not changed[item, length:].any(), "padding stays as it is"
        others = student.seen[item, :length][~filled[item, :length]]
        zeroed = (others == 0).all(dim=0)
        assert 3 <= int(zeroed.sum()) <= 9, "whole bins are silenced in all frames"
        assert (others[:, ~zeroed] != 0).all()
    again = student.seen
    objective(make_batch(epoch=1))
    assert not torch.equal(student.seen, again), "every epoch has masks of its own"


def test_mask_vector_learns_and_frames_without_tokens_are_left_out():
    objective = make_objective()
    objective(make_batch()).total.backward()
    assert float(objective.mask_emb.grad.abs().sum()) > 0
    batch = make_batch()
    batch.tokens["speech"][:] = -100
    loss = objective(batch)
    assert (loss.total.item(), float(loss.weight)) == (0.0, 0.0)
    loss.total.backward()
    assert math.isnan(loss.mean())


def test_faster_tokens_are_predicted_side_by_side():
    """25 Hz frames and 50 Hz tokens: head n + N r' answers for code n of token frame 2 t + r'."""
    objective = make_objective(student=Student(factor=2), time_mask_probability=0.0, channel_mask_probability=0.0)
    assert objective.heads["speech"].weight.shape == (6, 8, DIM)
    batch = make_batch((90,))
    frames = objective.student.forward_features(*objective.student.compute_features(batch.signal, batch.lengths))
    logits = objective.heads["speech"](frames.last[0])
    count = int(frames.last_lengths[0])
    target = batch.tokens["speech"][0, : 2 * count].reshape(count, 6)
    expected = nn.functional.cross_entropy(logits[:count].flatten(0, 1), target.flatten())
    assert objective(batch).mean() == pytest.approx(expected.item(), rel=1e-5)


def test_streams_add_up_with_their_weights():
    streams = {"speech": TokenStream(50.0, 3, 8), "audio": TokenStream(25.0, 2, 8, weight=0.1)}
    batch = make_batch(streams=streams)
    both = make_objective(streams)
    single = {name: both(replace(batch, tokens={name: batch.tokens[name]})).total.item() for name in streams}
    full = both(batch)
    assert full.total.item() == pytest.approx(sum(single.values()), rel=1e-5)
    plain = make_objective({**streams, "audio": replace(streams["audio"], weight=1.0)})
    plain.load_state_dict(both.state_dict())
    assert plain(batch).total.item() == pytest.approx(single["speech"] + 10 * single["audio"], rel=1e-5)


def test_items_may_lack_a_stream():
    """The longest item has no audio tokens: it counts for speech only, and is not taken for one with too few."""
    streams = {"speech": TokenStream(50.0, 3, 8), "audio": TokenStream(25.0, 2, 8)}
    objective, batch = make_objective(streams), make_batch((200, 120), streams)
    kept = {"speech": batch.tokens["speech"].clone(), "audio": batch.tokens["audio"][:, :30].clone()}
    kept["audio"][0] = -100
    means = objective(replace(batch, tokens=kept))
    alone = objective(make_batch((200, 120), streams, order=[1]))
    assert float(means.parts["audio_loss_masked"].total) == pytest.approx(float(alone.parts["audio_loss_masked"].total), rel=1e-5)
    kept["audio"] = kept["audio"][:, :20]  # item 1 has 56 frames and tokens for 40
    with pytest.raises(DataError, match="56 student frames"):
        objective(replace(batch, tokens=kept))


def test_layers_can_be_predicted_from():
    objective = make_objective(student=Student(factor=2), predict_from=0)
    assert objective.heads["speech"].weight.shape == (3, 8, DIM)
    assert float(objective(make_batch()).weight) == pytest.approx(float(make_objective()(make_batch()).weight))


def test_accuracy_by_codebook_in_evaluation():
    objective = make_objective().eval()
    means = objective(make_batch()).means()
    each = [means[f"speech_accuracy_masked_{codebook}"] for codebook in range(3)]
    assert sum(each) / 3 == pytest.approx(means["speech_accuracy_masked"])
    assert "speech_accuracy_masked_0" not in objective.train()(make_batch()).parts


def test_represent_returns_valid_frames_and_codes():
    objective = make_objective()
    frames, codes = objective.represent(make_batch())
    assert frames.shape == (sum((length - 7) // 2 for length in (200, 120, 160)), DIM)
    assert codes["speech"].shape == (len(frames), 3)
    assert not frames.requires_grad


def test_heads_and_loss_are_float32_under_autocast():
    objective = make_objective()
    frames = torch.randn(20, DIM)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = objective.heads["speech"](frames.bfloat16())
        loss = objective(make_batch())
    assert logits.dtype == loss.total.dtype == torch.float32
    torch.testing.assert_close(logits, objective.heads["speech"](frames.bfloat16().float()))


def test_it_learns_what_can_be_learned():
    """Tokens that are signs of the features under a frame's centre."""
    objective = make_objective({"speech": TokenStream(50.0, 2, 2)}, time_mask_probability=0.1, channel_mask_probability=0.0)
    batch = make_batch((400, 300), objective.streams)
    features, _ = objective.student.compute_features(batch.signal, batch.lengths)
    for k in range(batch.tokens["speech"].shape[1] - 4):
        known = batch.tokens["speech"][:, k] >= 0
        batch.tokens["speech"][:, k] = torch.where(known, (features[:, 2 * k + 4, :2] > 0).long(), -100)
    optimiser = torch.optim.Adam(objective.parameters(), lr=0.03)
    for _ in range(40):
        optimiser.zero_grad()
        loss = objective(batch)
        (loss.total / loss.weight).backward()
        optimiser.step()
    assert loss.means()["speech_accuracy_unmasked"] > 0.9
    assert loss.mean() < 0.5 * math.log(2)


def test_errors():
    with pytest.raises(ConfigError, match="alpha"):
        make_objective(alpha=1.2)
    for rate in (75.0, 31.25):
        with pytest.raises(ConfigError, match="one rate must be a multiple"):
            make_objective({"x": TokenStream(rate, 3, 8)})
    with pytest.raises(DataError, match="expected some of"):
        make_objective()(replace(make_batch(), tokens={}))


def test_a_target_delay_moves_targets_behind_their_frames():
    torch.manual_seed(0)
    batch = make_batch()
    plain, late = make_objective(), make_objective(target_delay=3)
    lengths = torch.tensor([96, 56, 76])
    now, later = plain._targets("speech", batch, lengths, 96), late._targets("speech", batch, lengths, 96)
    assert bool((later[:, :3] == -100).all())
    for row, length in enumerate(lengths.tolist()):
        assert torch.equal(later[row, 3:length], now[row, : length - 3])
        assert bool((later[row, length:] == -100).all())
    assert late(batch).weight < plain(batch).weight
    with pytest.raises(ConfigError, match="target_delay"):
        make_objective(target_delay=-1)
