"""Log-mel energies without an FFT, for graphs of other runtimes: few of them have one, and none a fast one."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.features.logmel import FFT, HOP, LOG_FLOOR, PADDING_VALUE, WINDOW, LogMel, num_frames

BINS = FFT // 2
BLOCK = math.gcd(WINDOW, HOP)  # samples; windows and the steps between them are whole blocks


class LogMelByProducts(nn.Module):
    """What `LogMel` computes, with the discrete Fourier transform as a product with a matrix, and of sizes that are shapes alone.

    The edges of a clip are mirrored once, so that clips have 201 samples or more. Rounding is no larger than that of the FFT in
    float32: 1e-5 in bins that hold 1e-5 of the power of their frame, 1e-4 in those that hold 1e-7, more below.

    Args:
        log_mel: features that are to be computed.

    >>> log_mel, signal, lengths = LogMel(80), torch.randn(2, 16000), torch.tensor([16000, 8000])
    >>> features, counts = LogMelByProducts(log_mel)(signal, lengths)
    >>> counts.tolist(), bool((features - log_mel(signal, lengths)[0]).abs().max() < 3e-4)
    ([100, 50], True)
    """

    dft: Tensor
    mel: Tensor

    def __init__(self, log_mel: LogMel) -> None:
        super().__init__()
        time, frequency = torch.arange(WINDOW, dtype=torch.float64)[:, None], torch.arange(BINS, dtype=torch.float64)
        phase = time * frequency * (2 * math.pi / FFT)
        window = log_mel.window.double().cpu()[:, None]
        self.register_buffer("dft", torch.cat([window * phase.cos(), window * phase.sin()], dim=1).float())  # (400, 512)
        self.register_buffer("mel", log_mel.mel.clone().cpu())

    def forward(self, signal: Float[Tensor, "B S"], lengths: Int[Tensor, "B"]) -> tuple[Float[Tensor, "B T M"], Int[Tensor, "B"]]:
        """Compute features of a padded batch as `LogMel` does; T is that of a clip of S samples."""
        size, counts = num_frames(signal.shape[1]), num_frames(lengths)
        blocks = self._mirrored(signal, lengths, size).unflatten(1, (2 * size + 3, BLOCK))
        # The frames begin at every second block, and hold five.
        frames = torch.cat([blocks[:, first : first + 2 * size - 1 : 2] for first in range(WINDOW // BLOCK)], dim=2)
        frames = frames - frames.mean(-1, keepdim=True)
        previous = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
        spectrum = (frames - 0.97 * previous) @ self.dft
        power = spectrum[..., :BINS].square() + spectrum[..., BINS:].square()
        features = (power @ self.mel).clamp_min(LOG_FLOOR).log()
        padding = torch.arange(size, device=signal.device)[None, :] >= counts[:, None]
        return features.masked_fill(padding[..., None], PADDING_VALUE), counts

    @staticmethod
    def _mirrored(signal: Float[Tensor, "B S"], lengths: Int[Tensor, "B"], size: int) -> Float[Tensor, "B P"]:
        position = torch.arange(size * HOP + WINDOW - HOP, device=signal.device) - (WINDOW - HOP) // 2
        position = torch.where(position < 0, -1 - position, position)[None, :]
        behind = 2 * lengths[:, None] - 1 - position
        # Positions beyond the mirror are those of padding.
        position = torch.where(position >= lengths[:, None], behind, position).clamp(0, signal.shape[1] - 1)
        return signal.gather(1, position)
