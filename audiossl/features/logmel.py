"""Kaldi-compatible log-mel filterbank energies, batched over lengths, on any device."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.lengths import mapped, on_host

WINDOW = 400  # 25 ms at 16 kHz
HOP = 160  # 10 ms
FFT = 512
LOG_FLOOR = 1.1920928955078125e-07  # float32 epsilon, Kaldi's floor of a mel bin
PADDING_VALUE = math.log(1e-10)  # what padded frames hold in published SPEAR batches

Count = TypeVar("Count", int, Tensor)


def num_frames(num_samples: Count) -> Count:
    """Frames of `num_samples` samples without snipping edges: floor((n + 80) / 160)."""
    return (num_samples + HOP // 2) // HOP


class LogMel(nn.Module):
    """Log-mel energies of 16 kHz audio as Kaldi computes them with `snip_edges=False` and no dither.

    25 ms Povey windows every 10 ms, mirrored edges, mean removal and pre-emphasis 0.97 per frame, 512-point power spectrum,
    triangles linear in mel from 20 Hz to 7600 Hz, natural logarithm floored at float32 epsilon. This is the input of SPEAR
    (arXiv 2510.25955).

    The mirrored right edge of each clip lies at that clip's own length, so batching changes nothing.

    Args:
        num_mel_bins: number of bins M.
        low_hz, high_hz: edges of the lowest and the highest triangle, Hz.

    >>> features, lengths = LogMel(80)(torch.randn(2, 16000), torch.tensor([16000, 8000]))
    >>> features.shape, lengths.tolist()
    (torch.Size([2, 100, 80]), [100, 50])
    """

    sample_rate = 16000
    frame_rate = 100.0
    window: Tensor
    mel: Tensor

    def __init__(self, num_mel_bins: int = 128, low_hz: float = 20.0, high_hz: float = 7600.0) -> None:
        super().__init__()
        self.num_mel_bins = num_mel_bins
        place = torch.get_default_device()
        with torch.device("cpu"):  # on `meta` torch imports its compiler for a window, which takes more than a second
            # Float32 all the way, as the reference does: near the floor the last bit of the window shows in the logarithm.
            window = torch.hann_window(WINDOW, periodic=False).pow(0.85)
            mel = _mel_triangles(num_mel_bins, low_hz, high_hz)
        self.register_buffer("window", window.to(place), persistent=False)
        self.register_buffer("mel", mel.to(place), persistent=False)

    def forward(self, signal: Float[Tensor, "B S"], lengths: Int[Tensor, "B"]) -> tuple[Float[Tensor, "B T M"], Int[Tensor, "B"]]:
        """Compute features of a padded batch.

        Args:
            signal: samples in [-1, 1] at 16 kHz; values beyond a length are ignored.
            lengths: valid samples of each clip.

        Returns:
            Features (frames beyond a length hold log(1e-10)) and the number of frames of each clip.
        """
        frames_per_clip = mapped(lengths, num_frames)
        size = max(*on_host(frames_per_clip), 1)
        with torch.autocast(signal.device.type, enabled=False):
            frames = self._mirrored(signal.float(), lengths, size).unfold(1, WINDOW, HOP)  # (B, T, 400)
            frames = frames - frames.mean(-1, keepdim=True)
            previous = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
            spectrum = torch.fft.rfft((frames - 0.97 * previous) * self.window, n=FFT)[..., : FFT // 2]
            power = spectrum.real.square() + spectrum.imag.square()
            features = (power @ self.mel).clamp_min(LOG_FLOOR).log()
        padding = torch.arange(size, device=signal.device)[None, :] >= frames_per_clip[:, None]
        return features.masked_fill(padding[..., None], PADDING_VALUE), frames_per_clip

    @staticmethod
    def _mirrored(signal: Float[Tensor, "B S"], lengths: Int[Tensor, "B"], size: int) -> Float[Tensor, "B P"]:
        """Lay out the samples that `size` frames read: each clip with both edges mirrored, edge sample included."""
        left = (WINDOW - HOP) // 2
        position = torch.arange((size - 1) * HOP + WINDOW, device=signal.device)[None, :] - left
        last = lengths[:, None].clamp_min(1)
        # A clip shorter than the mirror bounces to and fro with period 2n.
        position = position.remainder(2 * last)
        position = torch.where(position >= last, 2 * last - 1 - position, position)
        return signal.gather(1, position)


def _mel_triangles(num_mel_bins: int, low_hz: float, high_hz: float) -> Float[Tensor, "F M"]:
    """Triangular filters over the first 256 bins of a 512-point FFT, linear in mel = 1127 ln(1 + f / 700).

    Float32 for the bins and float64 for the edges, as in the reference: where an edge nearly meets a bin, rounding decides the
    weight.
    """
    low, high = (1127.0 * math.log1p(hz / 700.0) for hz in (low_hz, high_hz))
    step = (high - low) / (num_mel_bins + 1)
    edges = low + torch.arange(num_mel_bins + 2) * step
    bins = (1127.0 * (1.0 + torch.arange(FFT // 2) * (16000 / FFT) / 700.0).log())[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp_min(0)
