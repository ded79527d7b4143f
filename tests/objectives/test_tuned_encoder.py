"""The encoder under a head: frozen for N updates and then not, SpecAugment where features show, short signals."""

from __future__ import annotations

import logging

import torch
from toy_encoder import BareEncoder, ToyEncoder, make_batch

from audiossl.objectives.ctc import CTC, CTCConfig
from audiossl.objectives.specaugment import SpecAugmentConfig
from audiossl.objectives.tuned_encoder import TunedEncoder, TuningConfig
from audiossl.training.config import TrainingConfig
from audiossl.training.fit import fit

TARGETS = [torch.tensor([1, 2]), torch.tensor([3]), torch.tensor([2])]
SIZES = [200, 120, 160]


def weights(ctc):
    return {name: value.clone() for name, value in ctc.state_dict().items()}


def test_frozen_for_so_many_updates_then_trained(tmp_path):
    for optimiser in ("scaled_adam", "adamw"):
        ctc = CTC(ToyEncoder(), 4, CTCConfig(freeze_steps=3))
        seen = [weights(ctc)]
        ctc.after_step = lambda _, ctc=ctc, seen=seen: seen.append(weights(ctc))
        config = TrainingConfig(
            optimiser=optimiser, lr=0.01, lr_scales={"encoder": 0.1}, max_steps=5, tensorboard=False, device="cpu", warmup_steps=0
        )
        fit(ctc, lambda epoch, first, batches: [make_batch(SIZES, TARGETS, epoch=epoch)][first:], config, tmp_path / optimiser)
        for step in range(1, 6):
            changed = {name for name in seen[0] if not torch.equal(seen[step][name], seen[step - 1][name])}
            head = {"head.output.weight", "head.output.bias"}
            encoder = {"encoder.model.linear.weight", "encoder.model.linear.bias", "encoder.model.calls"}
            assert changed == (head if step <= 3 else head | encoder), (optimiser, step)


def test_spec_augment_in_training_only():
    encoder = TunedEncoder(ToyEncoder(), TuningConfig(freeze_steps=0))
    batch = make_batch(SIZES, TARGETS)
    frames = [encoder(batch)[0].detach() for _ in range(2)]
    assert torch.equal(*frames)  # the same epoch: the same masks
    encoder.eval()
    plain = encoder(batch)[0].detach()
    assert not torch.equal(plain, frames[0]) and torch.equal(plain, encoder.model(batch.signal, batch.lengths).last)
    assert torch.equal(encoder.train()(make_batch(SIZES, TARGETS, order=[0]))[0], frames[0][:1])


def test_an_encoder_without_features_goes_without_masks(caplog):
    with caplog.at_level(logging.WARNING):
        encoder = TunedEncoder(BareEncoder(), TuningConfig(freeze_steps=0))
    assert "without SpecAugment" in caplog.text
    batch = make_batch(SIZES, TARGETS)
    assert torch.equal(encoder(batch)[0], encoder.model(batch.signal, batch.lengths).last)
    caplog.clear()
    TunedEncoder(BareEncoder(), TuningConfig(spec_augment=SpecAugmentConfig(probability=0.0)))
    assert not caplog.text


def test_a_signal_too_short_for_a_frame_gives_one():
    batch = make_batch(SIZES, TARGETS, order=[1])
    batch.signal, batch.lengths = batch.signal[:, :, :100], torch.tensor([100])
    frames, lengths = TunedEncoder(ToyEncoder(), TuningConfig())(batch)
    assert frames.shape[1] == 1 and lengths.tolist() == [1]
