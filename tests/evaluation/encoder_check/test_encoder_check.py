"""`audiossl check`: our encoders pass, and each planted fault is found by the check that is for it."""

from __future__ import annotations

import json
import mmap

import pytest
import torch
from torch import nn

from audiossl.cli import main
from audiossl.embedding.embedder import Embedder
from audiossl.evaluation.encoder_check import check_encoder, has_failed
from audiossl.evaluation.encoder_check.published import PublishedBatch
from audiossl.models import Zipformer, hub
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.models.encoder import Frames
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.teachers.hugging_face import HuggingFaceEncoder
from audiossl.teachers.logmel import LogMelEncoder


class Boxes(nn.Module):
    """Means of 20 samples; faults are switched on one by one."""

    sample_rate, frame_rate, last_frame_rate, frame_offset = 1000.0, 50.0, 50.0, 0.01
    dim, num_layers, min_samples, alignment = 2, 1, 20, 20

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault, self.kept = fault, []
        self.scale = nn.Parameter(torch.ones(2))

    def forward(self, signal, lengths):
        boxes = signal[:, 0, : signal.shape[2] // 20 * 20].unflatten(1, (-1, 20))
        frames = torch.stack([boxes.mean(2), boxes.square().mean(2)], 2) * self.scale
        if self.fault == "padding":
            frames = frames - frames.mean(1, keepdim=True)
        if self.fault == "company in a batch":
            frames = frames + torch.arange(len(frames))[:, None, None]
        if self.fault == "repetition":
            frames = frames + torch.rand(1)
        if self.fault == "silence":
            frames = frames / frames.abs().amax((1, 2), keepdim=True)
        if self.fault == "memory":
            block = mmap.mmap(-1, 2**24)  # outside of the heap, of which earlier tests may have left much free
            block.write(b"1" * 2**24)
            self.kept.append(block)
        counts = lengths // 20
        if self.fault == "frame count":
            frames, counts = frames[:, ::2], (counts + 1) // 2
        layers = [frames.double()] if self.fault == "contract" else [frames]
        return Frames.from_layers(layers, counts)


def status(findings) -> dict[str, str]:
    return {finding.check: finding.status for finding in findings}


def test_a_sound_encoder_passes_everything():
    found = status(check_encoder(Embedder(Boxes()), quick=True))
    assert set(found.values()) == {"pass"} and len(found) >= 13


@pytest.mark.parametrize("fault", ["padding", "company in a batch", "repetition", "silence", "memory", "frame count", "contract"])
def test_a_planted_fault_is_found_by_its_check(fault):
    found = status(check_encoder(Embedder(Boxes(fault)), quick=True))
    assert found[fault] == ("warn" if fault == "contract" else "fail")


def make(kind: str) -> nn.Module:
    torch.manual_seed(0)
    if kind == "zipformer":
        return Zipformer.from_preset("tiny")
    if kind == "logmel":
        return LogMelEncoder()
    if kind == "resnet1d":
        return ResNet1d(1, 50.0, ResNet1dConfig(width=8, num_blocks=4))
    return ConnectivityEncoder([f"r{i}" for i in range(6)], 0.02, ConnectivityConfig(window=10, stride=5, dim=8, num_layers=2))


@pytest.mark.parametrize("kind", ["zipformer", "logmel", "resnet1d"])
def test_our_encoders_do_not_fail(kind):
    findings = check_encoder(Embedder(make(kind)), quick=True)
    assert not has_failed(findings), [finding for finding in findings if finding.status == "fail"]


def test_the_padding_of_published_group_norm_models_is_found():
    """wav2vec 2.0 with a group-norm front end averages over padding; ours runs the same weights clip by clip."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, vocab_size=8, conv_dim=(8, 8, 8),
        conv_kernel=(10, 4, 4), conv_stride=(5, 4, 4), num_feat_extract_layers=3, num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2, feat_extract_norm="group",
    )  # fmt: skip
    ours = HuggingFaceEncoder(transformers.Wav2Vec2Model(config))
    assert status(check_encoder(Embedder(ours), quick=True))["padding"] == "pass"
    found = {finding.check: finding for finding in check_encoder(Embedder(PublishedBatch(ours)), quick=True)}
    assert found["padding"].status == "fail" and "padding leaks" in found["padding"].advice
    assert float(found["padding"].found.split()[0]) > 10  # per cent of a frame's size


def test_the_command_prints_a_table_and_says_by_its_exit_code(tmp_path, capsys):
    hub.save(make("zipformer"), tmp_path / "model")
    assert main(["check", str(tmp_path / "model"), "--quick", "--json", str(tmp_path / "found.json")]) == 0
    assert "padding" in capsys.readouterr().out
    rows = json.loads((tmp_path / "found.json").read_text())
    assert {"check", "status", "found", "advice"} == set(rows[0])
    assert main(["check", str(tmp_path / "nothing")]) == 2
