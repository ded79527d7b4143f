"""A small student and batches that tests of masked prediction share."""

from __future__ import annotations

import torch
from torch import nn

from audiossl.models.encoder import Frames
from audiossl.objectives.batch import collate_tokens
from audiossl.objectives.masked_tokens import TokenStream
from audiossl.seeds import derive_generator

BINS, DIM = 16, 12
SPEECH = {"speech": TokenStream(50.0, 3, 8)}


class Student(nn.Module):
    """100 Hz features, a convolution over 9 of them every second: frames as a Zipformer front end gives them."""

    sample_rate = 16000.0
    frame_rate = 50.0
    frame_offset = 0.045
    num_mel_bins = BINS
    dim = DIM

    def __init__(self, factor=1, own_mask=False):
        super().__init__()
        self.factor = factor
        self.last_frame_rate = 50.0 / factor
        self.conv = nn.Conv1d(BINS, DIM, kernel_size=9, stride=2)
        if own_mask:
            self.mask_emb = nn.Parameter(torch.randn(BINS))
        self.seen = None

    def compute_features(self, signal, lengths):
        return signal[:, 0].unfold(1, 160, 160)[..., :BINS].contiguous(), lengths // 160

    def forward_features(self, features, feature_lengths):
        self.seen = features
        frames = torch.tanh(self.conv(features.transpose(1, 2)).transpose(1, 2))
        lengths = (feature_lengths - 7) // 2
        last = frames[:, : frames.shape[1] // self.factor * self.factor].unflatten(1, (-1, self.factor)).mean(dim=2)
        return Frames((frames,), lengths, last, lengths // self.factor)


def make_batch(lengths=(200, 120, 160), streams=None, epoch=0, order=None):
    """Items of so many feature frames; the same id always brings the same signal and tokens."""
    streams = streams or SPEECH
    ids, signals, tokens = [], [], []
    for index in order or range(len(lengths)):
        generator = derive_generator("item", index)
        ids.append(f"item-{index}")
        signals.append(torch.randn(1, lengths[index] * 160, generator=generator))
        shape = {name: (int(lengths[index] / 100 * s.rate), s.num_codebooks) for name, s in streams.items()}
        codes = {name: torch.randint(streams[name].codebook_size, shape[name], generator=generator) for name in streams}
        tokens.append({name: code.to(torch.uint8) for name, code in codes.items()})
    return collate_tokens(ids, signals, tokens, epoch=epoch)
