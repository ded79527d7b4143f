"""Configuration of a Zipformer, its presets, and the public `config.json` layout."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, cast

from audiossl.errors import ConfigError
from audiossl.options import nearest

MODEL_TYPE = "spear"
# What Hugging Face writes into every config.json, and what points to the published code; none of it describes the model.
BOOKKEEPING = frozenset(
    {"model_type", "architectures", "auto_map", "dtype", "torch_dtype", "transformers_version", "_name_or_path", "_commit_hash"}
)
MAX_SIZE, MAX_LAYERS = 100_000, 1000  # a config from elsewhere must not ask for what no machine has
PER_STACK = (
    "downsampling_factor",
    "num_encoder_layers",
    "feedforward_dim",
    "encoder_dim",
    "encoder_unmasked_dim",
    "cnn_module_kernel",
    "num_heads",
)
OPTIONAL = ("frontend", "query_head_dim", "value_head_dim", "pos_head_dim")  # ours, not in published files


@dataclass(frozen=True)
class ZipformerConfig:
    """Sizes of a Zipformer; the defaults are SPEAR Base (arXiv 2510.25955).

    Attributes:
        num_mel_bins: log-mel bins of the input.
        pos_dim: size of the relative position code.
        output_downsampling_factor: 1 for 50 Hz output, 2 for 25 Hz.
        downsampling_factor: factors of each stack, against 50 Hz.
        num_encoder_layers: layers of each stack.
        feedforward_dim: hidden size of the second feed-forward module, by stack; the first has 3/4 and the third 5/4 of it.
        encoder_dim: width, by stack; all must be equal.
        encoder_unmasked_dim: channels that feature masks in training leave alone, by stack.
        cnn_module_kernel: odd taps of the convolution modules, by stack.
        num_heads: attention heads, by stack.
        causal: attention and convolutions see their chunk and the past only.
        chunk_size: chunk sizes of causal models, in 50 Hz frames, multiples of every downsampling factor, or -1 for the whole
            clip. Training draws one of several; otherwise the first counts.
        left_context_frames: frames that causal attention sees before its chunk, in 50 Hz frames, or -1 for all; drawn likewise.
        frontend: "conv2d" is the published one, "conv1d" a light one for laptops.
        query_head_dim, value_head_dim, pos_head_dim: sizes per head.

    Raises:
        ConfigError: for sizes that do not fit together.

    Raises:
        ConfigError: for sizes that do not fit together.

    >>> ZipformerConfig(num_mel_bins=80).dim
    512
    """

    num_mel_bins: int = 128
    pos_dim: int = 48
    output_downsampling_factor: int = 1
    downsampling_factor: tuple[int, ...] = (1, 2, 4, 8, 4, 2, 1)
    num_encoder_layers: tuple[int, ...] = (1, 2, 3, 3, 1, 1, 1)
    feedforward_dim: tuple[int, ...] = (1536,) * 7
    encoder_dim: tuple[int, ...] = (512,) * 7
    encoder_unmasked_dim: tuple[int, ...] = (256,) * 7
    cnn_module_kernel: tuple[int, ...] = (31, 31, 15, 15, 15, 31, 31)
    num_heads: tuple[int, ...] = (8,) * 7
    causal: bool = False
    chunk_size: tuple[int, ...] = (8,)
    left_context_frames: tuple[int, ...] = (128,)
    frontend: Literal["conv2d", "conv1d"] = "conv2d"
    query_head_dim: int = 32
    value_head_dim: int = 12
    pos_head_dim: int = 4

    def __post_init__(self) -> None:
        if self.frontend not in ("conv2d", "conv1d"):
            raise ConfigError(f"frontend must be 'conv2d' or 'conv1d', got {self.frontend!r}.")
        num_stacks = len(self.downsampling_factor)
        for name in PER_STACK:
            values = getattr(self, name)
            if num_stacks == 0 or len(values) != num_stacks:
                raise ConfigError(f"{name} has {len(values)} values; downsampling_factor has {num_stacks}, one for each stack.")
        self._check_sizes()

    def _check_sizes(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            numbers = value if isinstance(value, tuple) else (value,)
            if item.name in ("causal", "frontend", "chunk_size", "left_context_frames"):
                continue
            if not all(isinstance(number, int) and number > 0 for number in numbers):
                raise ConfigError(f"{item.name} must be positive whole numbers, got {value!r}.")
            most = MAX_LAYERS if item.name == "num_encoder_layers" else MAX_SIZE
            if max(numbers) > most:
                raise ConfigError(f"{item.name} must be at most {most}, got {value!r}.")
        if self.output_downsampling_factor not in (1, 2):
            raise ConfigError(
                f"output_downsampling_factor must be 1 (50 Hz) or 2 (25 Hz), got {self.output_downsampling_factor}."
            )
        if len(set(self.encoder_dim)) > 1 or self.dim % 4:
            raise ConfigError(f"encoder_dim must be one multiple of 4 for all stacks, got {self.encoder_dim}.")
        if any(kernel % 2 == 0 for kernel in self.cnn_module_kernel):
            raise ConfigError(f"cnn_module_kernel must be odd, got {self.cnn_module_kernel}.")
        if self.pos_dim % 2:
            raise ConfigError(f"pos_dim must be even, got {self.pos_dim}.")
        if self.num_mel_bins < 7:
            raise ConfigError(f"num_mel_bins must be at least 7, got {self.num_mel_bins}.")
        if self.causal:
            self._check_chunks()

    def _check_chunks(self) -> None:
        step = self.chunk_step
        if not self.chunk_size or any(size != -1 and (size <= 0 or size % step) for size in self.chunk_size):
            raise ConfigError(f"chunk_size must hold -1 or positive multiples of {step}, got {self.chunk_size}.")
        if not self.left_context_frames or any(frames != -1 and frames <= 0 for frames in self.left_context_frames):
            raise ConfigError(f"left_context_frames must hold -1 or positive numbers, got {self.left_context_frames}.")

    @property
    def chunk_step(self) -> int:
        """50 Hz frames that are whole frames at every rate of the model."""
        return math.lcm(*self.downsampling_factor, self.output_downsampling_factor)

    @property
    def dim(self) -> int:
        """Width of every stack."""
        return self.encoder_dim[0]

    @classmethod
    def from_json(cls, values: Mapping[str, object], origin: str = "config.json") -> ZipformerConfig:
        """Read the public layout, in which lists are comma-joined strings.

        Raises:
            ConfigError: naming unknown and missing fields, or a value that cannot be read.
        """
        if values.get("model_type") != MODEL_TYPE:
            raise ConfigError(f"{origin}: model_type is {values.get('model_type')!r}, expected '{MODEL_TYPE}'.")
        types = {item.name: str(item.type) for item in fields(cls)}
        unknown = sorted(values.keys() - types.keys() - BOOKKEEPING)
        missing = sorted(types.keys() - values.keys() - set(OPTIONAL))
        if unknown or missing:
            raise ConfigError(f"{origin}: unknown fields {unknown}, missing fields {missing}; is it the config of a Zipformer?")
        try:
            return cls(**{name: _parsed(values[name], type_name) for name, type_name in types.items() if name in values})
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"{origin}: a value cannot be read ({error}).") from error
        except ConfigError as error:
            raise ConfigError(f"{origin}: {error}") from error

    def to_json(self) -> dict[str, object]:
        """Write the public layout; our own fields appear only where they differ from the published values."""
        values: dict[str, object] = {
            "model_type": MODEL_TYPE,
            "architectures": ["SpearModel"],
            "auto_map": {"AutoConfig": "configuration_spear.SpearConfig", "AutoModel": "modeling_spear.SpearModel"},
        }
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in OPTIONAL and value == item.default:
                continue
            if isinstance(value, tuple):
                alone = len(value) == 1 and item.name not in PER_STACK
                value = value[0] if alone else ",".join(map(str, value))
            values[item.name] = value
        return values


def _parsed(value: Any, type_name: str) -> Any:
    """Turn a JSON value into what a field of type `type_name` holds."""
    if type_name.startswith("tuple"):
        parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
        return tuple(_whole(part) for part in parts)
    if type_name == "int":
        return _whole(value)
    if type_name == "bool" and not isinstance(value, bool):
        raise ValueError(f"expected true or false, got {value!r}")
    return value


def _whole(value: Any) -> int:
    """A whole number; published layouts write some as text."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"expected a whole number, got {value!r}")
    return int(value)


