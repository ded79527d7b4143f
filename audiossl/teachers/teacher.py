"""A teacher: a frozen encoder, the layer it is read at, and whether its channels are normalised before quantisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.lengths import pad_stack
from audiossl.models.encoder import Encoder


@dataclass
class TeacherConfig:
    """Which frozen model makes the targets.

    Attributes:
        kind: hama (speech, from its wheel), logmel, transformers (Hugging Face), audiossl (a checkpoint of ours).
        name: model name or folder, for transformers and audiossl.
        layer: index into the encoder's layers; for transformers 0 is the input of the first block. None is the last.
        normalise: per-channel zero mean and unit variance before quantisation; not optional for pre-norm models such as WavLM Large.
        data_root: where wheels were unpacked by hand, on machines without pip access.
    """

    kind: Literal["hama", "logmel", "transformers", "audiossl"] = "hama"
    name: str | None = None
    layer: int | None = None
    normalise: bool = True
    data_root: Path | None = None


class Teacher(nn.Module):
    """Frames of one layer of a frozen encoder."""

    def __init__(self, encoder: nn.Module, layer: int, description: str) -> None:
        super().__init__()
        self.encoder: Encoder = encoder.eval().requires_grad_(False)  # pyright: ignore[reportAttributeAccessIssue]
        self.layer = layer
        self.description = description

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.encoder.frame_rate

    @torch.inference_mode()
    def frames(self, clips: Sequence[Float[Tensor, "_"]]) -> list[Float[Tensor, "T D"]]:
        """Encode mono clips at the encoder's rate as one padded batch; clips too short for a frame are padded with silence."""
        least = self.encoder.min_samples
        clips = [nn.functional.pad(clip, (0, least - len(clip))) if len(clip) < least else clip for clip in clips]
        signal, lengths = pad_stack(clips)
        device = next(self.encoder.buffers(), signal).device  # pyright: ignore[reportAttributeAccessIssue]
        output = self.encoder(signal[:, None].to(device), lengths.to(device))
        return [row[: int(length)].float().cpu() for row, length in zip(output.layers[self.layer], output.lengths, strict=True)]


def load_teacher(config: TeacherConfig) -> Teacher:
    """Build the teacher that a config names.

    Raises:
        ConfigError: if a name is missing or the layer does not exist.
    """
    encoder, description = _encoder(config)
    layer = encoder.num_layers - 1 if config.layer is None else config.layer
    if not 0 <= layer < encoder.num_layers:
        raise ConfigError(f"teacher {description} has layers 0 to {encoder.num_layers - 1}; teacher.layer={layer} was asked for")
    return Teacher(encoder, layer, f"{description}:{layer}")


def _encoder(config: TeacherConfig) -> tuple[nn.Module, str]:
    match config.kind:
        case "hama":
            from audiossl.teachers.hama import BLOCKS, HamaConformer

            return HamaConformer.from_wheel(config.data_root, BLOCKS if config.layer is None else min(config.layer, BLOCKS)), "hama"
        case "logmel":
            from audiossl.teachers.logmel import LogMelEncoder

            return LogMelEncoder(stride=2), "logmel"
        case "transformers":
            from audiossl.teachers.hugging_face import HuggingFaceEncoder

            name = _required_name(config, "microsoft/wavlm-large")
            return HuggingFaceEncoder.from_name(name), f"hf:{name}"
        case "audiossl":
            from audiossl.models import hub

            name = _required_name(config, "runs/asterisk")
            return hub.load(name), name


def _required_name(config: TeacherConfig, example: str) -> str:
    if not config.name:
        raise ConfigError(f"teacher.kind={config.kind} needs a name, for instance teacher.name={example}")
    return config.name
