"""An encoder by the interface of HEAR 2021 (arXiv 2203.03022)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from audiossl.embedding.embedder import Embedder, Embedding, Layers
from audiossl.embedding.frame_rate import require_declared_rate
from audiossl.errors import ConfigError
from audiossl.load import load

Pooling = Literal["mean", "mean+max"]
SAMPLE_RATES = (16000, 22050, 32000, 44100, 48000)


class HearModel(nn.Module):
    """What HEAR's functions take: an encoder with the attributes that the interface asks for.

    Long audio runs through the windows of `Embedder`, on one grid of frames.

    Args:
        embedder: embedder of audio.
        layers: "last" for the final output, "all" or a list of layer numbers; their vectors are concatenated.
        pooling: pooling of scene embeddings over time: "mean", or "mean+max", which are laid side by side.

    Attributes:
        sample_rate: Hz of the audio.
        timestamp_embedding_size: width of `layers`.
        scene_embedding_size: the same, doubled where pooling has two parts.

    Raises:
        ConfigError: if the encoder's rate is none of HEAR's, or a layer or pooling does not exist.
        DataError: if the encoder declares another frame rate than it has.
    """

    def __init__(self, embedder: Embedder, layers: Layers = "last", pooling: str = "mean") -> None:
        super().__init__()
        if embedder.sample_rate not in SAMPLE_RATES:
            raise ConfigError(
                f"HEAR takes audio at {', '.join(map(str, SAMPLE_RATES))} Hz; {embedder.name} takes {embedder.sample_rate:g} Hz"
            )
        if pooling not in get_args(Pooling):
            raise ConfigError(f"expected pooling {' or '.join(get_args(Pooling))}, got {pooling!r}")
        require_declared_rate(embedder, layers)
        self.embedder, self.pooling = embedder, pooling
        self.layers: Layers = layers
        self.sample_rate = int(embedder.sample_rate)
        rate, offset = embedder.grid(layers)
        # In samples, of which rates and offsets are whole numbers or simple fractions: no error that grows with time.
        self.hop, self.first = round(self.sample_rate / rate, 6), round(offset * self.sample_rate, 6)
        self.timestamp_embedding_size = side_by_side(embedder.embed(torch.zeros(self.sample_rate), layers=layers)).shape[1]
        self.scene_embedding_size = self.timestamp_embedding_size * len(pooling.split("+"))

    @classmethod
    def from_name(cls, name: str | Path, layers: Layers = "last", pooling: str = "mean", **unknown: object) -> HearModel:
        """Load an encoder as `audiossl.load` does.

        Raises:
            ConfigError: if an option is neither `layers` nor `pooling`.
        """
        if unknown:
            raise ConfigError(f"expected the options layers and pooling, got {', '.join(sorted(unknown))}")
        return cls(load(name), layers, pooling)

    def forward(self, audio: Float[Tensor, "B S"]) -> tuple[list[Float32[Tensor, "T D"]], Float32[Tensor, "T"]]:
        """Frames of each clip and the milliseconds of their centres, on the CPU; frames centred beyond the end are dropped."""
        if audio.ndim != 2:
            raise ConfigError(f"expected audio (clips, samples), got shape {tuple(audio.shape)}")
        frames = [side_by_side(embedding) for embedding in self.embedder.embed(list(audio.float()), layers=self.layers)]
        num_frames = len(frames[0])
        times = (self.first + self.hop * torch.arange(num_frames, dtype=torch.float64)) * 1000 / self.sample_rate
        duration = audio.shape[1] * 1000 / self.sample_rate
        kept = max(1, int((times <= duration).sum()))
        return [clip[:kept] for clip in frames], times[:kept].clamp(max=duration).float()


def get_timestamp_embeddings(
    audio: Float[Tensor, "B S"], model: HearModel
) -> tuple[Float32[Tensor, "B T D"], Float32[Tensor, "B T"]]:
    """Embeddings of mono clips of one length at `model.sample_rate`, and the milliseconds on which they are centred."""
    frames, times = model(audio)
    return torch.stack(frames).to(audio.device), times.expand(len(frames), -1).to(audio.device)


def get_scene_embeddings(audio: Float[Tensor, "B S"], model: HearModel) -> Float32[Tensor, "B D"]:
    """One embedding of each clip: its timestamp embeddings, pooled over time as the model says."""
    frames, _ = model(audio)
    parts = {"mean": [clip.mean(0) for clip in frames], "max": [clip.amax(0) for clip in frames]}
    return torch.cat([torch.stack(parts[part]) for part in model.pooling.split("+")], dim=1).to(audio.device)


def side_by_side(embedding: Embedding) -> Float[Tensor, "T D"]:
    """Frames of the chosen layers, concatenated."""
    frames = embedding.frames
    return frames if frames.ndim == 2 else frames.permute(1, 0, 2).flatten(1)