_BASE = ZipformerConfig()
PRESETS = {
    "tiny": ZipformerConfig(
        num_mel_bins=80,
        downsampling_factor=(1, 2, 4, 2, 1),
        num_encoder_layers=(1,) * 5,
        feedforward_dim=(256,) * 5,
        encoder_dim=(192,) * 5,
        encoder_unmasked_dim=(128,) * 5,
        cnn_module_kernel=(15,) * 5,
        num_heads=(4,) * 5,
        frontend="conv1d",
    ),
    "base": _BASE,
    "large": replace(
        _BASE,
        num_encoder_layers=(1, 2, 2, 3, 1, 1, 1),
        feedforward_dim=(3072,) * 7,
        encoder_dim=(1024,) * 7,
        encoder_unmasked_dim=(512,) * 7,
    ),
    "xlarge": replace(
        _BASE,
        num_encoder_layers=(1, 2, 3, 4, 1, 1, 1),
        feedforward_dim=(3840,) * 7,
        encoder_dim=(1280,) * 7,
        encoder_unmasked_dim=(768,) * 7,
    ),
}


def preset_config(preset: str, **overrides: object) -> ZipformerConfig:
    """Return the sizes of a preset, "tiny", "base", "large" or "xlarge", with some fields replaced.

    Raises:
        ConfigError: for an unknown preset or field.
    """
    if preset not in PRESETS:
        raise ConfigError(f"unknown Zipformer preset {preset!r}; there are: {', '.join(PRESETS)}.")
    known = {item.name for item in fields(ZipformerConfig)}
    unknown = sorted(overrides.keys() - known)
    if unknown:
        meant = nearest(unknown[0], known)
        raise ConfigError(f"unknown Zipformer fields {unknown}{meant}; there are: {', '.join(sorted(known))}.")
    changes: dict[str, Any] = {}
    for name, value in overrides.items():
        changes[name] = tuple(cast(Iterable[int], value)) if name in PER_STACK else value
    return replace(PRESETS[preset], **changes)
