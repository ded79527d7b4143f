"""An encoder that is small, sees nothing beyond its window, and shows its features."""

from __future__ import annotations

import torch
from torch import nn

from audiossl.lengths import padding_mask
from audiossl.models.encoder import Frames
from audiossl.objectives.labelled_batch import LabelledBatch, collate_labelled
from audiossl.seeds import derive_generator

HOP, BINS, DIM = 160, 16, 12


class ToyEncoder(nn.Module):
    """100 Hz features, which are samples; frames of two of them side by side, with statistics that training mode would move."""

    sample_rate = 16000.0
    frame_rate = last_frame_rate = 50.0
    frame_offset = 0.01
    num_mel_bins = BINS
    dim = DIM
    num_layers = 1
    min_samples = alignment = 2 * HOP

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.linear = nn.Linear(2 * BINS, DIM)
        self.linear.weight.data.normal_(generator=generator)
        self.register_buffer("calls", torch.zeros(()))
        self.seen = None

    def forward(self, signal, lengths):
        return self.forward_features(*self.compute_features(signal, lengths))

    def compute_features(self, signal, lengths):
        size = signal.shape[2] // HOP
        return signal[:, 0, : size * HOP].unflatten(1, (size, HOP))[..., :BINS].contiguous(), lengths // HOP

    def forward_features(self, features, feature_lengths):
        self.seen = features
        self.calls += self.training
        pairs = features[:, : features.shape[1] // 2 * 2].unflatten(1, (-1, 2)).flatten(2)
        frames, lengths = torch.tanh(self.linear(pairs)), feature_lengths // 2
        # Nobody may look at padding: make it unbearable.
        frames = frames.masked_fill(padding_mask(lengths, frames.shape[1])[:, :, None], 1e4)
        return Frames.from_layers([frames], lengths)


class BareEncoder(nn.Module):
    """The same without features to mask."""

    sample_rate, frame_rate, last_frame_rate, frame_offset = 16000.0, 50.0, 50.0, 0.01
    dim, num_layers, min_samples, alignment = DIM, 1, 2 * HOP, 2 * HOP

    def __init__(self):
        super().__init__()
        self.inner = ToyEncoder()

    def forward(self, signal, lengths):
        return self.inner(signal, lengths)


def item(index: int, num_frames: int) -> torch.Tensor:
    """The signal of an item, always the same, (1, S)."""
    return torch.randn(1, num_frames * 2 * HOP, generator=derive_generator("item", index))


def make_batch(num_frames, targets, order=None, **key) -> LabelledBatch:
    """Items of so many frames with their targets; the same index is always the same item."""
    order = list(range(len(num_frames))) if order is None else order
    signals = [item(index, num_frames[index]) for index in order]
    return collate_labelled([f"item-{index}" for index in order], signals, [targets[index] for index in order], **key)
