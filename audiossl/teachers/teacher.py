"""A teacher: a frozen encoder, the layer it is read at, and whether its channels are normalised before quantisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.embedding.embedder import Embedder
from audiossl.encoder_names import ENCODERS, EncoderName, Wanted, parse_name
from audiossl.errors import ConfigError
from audiossl.load import weights_digest

# The kinds of `audiossl.encoder_names`, written out since the types of recipes are checked when they are read.
Kind = Literal["hama", "logmel", "resemblyzer", "transformers", "dasheng", "audiossl"]


@dataclass
class TeacherConfig:
    """Which frozen model makes the targets.

    Attributes:
        kind: hama (speech, from its wheel), logmel, resemblyzer (speakers, from its wheel), transformers (Hugging Face), dasheng
            (general audio), audiossl (a checkpoint of ours, or a folder of Hugging Face).
        name: model name or folder, for transformers and audiossl; for dasheng dasheng_base, dasheng_06B, dasheng_12B or a file.
        layer: index into the encoder's layers; for transformers and dasheng 0 is the input of the first block. None is the last.
        normalise: per-channel zero mean and unit variance before quantisation; not optional for pre-norm models such as
            WavLM Large.
        options: of logmel: num_mel_bins, stride (2) and stack, as `LogMelEncoder` takes them.
        data_root: where wheels were unpacked, or weights of dasheng downloaded, by hand.
    """

    kind: Kind = "hama"
    name: str | None = None
    layer: int | None = None
    normalise: bool = True
    options: dict[str, int] = field(default_factory=dict)
    data_root: Path | None = None


class Teacher:
    """One layer of a frozen encoder, on signals of any length.

    `digest` is that of its weights where they lie in a local folder or file, else "".
    """

    def __init__(self, embedder: Embedder, layer: int, description: str, digest: str = "") -> None:
        self.embedder = embedder
        self.layer = layer
        self.description = description
        self.digest = digest

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.embedder.frame_rate

    def frames(self, clips: Sequence[Float[Tensor, "_"]], sample_rate: float | int | None = None) -> list[Float[Tensor, "T D"]]:
        """Encode mono clips; a clip gives the same frames in any company.

        Args:
            clips: samples.
            sample_rate: Hz of the clips, which are resampled to the encoder's; None means that they are at the encoder's already.
        """
        return [embedding.frames[0] for embedding in self.embedder.embed(list(clips), sample_rate, layers=[self.layer])]


def load_teacher(config: TeacherConfig, device: torch.device | str = "cpu") -> Teacher:
    """Build the teacher that a config names; its frames come back to the CPU from any device.

    Raises:
        ConfigError: if a name is missing or the layer does not exist.
    """
    known = _known(config)
    options = {**known.teacher_options, **config.options}
    encoder = known.load(Wanted(config.name or "", config.layer if known.teacher_layers else None, config.data_root, options))
    named = ",".join(f"{key}={value}" for key, value in sorted(config.options.items()))
    description = f"{known.prefix or ''}{config.name}" if known.takes_name else known.kind
    description = f"{description}({named})" if named else description
    layer = encoder.num_layers - 1 if config.layer is None else config.layer
    if not 0 <= layer < encoder.num_layers:
        raise ConfigError(f"teacher {description} has layers 0 to {encoder.num_layers - 1}; teacher.layer={layer} was asked for")
    embedder = Embedder(encoder, description, window_seconds=known.window_seconds, context_seconds=2).to(device)
    return Teacher(embedder, layer, f"{description}:{layer}", teacher_digest(config))


def teacher_digest(config: TeacherConfig) -> str:
    """Hash the weights and configs of a teacher in a local folder or file, which may be trained anew under its name.

    Returns:
        The hash, or "" where the name alone says which weights are meant.
    """
    return weights_digest(config.name) if config.name and ENCODERS[config.kind].takes_name else ""


def assumed_frame_rate(config: TeacherConfig) -> float:
    """Frames per second that a teacher is taken to have while it is not loaded."""
    return ENCODERS[config.kind].assumed_rate(config.options)


def parse_teacher(name: str, layer: int | None = None, normalise: bool = True) -> TeacherConfig:
    """Read a teacher's name, which is any that `audiossl.load` takes (see `audiossl.encoder_names`).

    Raises:
        ConfigError: if the layer in the name is no number, or is another one than `layer`.
    """
    known, rest, in_name = parse_name(name)
    if in_name is not None and layer not in (None, in_name):
        raise ConfigError(f"expected one layer, got {in_name} in '{name}' and layer {layer}: leave one out")
    return TeacherConfig(cast("Kind", known.kind), rest or None, layer if in_name is None else in_name, normalise)


def _known(config: TeacherConfig) -> EncoderName:
    known = ENCODERS[config.kind]
    if known.takes_name and not config.name:
        raise ConfigError(f"teacher.kind={config.kind} needs a name, for instance teacher.name={known.example}")
    return known
