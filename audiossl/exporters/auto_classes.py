"""Configs and models of `transformers` around our encoders; `audiossl.register_transformers` registers them.

This module imports `transformers`, which is an extra.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
import transformers
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from audiossl.errors import ConfigError, DataError
from audiossl.lengths import padding_mask
from audiossl.models import hub
from audiossl.models.encoder import Encoder, Frames
from audiossl.models.pretrained import Pretrained

DOWNLOAD = ("revision", "token", "cache_dir", "local_files_only", "force_download")
# What `AutoModel` hands on, and what asks for nothing that is not so anyway.
NEEDLESS = (
    "trust_remote_code",
    "adapter_kwargs",
    "proxies",
    "use_safetensors",
    "low_cpu_mem_usage",
    "_from_auto",
    "_from_pipeline",
)


def _config_class(name: str, model_type: str) -> type[transformers.PretrainedConfig]:
    """A config that holds whatever `config.json` does.

    Not a class statement: transformers writes the `__init__` of its configs anew, and the check of shapes under pytest would wrap
    it as that of a plain dataclass.
    """
    return type(name, (transformers.PretrainedConfig,), {"model_type": model_type, "__module__": __name__})


SpearConfig = _config_class("SpearConfig", hub.SPEAR)
SensorConfig = _config_class("SensorConfig", hub.SENSOR)
ConnectivityConfig = _config_class("ConnectivityConfig", hub.CONNECTIVITY)


@dataclass
class EncoderOutput(BaseModelOutput):
    """Frames of a padded batch.

    Attributes:
        last_hidden_state: final output (B, T', D), zeros beyond the frames of a clip.
        hidden_states: output of every layer, each (B, T, D), as `Frames.layers`; None unless asked for.
        last_lengths: frames of each clip in `last_hidden_state`, (B,).
        lengths: frames of each clip in `hidden_states`, (B,).
    """

    last_lengths: Tensor | None = None
    lengths: Tensor | None = None


class EncoderModel(transformers.PreTrainedModel):
    """An encoder of ours as a model of `transformers`: loaded, saved and sent to the hub as the encoder is.

    Args:
        config: config that `AutoConfig` read.
        encoder: the encoder.

    Raises:
        ConfigError: if none is given.
    """

    main_input_name = "input_values"
    base_model_prefix = "encoder"

    def __init__(self, config: transformers.PretrainedConfig, encoder: Encoder | None = None) -> None:
        super().__init__(config)
        if encoder is None:
            raise ConfigError(
                "a model of audiossl comes with its weights, by from_pretrained; an untrained one is made by audiossl.models"
            )
        self.encoder = cast(nn.Module, encoder)
        config.hidden_size, config.num_hidden_layers = encoder.dim, encoder.num_layers
        config.sampling_rate = encoder.sample_rate

    @classmethod
    def from_pretrained(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        config: transformers.PretrainedConfig | None = None,
        **options: object,
    ) -> EncoderModel:
        """Load a folder or a repository of the hub, in evaluation mode and float32.

        Args:
            pretrained_model_name_or_path: folder, or owner/name.
            config: config that `AutoConfig` read; sizes are those of the folder.
            options: options of the download, such as `revision` and `token`; `dtype` may say float32.

        Raises:
            ConfigError: for an option that is not served, or another type of model.
            StoreError: if the folder is incomplete, or its weights do not fit its config.
        """
        how = {name: options.pop(name) for name in DOWNLOAD if options.get(name) is not None}
        left = [f"{name}={value!r}" for name, value in options.items() if _asks(name, value)]
        name = str(pretrained_model_name_or_path)
        if left:
            raise ConfigError(f"{name}: a model of audiossl is loaded on the CPU in float32, without {', '.join(left)}")
        folder = hub.folder_of(name, **cast(dict[str, str], how))
        kind = cast(type[transformers.PretrainedConfig], cls.config_class)
        found, wanted = hub.read_model_type(folder), kind.model_type
        if found != wanted:
            raise ConfigError(f"{name} holds a model of type '{found}', expected '{wanted}'")
        return cls(config or kind.from_pretrained(str(folder)), hub.load(folder)).eval()

    def save_pretrained(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, save_directory: str | Path, **_: object
    ) -> None:
        """Write the folder as audiossl does, whose config is not that of `transformers`."""
        hub.save(self.encoder, save_directory, getattr(self.config, hub.SEEN, None))

    def push_to_hub(  # pyright: ignore[reportIncompatibleMethodOverride, reportIncompatibleVariableOverride]
        self, repo_id: str, *, private: bool = False, token: str | None = None
    ) -> str:
        """Send the encoder to the hub, see `audiossl.models.pretrained.Pretrained.push_to_hub`."""
        return cast(Pretrained, self.encoder).push_to_hub(repo_id, private=private, token=token)

    def forward(
        self,
        input_values: Float[Tensor, "B *C S"],
        attention_mask: Shaped[Tensor, "B S"] | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> EncoderOutput | tuple[object, ...]:
        """Encode a padded batch.

        Args:
            input_values: audio (B, S), or channels of sensors (B, C, S), at the rate of the encoder.
            attention_mask: 1 for samples of a clip and 0 for the padding behind it; without, all are samples.
            output_hidden_states: whether to return all layers; by default what the config says, no.
            return_dict: false for a tuple.

        Raises:
            DataError: if the padding is not behind the clips, or the encoder refuses a clip, such as one that is too short.
        """
        signal = input_values if input_values.ndim == 3 else input_values[:, None]
        size = signal.shape[2]
        lengths = signal.new_full((len(signal),), size).long()
        if attention_mask is not None:
            lengths = attention_mask.long().sum(1)
            padding = padding_mask(lengths, size)
            if not torch.equal(attention_mask.bool(), ~padding):
                raise DataError("expected an attention_mask of ones and then zeros for every clip: pad on the right")
            signal = signal.masked_fill(padding[:, None], 0.0)
        frames: Frames = self.encoder(signal, lengths)
        is_asked = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        output = EncoderOutput(
            last_hidden_state=_cleared(frames.last, frames.last_lengths),
            hidden_states=tuple(_cleared(layer, frames.lengths) for layer in frames.layers) if is_asked else None,
            last_lengths=frames.last_lengths,
            lengths=frames.lengths,
        )
        return output.to_tuple() if return_dict is False else output


class SpearModel(EncoderModel):
    """A Zipformer."""

    config_class = SpearConfig


class SensorModel(EncoderModel):
    """A sensor encoder."""

    config_class = SensorConfig


class ConnectivityModel(EncoderModel):
    """A connectivity encoder."""

    config_class = ConnectivityConfig


CLASSES = ((SpearConfig, SpearModel), (SensorConfig, SensorModel), (ConnectivityConfig, ConnectivityModel))


def _cleared(frames: Float[Tensor, "B T D"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B T D"]:
    """Zeros in place of what lies beyond the frames of a clip."""
    return frames.masked_fill(padding_mask(lengths, frames.shape[1])[..., None], 0.0)


def _asks(name: str, value: object) -> bool:
    """Whether an option asks for something that is not so anyway."""
    if name in ("dtype", "torch_dtype"):
        return value not in (None, "auto", "float32", torch.float32)
    return name not in NEEDLESS and value not in (None, False)
