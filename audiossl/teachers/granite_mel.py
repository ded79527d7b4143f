"""The log-mel frames of Granite Speech, in torch: its extractor in `transformers` asks for torchaudio."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.teachers.hugging_face_loading import import_transformers

FFT, WINDOW, HOP, RATE = 512, 400, 160, 16000


class GraniteMel:
    """Pairs of log10-mel frames (HTK scale, 10 ms apart), floored 8 below the loudest of the clip, over 4, plus 1.

    Args:
        num_mel_bins: mel bins of one frame.

    >>> GraniteMel()([torch.zeros(1600)])["input_features"].shape
    torch.Size([1, 5, 160])
    """

    sampling_rate, hop_length = RATE, HOP

    def __init__(self, num_mel_bins: int = 80) -> None:
        self.num_mel_bins = num_mel_bins
        audio_utils: Any = import_transformers().audio_utils
        filters = audio_utils.mel_filter_bank(FFT // 2 + 1, num_mel_bins, 0.0, RATE / 2, RATE, norm=None, mel_scale="htk")
        self._filters = torch.from_numpy(filters).float()
        self._window = torch.hann_window(WINDOW)

    def __call__(self, clips: list[Float[Tensor, "S"]]) -> dict[str, Float[Tensor, "1 T D"]]:
        """Frames of one clip, on the CPU; an odd one at the end is dropped."""
        (clip,) = clips
        spectrum = torch.stft(clip.float(), FFT, HOP, WINDOW, self._window, return_complex=True).abs().square()
        mel = (spectrum.T @ self._filters).clamp(min=1e-10).log10()
        mel = torch.maximum(mel, mel.amax() - 8) / 4 + 1
        return {"input_features": mel[: len(mel) // 2 * 2].reshape(1, -1, 2 * self.num_mel_bins)}
