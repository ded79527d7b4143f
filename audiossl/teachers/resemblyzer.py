"""The GE2E speaker encoder of the `Resemblyzer` wheel (Apache-2.0; arXiv 1710.10467), frame by frame."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from audiossl.encoder_names import Wanted
from audiossl.errors import StoreError
from audiossl.lengths import padding_mask
from audiossl.models.encoder import Encoder, Frames

SOURCE = "pypi:Resemblyzer==0.1.4"
WEIGHTS_FILE = "resemblyzer/pretrained.pt"
FFT, HOP, MELS, DIM, LAYERS = 400, 160, 40, 256, 3


class Resemblyzer(nn.Module):
    """Supervised speaker encoder, 1.4 M parameters: 16 kHz in, 256-d at 100 Hz out of each of three LSTM layers.

    Its input is the power in 40 mel bands, not its logarithm. Frames of a clip do not depend on what follows it in a batch: the
    LSTMs look back only, and zeros lie beyond each clip's end. The published utterance embedding, a linear layer and a norm over
    the last frames of windows of 1.6 s, is not made; frames are means of the state, which the probes read.

    Args:
        state: tensors by their name in the wheel's checkpoint.

    >>> lstms = [nn.LSTM(256 if index else 40, 256) for index in range(3)]
    >>> state = {f"lstm.{name[:-1]}{i}": value for i, lstm in enumerate(lstms) for name, value in lstm.state_dict().items()}
    >>> Resemblyzer(state)(torch.randn(1, 1, 1600), torch.tensor([1600])).last.shape
    torch.Size([1, 11, 256])
    """

    sample_rate = 16000.0
    frame_rate = 100.0
    last_frame_rate = 100.0
    frame_offset = 0.0
    dim = DIM
    num_layers = LAYERS
    min_samples = 1
    alignment = HOP

    window: Tensor
    mel: Tensor

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(FFT), persistent=False)
        self.register_buffer("mel", _slaney_bands(), persistent=False)
        self.lstms = nn.ModuleList(nn.LSTM(DIM if index else MELS, DIM, batch_first=True) for index in range(LAYERS))
        for index, lstm in enumerate(self.lstms):
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            lstm.load_state_dict({f"{name}_l0": state[f"lstm.{name}_l{index}"] for name in names})
        self.eval().requires_grad_(False)

    @classmethod
    def from_wheel(cls, data_root: Path | None = None) -> Resemblyzer:
        """Fetch the wheel with the user's own pip and load the encoder from it; nothing of the wheel is imported.

        Raises:
            StoreError: if the checkpoint cannot be read as plain tensors.
        """
        from audiossl.signals.fetch import fetch

        path = fetch(SOURCE, data_root=data_root, expect={WEIGHTS_FILE: 1}) / WEIGHTS_FILE
        try:
            checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            return cls(checkpoint["model_state"])
        except (RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
            raise StoreError(f"{path} is not Resemblyzer's checkpoint ({error}); fetch the wheel again") from error

    def forward(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode 16 kHz mono audio; a clip of n samples gives n // 160 + 1 frames, frame t centred on sample 160 t."""
        frames = lengths // HOP + 1
        with torch.autocast(signal.device.type, enabled=False):
            samples = signal[:, 0].float().masked_fill(padding_mask(lengths, signal.shape[2]), 0.0)
            padded = functional.pad(samples, (FFT // 2, FFT // 2))
            spectrum = torch.fft.rfft(padded.unfold(1, FFT, HOP) * self.window)
            hidden = (spectrum.real.square() + spectrum.imag.square()) @ self.mel
        layers: list[Tensor] = []
        for lstm in self.lstms:
            hidden, _ = lstm(hidden)
            layers.append(hidden)
        return Frames.from_layers(layers, frames)


def _slaney_bands() -> Float[Tensor, "F M"]:
    """Triangles of unit area in Hz over 0 to 8 kHz, on a scale that is linear to 1 kHz and logarithmic above (librosa's default).

    15 steps reach 1 kHz and each of 27 more raises the frequency by the same factor, 6.4 in all.
    """
    step = 27 / math.log(6.4)
    places = torch.linspace(0, 15 + step * math.log(8), MELS + 2, dtype=torch.float64)
    corners = torch.where(places < 15, places * (200 / 3), 1000 * ((places - 15) / step).exp())
    hz = torch.linspace(0, 8000, FFT // 2 + 1, dtype=torch.float64)[:, None]
    low, centre, high = corners[:-2], corners[1:-1], corners[2:]
    triangles = torch.minimum((hz - low) / (centre - low), (high - hz) / (high - centre)).clamp(min=0)
    return (triangles * 2 / (high - low)).float()


def load_named(wanted: Wanted) -> Encoder:
    """`resemblyzer`, see `audiossl.encoder_names`."""
    return Resemblyzer.from_wheel(wanted.data_root)
