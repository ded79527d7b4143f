"""Modules of many kinds become encoders: what is found by probing is what is known of them, and batches change nothing."""

from __future__ import annotations

from collections import namedtuple

import pytest
import torch
from torch import nn

import audiossl
from audiossl.embedding.wrap import wrap_module
from audiossl.errors import ConfigError
from audiossl.evaluation.encoder_check import check_encoder

HOP = 32
RATE = 1600


class Stack(nn.Module):
    """Convolutions with kernels 8, 4, 4 and strides 8, 2, 2; `same` pads each, and layers come as a tuple, time last."""

    def __init__(self, same=False, bias=True, axis=True):
        super().__init__()
        sizes, strides, widths = (8, 4, 4), (8, 2, 2), (1, 6, 6, 6)
        self.axis = axis
        self.layers = nn.ModuleList(
            nn.Conv1d(a, b, size, stride, padding=size // 2 if same else 0, bias=bias)
            for a, b, size, stride in zip(widths, widths[1:], sizes, strides, strict=False)
        )

    def forward(self, x):
        x = x if self.axis else x[:, None]
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x


class TimeFirst(Stack):
    def forward(self, x):
        return super().forward(x).transpose(1, 2)


class Recurrent(nn.Module):
    """Returns frames and a state, as torch's recurrent networks do."""

    def __init__(self, bidirectional=False):
        super().__init__()
        self.gru = nn.GRU(HOP, 6, num_layers=3, batch_first=True, bidirectional=bidirectional)

    def forward(self, x):
        return self.gru(x.unfold(1, HOP, HOP))


class Attention(nn.Module):
    """Sees all of a clip, and all of the padding unless it is told the lengths."""

    def __init__(self):
        super().__init__()
        self.front = nn.Linear(HOP, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x):
        return self.body(self.front(x.unfold(1, HOP, HOP)))


class Masked(Attention):
    def forward(self, x, lengths):
        frames = self.front(x.unfold(1, HOP, HOP))
        padding = torch.arange(frames.shape[1]) >= (lengths // HOP)[:, None]
        return {"last_hidden_state": self.body(frames, src_key_padding_mask=padding)}


Output = namedtuple("Output", ["last_hidden_state", "hidden_states"])


class HiddenStates(nn.Module):
    """An output of Hugging Face, whose last hidden state went through a norm that the hidden states did not."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.norm = nn.Linear(HOP, 8), nn.Linear(8, 8), nn.LayerNorm(8)

    def forward(self, x):
        states = [self.first(x.unfold(1, HOP, HOP))]
        states.append(self.second(states[0]))
        return Output(self.norm(states[1]), tuple(states))


class NormOverTime(Stack):
    def __init__(self):
        super().__init__()
        self.norm = nn.GroupNorm(1, 6)

    def forward(self, x):
        return self.norm(super().forward(x))


def wrapped(module, **options):
    torch.manual_seed(0)
    return wrap_module(module(), RATE, HOP, **options)


# Receptive fields: 8 + 3 * 8 + 3 * 16 = 80 samples, of which padding takes 4 + 2 * 8 + 2 * 16 = 52 on the left.
KNOWN = {
    "no padding": (Stack, {"offset": 40, "shortest": 80, "alone": False}),
    "padding in every layer": (lambda: Stack(same=True), {"offset": -12, "shortest": 1, "alone": True}),
    "padding without biases": (lambda: Stack(same=True, bias=False), {"offset": -12, "shortest": 1, "alone": True}),
    "time first": (TimeFirst, {"offset": 40, "shortest": 80, "alone": False}),
    "signals (B, S)": (lambda: Stack(axis=False), {"offset": 40, "shortest": 80, "alone": False}),
    "recurrent": (Recurrent, {"offset": HOP / 2, "shortest": HOP, "alone": False}),
    "recurrent both ways": (lambda: Recurrent(True), {"offset": HOP / 2, "shortest": HOP, "alone": True, "dim": 12}),
    "attention": (Attention, {"offset": HOP / 2, "shortest": HOP, "alone": True, "dim": 8}),
    "attention with lengths": (Masked, {"offset": HOP / 2, "shortest": HOP, "alone": False, "dim": 8}),
    "hidden states": (HiddenStates, {"offset": HOP / 2, "shortest": HOP, "alone": False, "dim": 8, "layers": 2}),
    "norm over time": (NormOverTime, {"shortest": 80, "alone": True}),
}


@pytest.mark.parametrize("kind", KNOWN)
def test_what_is_known_of_a_module_is_found(kind):
    module, known = KNOWN[kind]
    embedder = wrapped(module)
    assert (embedder.min_samples, embedder.encoder.runs_alone) == (known["shortest"], known["alone"])
    assert (embedder.frame_rate, embedder.alignment) == (RATE / HOP, HOP)
    assert (embedder.num_layers, embedder.dim) == (known.get("layers", 1), known.get("dim", 6))
    if "offset" in known:
        assert embedder.frame_offset == known["offset"] / RATE


@pytest.mark.parametrize("kind", KNOWN)
def test_clips_give_the_same_frames_alone_in_any_batch_and_as_the_module_gives_them(kind):
    embedder = wrapped(KNOWN[kind][0])
    clips = [0.1 * torch.randn(size) for size in (1000, 333, 801, 96)]
    for clip, embedding in zip(clips, embedder.embed(clips, layers="all"), strict=True):
        alone = embedder.embed(clip, layers="all")
        assert alone.frames.shape == embedding.frames.shape and (alone.frames - embedding.frames).abs().max() < 1e-5
        with torch.no_grad():
            direct = embedder.encoder.call.layers(clip[None, None])
        torch.testing.assert_close(alone.frames, torch.cat(direct))


@pytest.mark.parametrize("kind", ["no padding", "attention with lengths"])
def test_wrapped_modules_keep_what_encoders_promise(kind):
    findings = check_encoder(wrapped(KNOWN[kind][0]), quick=True)
    assert not [finding for finding in findings if finding.status == "fail" and finding.check != "drift over a long file"]


def test_the_last_hidden_state_is_the_final_output():
    embedder = wrapped(HiddenStates)
    clip = 0.1 * torch.randn(400)
    assert torch.equal(embedder.embed(clip).frames, embedder.encoder.module(clip[None]).last_hidden_state[0].detach())


def test_several_channels_and_other_names():
    embedder = wrap_module(nn.Conv1d(3, 5, 4, 4), 50, 4, channels=3, name="mine")
    assert embedder.name == "mine" and embedder.embed(torch.randn(3, 100)).frames.shape == (25, 5)


def test_what_is_asked_for_is_taken():
    embedder = wrapped(Stack, frame_offset=0.5, min_samples=200, batched=False)
    assert (embedder.frame_offset, embedder.min_samples, embedder.encoder.runs_alone) == (0.5, 200, True)
    square = wrap_module(nn.Conv1d(1, 6, HOP, HOP), RATE, HOP, layout="time_last")
    assert square.dim == 6


def test_digests_tell_modules_with_the_same_weights_apart():
    first, second = wrapped(Stack), wrapped(TimeFirst)
    assert first.digest != second.digest and first.digest == wrapped(Stack).digest


class Pooled(Stack):
    def forward(self, x):
        return super().forward(x).mean(2)


class TwoWidths(Stack):
    def forward(self, x):
        x = super().forward(x)
        return x, torch.cat([x, x], 1)


@pytest.mark.parametrize(
    ("module", "options", "complaint"),
    [
        (Pooled, {}, r"gives \(3, 6\), of which none is \(B, T, D\)"),
        (TwoWidths, {}, r"TwoWidths returns layers of 2 shapes \(T, D\)"),
        (lambda: nn.Linear(7, 3), {}, r"Linear: expected a module that gives frames .*; \(B, S\) ends with RuntimeError"),
        (Attention, {"batched": True}, "Attention lets padding into the frames"),
        (Stack, {"layout": "time_first"}, "of which none is"),
        (Stack, {"min_samples": 79}, "Stack gives no frame for min_samples=79; expected 80 or more"),
        (lambda: Stack, {}, "expected an nn.Module, got type: wrap an instance"),
    ],
)
def test_what_cannot_be_wrapped_is_explained(module, options, complaint):
    with pytest.raises(ConfigError, match=complaint):
        wrapped(module, **options)


def test_another_hop_is_named():
    with pytest.raises(ConfigError, match="gives a frame every 32 samples, got hop=320: say hop=32"):
        wrap_module(Stack(), 16000)


def test_wrapped_modules_are_loaded_from_a_file(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\nfrom audiossl.embedding.wrap import wrap_module\n"
        "def encoder():\n    return wrap_module(nn.Conv1d(1, 4, 320, 320), name='mine')\n"
    )
    first, second = (audiossl.load(f"{tmp_path / 'mine.py'}:encoder") for _ in range(2))
    assert first.name == "mine" and first.source and torch.equal(first.encoder.module.weight, second.encoder.module.weight)
