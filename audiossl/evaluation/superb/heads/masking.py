"""Masks on spectra: enhancement and separation by bidirectional LSTMs, phase-sensitive targets (arXiv 2203.06849)."""

from __future__ import annotations

from itertools import permutations

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from audiossl.lengths import padding_mask

N_FFT = 512


class SpectrumMasks(nn.Module):
    """Three bidirectional LSTMs with dropout; a linear layer and ReLU give each source's mask of 257 bins.

    Args:
        dim: size of the features.
        num_sources: masks.
        hidden: cells of a direction.
        dropout: dropout between the layers and behind them.
    """

    def __init__(self, dim: int, num_sources: int, hidden: int = 896, dropout: float = 0.5) -> None:
        super().__init__()
        self.lstm = nn.LSTM(dim, hidden, 3, batch_first=True, dropout=dropout, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.outputs = nn.ModuleList(nn.Linear(2 * hidden, N_FFT // 2 + 1) for _ in range(num_sources))

    def forward(self, features: Float[Tensor, "B T D"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B N T F"]:
        """Masks, 0 or more."""
        packed = pack_padded_sequence(features, lengths.cpu(), batch_first=True, enforce_sorted=False)
        x, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=features.shape[1])
        x = self.dropout(x)
        return torch.stack([output(x).relu() for output in self.outputs], 1)


def spectrum(signal: Float[Tensor, "*B S"], hop: int) -> Complex[Tensor, "*B T F"]:
    """Spectra of 512 points with a Hann window, centred, `S // hop + 1` frames."""
    window = torch.hann_window(N_FFT, device=signal.device)
    found = torch.stft(signal.reshape(-1, signal.shape[-1]), N_FFT, hop, window=window, return_complex=True)
    return found.transpose(1, 2).reshape(*signal.shape[:-1], -1, N_FFT // 2 + 1)


def signal_of(spectra: Complex[Tensor, "*B T F"], hop: int, num_samples: int) -> Float[Tensor, "*B S"]:
    """The signal of spectra."""
    window = torch.hann_window(N_FFT, device=spectra.device)
    flat = spectra.reshape(-1, *spectra.shape[-2:]).transpose(1, 2)
    return torch.istft(flat, N_FFT, hop, window=window, length=num_samples).reshape(*spectra.shape[:-2], num_samples)


def phase_sensitive_targets(
    mixture: Complex[Tensor, "*B T F"], sources: Complex[Tensor, "*B N T F"]
) -> Float[Tensor, "*B N T F"]:
    """Magnitude of each source times the cosine of its phase to the mixture's, where that is above 0."""
    mixture = mixture.unsqueeze(-3)
    aligned = (sources * mixture.conj()).real / mixture.abs().clamp(min=1e-12)
    return aligned.clamp(min=0)


def any_order_mask_loss(
    masks: Float[Tensor, "B N T F"],
    mixture: Complex[Tensor, "B T F"],
    targets: Float[Tensor, "B N T F"],
    lengths: Int[Tensor, "B"],
) -> Float[Tensor, ""]:
    """Squared error of masked magnitudes in the order of sources that suits a clip best, mean over values, then over clips."""
    made = masks * mixture.abs()[:, None]
    inside = (~padding_mask(lengths, masks.shape[2]))[:, None, :, None]
    sums = [
        ((made - targets[:, list(order)]).square() * inside).sum((1, 2, 3)) / (lengths * masks.shape[1] * masks.shape[3])
        for order in permutations(range(masks.shape[1]))
    ]
    return torch.stack(sums).amin(0).mean()


def fit_frames(features: Float[Tensor, "B T D"], num_frames: int) -> Float[Tensor, "B T2 D"]:
    """Features with as many frames as spectra have: cut, or followed by zeros."""
    return functional.pad(features[:, :num_frames], (0, 0, 0, max(0, num_frames - features.shape[1])))


def scale_invariant_sdr(estimate: Float[Tensor, "*B S"], truth: Float[Tensor, "*B S"]) -> Float[Tensor, "*B"]:
    """Scale-invariant signal-to-distortion ratio in dB, of signals without their mean (arXiv 1811.02508)."""
    estimate, truth = estimate - estimate.mean(-1, keepdim=True), truth - truth.mean(-1, keepdim=True)
    scale = (estimate * truth).sum(-1, keepdim=True) / truth.square().sum(-1, keepdim=True).clamp(min=1e-10)
    wanted = scale * truth
    ratio = wanted.square().sum(-1) / (estimate - wanted).square().sum(-1).clamp(min=1e-10)
    return 10 * ratio.clamp(min=1e-10).log10()
