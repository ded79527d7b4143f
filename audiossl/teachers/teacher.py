"""A teacher: a frozen encoder, the layer it is read at, and whether its channels are normalised before quantisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.embedding.embedder import Embedder
from audiossl.errors import ConfigError
from audiossl.load import encoder_folder, weights_digest
from audiossl.models.encoder import Encoder


@dataclass
class TeacherConfig:
    """Which frozen model makes the targets.

    Attributes:
        kind: hama (speech, from its wheel), logmel, transformers (Hugging Face), dasheng (general audio), audiossl (a checkpoint
            of ours).
        name: model name or folder, for transformers and audiossl; for dasheng dasheng_base, dasheng_06B, dasheng_12B or a file.
        layer: index into the encoder's layers; for transformers and dasheng 0 is the input of the first block. None is the last.
        normalise: per-channel zero mean and unit variance before quantisation; not optional for pre-norm models such as
            WavLM Large.
        options: of logmel: num_mel_bins, stride (2) and stack, as `LogMelEncoder` takes them.
        data_root: where wheels were unpacked, or weights of dasheng downloaded, by hand.
    """

    kind: Literal["hama", "logmel", "transformers", "dasheng", "audiossl"] = "hama"
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

    def frames(self, clips: Sequence[Float[Tensor, "_"]]) -> list[Float[Tensor, "T D"]]:
        """Encode mono clips at the encoder's rate; a clip gives the same frames in any company."""
        return [embedding.frames[0] for embedding in self.embedder.embed(list(clips), layers=[self.layer])]


def load_teacher(config: TeacherConfig, device: torch.device | str = "cpu") -> Teacher:
    """Build the teacher that a config names; its frames come back to the CPU from any device.

    Raises:
        ConfigError: if a name is missing or the layer does not exist.
    """
    encoder, description = _encoder(config)
    layer = encoder.num_layers - 1 if config.layer is None else config.layer
    if not 0 <= layer < encoder.num_layers:
        raise ConfigError(f"teacher {description} has layers 0 to {encoder.num_layers - 1}; teacher.layer={layer} was asked for")
    # Attention without positions, trained on utterances: windows longer than that are not what the teacher knows. Dasheng cuts
    # clips itself; SPEAR gave it clips of up to 31 s whole.
    window = 31 if config.kind == "dasheng" else 20
    embedder = Embedder(encoder, description, window_seconds=window, context_seconds=2).to(device)
    return Teacher(embedder, layer, f"{description}:{layer}", teacher_digest(config))


def teacher_digest(config: TeacherConfig) -> str:
    """Hash the weights and configs of a teacher in a local folder or file, which may be trained anew under its name.

    Returns:
        The hash, or "" where the name alone says which weights are meant.
    """
    return "" if config.kind in ("hama", "logmel") or not config.name else weights_digest(config.name)


def parse_teacher(name: str, layer: int | None = None, normalise: bool = True) -> TeacherConfig:
    """Read a teacher's name as `audiossl.load` takes it: hama, logmel, hf:NAME[:LAYER], dasheng:NAME, a checkpoint or run folder.

    Raises:
        ConfigError: if the layer in the name is no number, or is another one than `layer`.
    """
    if name.startswith("hf:"):
        model, colon, in_name = name.removeprefix("hf:").partition(":")
        if not model or (colon and not in_name.isdecimal()):
            raise ConfigError(f"expected hf:NAME or hf:NAME:LAYER, for instance hf:microsoft/wavlm-large:21, got '{name}'")
        if colon and layer not in (None, int(in_name)):
            raise ConfigError(f"expected one layer, got {in_name} in '{name}' and layer {layer}: leave one out")
        return TeacherConfig("transformers", model, int(in_name) if colon else layer, normalise)
    if name.startswith("dasheng:"):
        return TeacherConfig("dasheng", name.removeprefix("dasheng:"), layer, normalise)
    if name in ("hama", "logmel"):
        return TeacherConfig(name, None, layer, normalise)
    return TeacherConfig("audiossl", name, layer, normalise)


def _encoder(config: TeacherConfig) -> tuple[Encoder, str]:
    match config.kind:
        case "hama":
            from audiossl.teachers.hama import BLOCKS, HamaConformer

            return HamaConformer.from_wheel(
                config.data_root, BLOCKS if config.layer is None else min(config.layer, BLOCKS)
            ), "hama"
        case "logmel":
            from audiossl.teachers.logmel import LogMelEncoder

            options = {"stride": 2, **config.options}
            try:
                encoder = LogMelEncoder(**options)
            except TypeError as error:
                raise ConfigError(f"teacher.options of logmel are num_mel_bins, stride and stack ({error})") from error
            named = ",".join(f"{key}={value}" for key, value in sorted(config.options.items()))
            return encoder, f"logmel({named})" if named else "logmel"
        case "transformers":
            from audiossl.teachers.hugging_face import HuggingFaceEncoder

            name = _required_name(config, "microsoft/wavlm-large")
            return HuggingFaceEncoder.from_name(name), f"hf:{name}"
        case "dasheng":
            from audiossl.teachers.dasheng import DashengEncoder

            name = _required_name(config, "dasheng_12B")
            return DashengEncoder.from_name(name, config.data_root, config.layer), f"dasheng:{name}"
        case "audiossl":
            from audiossl.models import hub

            name = _required_name(config, "runs/asterisk/pretrain/student")
            folder = encoder_folder(Path(name))
            return hub.load(name if folder == Path(name) else folder), name


def _required_name(config: TeacherConfig, example: str) -> str:
    if not config.name:
        raise ConfigError(f"teacher.kind={config.kind} needs a name, for instance teacher.name={example}")
    return config.name
