"""What is no encoder is refused by what it lacks; what meets the contract is taken."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

import audiossl
from audiossl.embedding import Embedder
from audiossl.errors import ConfigError
from audiossl.models.encoder import CONTRACT, Frames, as_encoder

NUMBERS = {
    "sample_rate": 16_000.0, "frame_rate": 50.0, "last_frame_rate": 50.0, "frame_offset": 0.01, "dim": 4, "num_layers": 1,
    "min_samples": 400, "alignment": 320,
}  # fmt: skip


class Mine(nn.Module):
    """One convolution; `forward` as the contract says."""

    def __init__(self, **numbers: object) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 4, 400, stride=320)
        for key, value in (NUMBERS | numbers).items():
            setattr(self, key, value)

    def forward(self, signal: torch.Tensor, lengths: torch.Tensor) -> Frames:
        return Frames.from_layers([self.conv(signal).mT], (lengths - 400) // 320 + 1)


class OneArgument(Mine):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.conv(signal)


class NoFrames(Mine):
    def forward(self, signal: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.conv(signal)


def test_an_object_that_meets_the_contract_is_taken():
    model = audiossl.load(Mine())
    assert model.embed(torch.zeros(16_000)).frames.shape == (49, 4) and model.name == "Mine"
    assert audiossl.load(model) is model


@pytest.mark.parametrize("make", [audiossl.load, Embedder])
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Conv1d(1, 8, 3), r"Conv1d is no encoder: it lacks sample_rate, frame_rate"),
        (OneArgument(), "it cannot be called with a signal and its lengths"),
        (Mine(sample_rate="16000"), "expected numbers, sample_rate is str 16000"),
        (Mine(dim=None), "expected numbers, dim is NoneType None"),
        (Mine(frame_rate=float("nan")), "expected numbers, frame_rate is float nan"),
    ],
)
def test_what_is_none_is_told_what_an_encoder_has(make, model, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make(model)
    said = str(caught.value)
    assert "\n" not in said and "kernel_size" not in said and all(key in said for key in CONTRACT) and "Frames" in said


def test_output_of_another_kind_is_named():
    with pytest.raises(ConfigError, match=r"expected Frames .* of the encoder NoFrames, got Tensor"):
        audiossl.load(NoFrames()).embed(torch.zeros(16_000))


def test_plain_objects_are_looked_at_in_the_same_way():
    class Plain(SimpleNamespace):
        def __call__(self, signal, lengths): ...

    assert as_encoder(Plain(**NUMBERS)).dim == 4
    with pytest.raises(ConfigError, match="SimpleNamespace is no encoder: it cannot be called"):
        as_encoder(SimpleNamespace(**NUMBERS))


def test_a_model_is_shown_in_one_line_and_the_package_by_its_public_names():
    shown = repr(audiossl.load("logmel"))
    assert shown == "Embedder('logmel': LogMelEncoder; takes audio at 16000 Hz; gives 1 layer of 80 channels at 100 Hz)"
    assert audiossl.load("logmel")._repr_html_() == f"<code>{shown.replace(chr(39), '&#x27;')}</code>"
    assert dir(audiossl) == sorted(audiossl.__all__) and {"load", "wrap", "list_models"} <= set(dir(audiossl))
    assert all(hasattr(audiossl, name) for name in dir(audiossl))
