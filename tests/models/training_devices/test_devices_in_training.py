"""Pre-training a small Zipformer with all devices on, through the objective and the loop."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
import torch

from audiossl.models.training_devices import TrainingDevices
from audiossl.models.zipformer import Zipformer
from audiossl.objectives.batch import collate_tokens
from audiossl.objectives.masked_prediction import MaskedPredictionConfig
from audiossl.objectives.masked_tokens import MaskedTokens, TokenStream
from audiossl.seeds import derive_generator
from audiossl.training.config import TrainingConfig
from audiossl.training.fit import fit

CONFIG = TrainingConfig(
    lr=0.02, schedule="constant", warmup_steps=0, max_steps=6, batch_seconds=600.0, validate_every=0, checkpoint_every=2,
    log_every=1, health_frames=0, device="cpu", tensorboard=False,
)  # fmt: skip


def make_objective(devices=True, **overrides):
    torch.manual_seed(3)
    student = Zipformer.from_preset(
        "tiny", encoder_dim=(32,) * 5, encoder_unmasked_dim=(16,) * 5, feedforward_dim=(32,) * 5, num_mel_bins=16, **overrides
    )
    student.use_training_devices(TrainingDevices(enabled=True) if devices else None, CONFIG.batch_seconds)
    return MaskedTokens(student, {"tones": TokenStream(50.0, 1, 4)}, MaskedPredictionConfig(channel_mask_length=3))


def batches(epoch, first, batches_per_step=1):
    """Tones of four pitches, half a second each, and the pitch as token; clips of two lengths."""
    for index in range(first, 50):
        generator = derive_generator("tones", epoch, index)
        signals, tokens = [], []
        for parts in (4, 2, 4):
            pitch = torch.randint(4, (parts,), generator=generator)
            phase = torch.cumsum(torch.repeat_interleave(2 * torch.pi * 300.0 * 2**pitch / 16000, 8000), 0)
            signals.append(0.1 * phase.sin()[None])
            tokens.append({"tones": pitch.repeat_interleave(25)[:, None].to(torch.uint8)})
        yield collate_tokens([f"{epoch}-{index}-{item}" for item in range(3)], signals, tokens, epoch=epoch)


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_the_loss_falls(tmp_path):
    objective = make_objective()
    fit(objective, batches, replace(CONFIG, max_steps=14), tmp_path)
    seen = losses(tmp_path)
    assert sum(seen[-3:]) < 0.9 * sum(seen[:3])
    assert objective.student.devices.shop.clock.batch == 13, "the schedules have followed"


@pytest.mark.parametrize(("frontend", "precision"), [("conv2d", "float32"), ("conv1d", "fp16"), ("conv1d", "bf16")])
def test_gradients_are_finite(tmp_path, capsys, frontend, precision):
    objective = make_objective(frontend=frontend)
    before = [parameter.detach().clone() for parameter in objective.parameters()]
    fit(objective, batches, replace(CONFIG, max_steps=3, precision=precision), tmp_path)
    assert "not finite" not in capsys.readouterr().err
    assert all(parameter.isfinite().all() for parameter in objective.parameters())
    assert sum(not torch.equal(a, b) for a, b in zip(before, objective.parameters(), strict=True)) > 0.9 * len(before)


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(tmp_path):
    straight = make_objective()
    fit(straight, batches, CONFIG, tmp_path / "straight")
    fit(make_objective(), batches, replace(CONFIG, max_steps=3), tmp_path / "resumed")
    resumed = make_objective()
    torch.rand(9)
    fit(resumed, batches, CONFIG, tmp_path / "resumed")
    assert losses(tmp_path / "straight") == losses(tmp_path / "resumed")
    for a, b in zip(straight.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_student_without_schedules_is_left_alone():
    objective = make_objective(devices=False)
    objective.before_step(3, 1.0)
    assert objective.student.devices is None


def test_the_recipe_can_switch_them_on():
    from audiossl.options import read_options, with_overrides
    from audiossl.pipelines.spear.config import StudentConfig

    values = with_overrides(StudentConfig, {}, ["devices.enabled=true", "devices.whiten=false"])
    assert read_options(StudentConfig, values).devices == TrainingDevices(enabled=True, whiten=False)
    assert StudentConfig().devices.enabled is False
    assert all(item.type == "bool" for item in fields(TrainingDevices))
