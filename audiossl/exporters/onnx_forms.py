"""The forms in which an encoder is written as a graph: what enters, and how sizes are counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.embedding.embedder import Embedder
from audiossl.errors import ConfigError
from audiossl.features.logmel import HOP
from audiossl.features.logmel_by_products import LogMelByProducts
from audiossl.kinds import Kind, find_kind
from audiossl.lengths import pad_stack
from audiossl.models import hub
from audiossl.models.encoder import Frames
from audiossl.models.frontend import RECEPTIVE_FRAMES
from audiossl.models.zipformer import Zipformer

FORMS: dict[str, dict[str, Kind]] = {
    hub.SPEAR: {
        "waveform": Kind("audiossl.exporters.onnx_forms:WaveformForm", "16 kHz audio (B, S), log-mel inside"),
        "features": Kind("audiossl.exporters.onnx_forms:FeaturesForm", "log-mel frames (B, T, M)"),
    },
    hub.CONNECTIVITY: {
        "signal": Kind("audiossl.exporters.onnx_connectivity:ConnectivityForm", "regional series (B, N, T)"),
    },
}
OF_OTHERS = {"signal": Kind("audiossl.exporters.onnx_forms:SignalForm", "signals (B, C, S)")}


class GraphForm(nn.Module):
    """An encoder as a module that can be traced: called with a padded batch and its lengths, it returns `Frames`.

    Attributes:
        name: name of the form, and of the input.
        smallest: size of the shortest input.
        step: sizes that differ by a multiple of it have the same place on the grid of frames.
        unit: size in which residues are counted: samples, or the samples of a feature frame.
        samples_a_step: samples of a signal for each step of the input.
        chooses: whether a threshold on computed values decides what enters a frame, so that rounding may change single frames.
    """

    name = "signal"
    unit = 1
    samples_a_step = 1
    chooses = False
    smallest: int
    step: int

    def batch(self, clips: list[Float[Tensor, "C _"]]) -> tuple[Float[Tensor, "B *S"], Int[Tensor, "B"]]:
        """The input of a padded batch, of signals as the encoder takes them."""
        padded, lengths = pad_stack([clip.T for clip in clips])
        return padded.mT.contiguous(), lengths


def make_form(embedder: Embedder, name: str = "") -> GraphForm:
    """The form of a model that is asked for; its first by default.

    Raises:
        ConfigError: if it has no such form.

    >>> import audiossl
    >>> make_form(audiossl.load("logmel")).name
    'signal'
    """
    encoder = embedder.encoder
    forms: Mapping[str, Kind] = FORMS.get(hub.model_type_of(encoder), OF_OTHERS)
    if name and name not in forms:
        listed = "; ".join(f"{form}: {kind.about}" for form, kind in forms.items())
        raise ConfigError(f"export onnx: a {type(encoder).__name__} has no form '{name}', it has {listed}")
    form = find_kind(name or next(iter(forms)), forms, "form")(encoder)
    return form.eval()


class SignalForm(GraphForm):
    """An encoder as it is called: signals (B, C, S) and their lengths."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.smallest, self.step = int(cast(Any, encoder).min_samples), int(cast(Any, encoder).alignment)

    def forward(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode a padded batch."""
        return self.encoder(signal, lengths)


class WaveformForm(GraphForm):
    """A Zipformer with its log-mel features inside; waveforms (B, S) enter."""

    name = "waveform"
    unit = HOP

    def __init__(self, encoder: Zipformer) -> None:
        super().__init__()
        self.encoder, self.log_mel = encoder, LogMelByProducts(encoder.log_mel)
        self.smallest, self.step = encoder.min_samples, encoder.alignment

    def forward(self, waveform: Float[Tensor, "B S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode a padded batch."""
        return self.encoder.forward_features(*self.log_mel(waveform, lengths))

    def batch(self, clips: list[Float[Tensor, "1 _"]]) -> tuple[Float[Tensor, "B S"], Int[Tensor, "B"]]:
        """A padded batch."""
        return pad_stack([clip[0] for clip in clips])


class FeaturesForm(GraphForm):
    """A Zipformer behind its log-mel features (B, T, M), which the caller computes."""

    name = "features"
    samples_a_step = HOP
    smallest = RECEPTIVE_FRAMES

    def __init__(self, encoder: Zipformer) -> None:
        super().__init__()
        self.encoder, self.step = encoder, encoder.alignment // HOP

    def forward(self, features: Float[Tensor, "B T M"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode a padded batch."""
        return self.encoder.forward_features(features, lengths)

    @torch.no_grad()
    def batch(self, clips: list[Float[Tensor, "1 _"]]) -> tuple[Float[Tensor, "B T M"], Int[Tensor, "B"]]:
        """The features of a padded batch."""
        samples, lengths = pad_stack([clip[0] for clip in clips])
        return self.encoder.log_mel(samples, lengths)
