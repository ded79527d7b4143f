"""Heads for transcripts: linear layers, or bidirectional LSTMs behind SpecAugment, both trained with CTC."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from audiossl.lengths import padding_mask
from audiossl.objectives.ctc import BLANK, collapse
from audiossl.objectives.specaugment import SpecAugmentConfig, augment_item

WARP = SpecAugmentConfig(probability=1.0, band_masks=0, time_masks=0, time_warp=5)
BANDS, STRETCHES = (4, 50), (2, 40)  # how many masks, and the widest


class FrameLinear(nn.Module):
    """Two linear layers on every frame, with nothing between them.

    Args:
        dim: size of the features.
        num_units: number of units, the blank included.
        hidden: width in between.
    """

    def __init__(self, dim: int, num_units: int, hidden: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(dim, hidden), nn.Linear(hidden, num_units))

    def forward(self, features: Float[Tensor, "B T D"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B T K"]:
        """Logits of each frame."""
        return self.layers(features)


class RecurrentCTC(nn.Module):
    """Linear(D, 1024), two bidirectional LSTMs of 1024 a direction with dropout, Linear; SpecAugment while training.

    Args:
        dim: size of the features.
        num_units: number of units, the blank included.
        hidden: 1024.
        dropout: dropout after each LSTM.
        projected: follow each LSTM by Linear and tanh, as OOD-ASR does.
        augment: hide bands and stretches of time, and warp it.
    """

    def __init__(
        self, dim: int, num_units: int, hidden: int = 1024, dropout: float = 0.2, projected: bool = False, augment: bool = True
    ) -> None:
        super().__init__()
        self.input = nn.Linear(dim, hidden)
        sizes = (hidden, 2 * hidden)
        self.lstms = nn.ModuleList(nn.LSTM(size, hidden, batch_first=True, bidirectional=True) for size in sizes)
        self.projections = nn.ModuleList(nn.Linear(2 * hidden, 2 * hidden) for _ in range(2 if projected else 0))
        self.output = nn.Linear(2 * hidden, num_units)
        self.dropout, self.augment = dropout, augment

    def forward(self, features: Float[Tensor, "B T D"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B T K"]:
        """Logits of each frame."""
        if self.training and self.augment:
            features = hide_and_warp(features, lengths)
        x = self.input(features)
        for layer, lstm in enumerate(self.lstms):
            packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
            x, _ = pad_packed_sequence(lstm(packed)[0], batch_first=True, total_length=features.shape[1])
            x = functional.dropout(x, self.dropout, self.training)
            if self.projections:
                x = self.projections[layer](x).tanh()
        return self.output(x)


def hide_and_warp(features: Float[Tensor, "B T D"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B T D"]:
    """SpecAugment as s3prl has it: time warped, bands and stretches set to zero.

    Masks begin at least as far from the end as the widest one of the batch is wide: what is shorter than that loses its beginning
    in every update. Draws come from torch's global generator, which training seeds for each update.

    Args:
        features: padded.
        lengths: valid frames, which stay as many.
    """
    batch, size, dim = features.shape
    rows = [augment_item(row[:length], WARP) for row, length in zip(features, lengths.tolist(), strict=True)]
    warped = torch.stack([functional.pad(row, (0, 0, 0, size - len(row))) for row in rows])
    bands, stretches = _hidden(batch, dim, *BANDS), _hidden(batch, size, *STRETCHES)
    return warped.masked_fill((bands[:, None] | stretches[:, :, None]).to(warped.device), 0.0)


def ctc_loss(
    logits: Float[Tensor, "B T K"], lengths: Int[Tensor, "B"], targets: Int[Tensor, "B U"], target_lengths: Int[Tensor, "B"]
) -> Float[Tensor, ""]:
    """Negative log-likelihood a unit, mean over clips; a transcript that does not fit into its frames counts as 0."""
    log_probs = logits.float().log_softmax(-1).transpose(0, 1)
    return functional.ctc_loss(log_probs, targets, lengths, target_lengths, BLANK, reduction="mean", zero_infinity=True)


def greedy_units(logits: Float[Tensor, "B T K"], lengths: Int[Tensor, "B"]) -> list[list[int]]:
    """Units of the best path of each clip: repetitions are one, blanks are none."""
    best = logits.argmax(-1).masked_fill(padding_mask(lengths, logits.shape[1]), BLANK)
    return [collapse(row) for row in best.tolist()]


def _hidden(batch: int, size: int, masks: int, widest: int) -> Bool[Tensor, "B N"]:
    """Which of `size` places are under one of a row's masks."""
    widths = torch.randint(0, widest + 1, (batch, masks, 1))
    first = torch.randint(0, max(1, size - int(widths.max())), (batch, masks, 1))
    place = torch.arange(size)
    return ((first <= place) & (place < first + widths)).any(dim=1)
