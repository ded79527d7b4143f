"""The Zipformer encoder of SPEAR (arXiv 2510.25955; arXiv 2310.11230): 16 kHz audio in, 50 frames per second out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.errors import ConfigError, DataError
from audiossl.features.logmel import LogMel
from audiossl.lengths import mapped, on_host, padding_mask
from audiossl.models.chunks import WHOLE, Chunks
from audiossl.models.encoder import Frames
from audiossl.models.frontend import RECEPTIVE_FRAMES, Conv1dFrontend, Conv2dFrontend, num_output_frames
from audiossl.models.pretrained import Pretrained
from audiossl.models.spear_layout import from_published, to_published
from audiossl.models.training_devices import TrainingDevices
from audiossl.models.training_devices.attach import AttachedDevices
from audiossl.models.unallocated import unallocated
from audiossl.models.weights import fill
from audiossl.models.zipformer_config import MODEL_TYPE, ZipformerConfig, preset_config
from audiossl.models.zipformer_stack import Stacks

__all__ = ["Padding", "Zipformer", "ZipformerConfig"]

Padding = Literal["invariant", "reference"]
HOP = 320  # samples between frames at 50 Hz


class Zipformer(Pretrained):
    """Log-mel, front end and stacks; meets the `Encoder` protocol.

    `padding` says what a clip sees beyond its end in a padded batch. "invariant": what it sees alone, so that batch-mates change
    nothing. "reference": what the published inference code shows it, padded features and frames, which changes its last ones.

    Causal models (`config.causal`) see audio up to the end of a chunk of frames (`set_chunks`); training draws chunks for each
    batch anew. `audiossl.models.zipformer_streaming` runs them chunk by chunk.

    Args:
        config: sizes.
        padding: "invariant" or "reference"; also an attribute that can be set later.


    Raises:
        ConfigError: for an unknown `padding`.

    >>> model = Zipformer.from_preset("tiny").eval()
    >>> model(torch.randn(1, 1, 16000), torch.tensor([16000])).last.shape
    torch.Size([1, 46, 192])
    """

    sample_rate = 16000.0
    frame_rate = 50.0
    frame_offset = 0.045
    min_samples = RECEPTIVE_FRAMES * 160 - 80  # log-mel rounds (samples + 80) / 160 down

    def __init__(self, config: ZipformerConfig, padding: Padding = "invariant") -> None:
        super().__init__()
        self.config = config
        self.padding = padding
        self.dim = config.dim
        self.num_layers = sum(config.num_encoder_layers)
        self.last_frame_rate = self.frame_rate / config.output_downsampling_factor
        self.alignment = HOP * config.chunk_step
        if config.causal:
            self.set_chunks(config.chunk_size[0], config.left_context_frames[0])
        self.log_mel = LogMel(config.num_mel_bins)
        frontend = Conv2dFrontend if config.frontend == "conv2d" else Conv1dFrontend
        self.encoder_embed = frontend(config.num_mel_bins, config.dim)
        self.encoder = Stacks(config)
        self.devices: AttachedDevices | None = None
        self.mask_emb = nn.Parameter(torch.randn(config.num_mel_bins))  # what masked feature frames hold in training

    @classmethod
    def from_preset(cls, preset: str, padding: Padding = "invariant", **overrides: object) -> Zipformer:
        """Build an untrained "tiny", "base", "large" or "xlarge" model, with some fields of its config replaced.

        Raises:
            ConfigError: for an unknown preset or field.
        """
        return cls(preset_config(preset, **overrides), padding)

    @classmethod
    def check_options(cls, preset: str, **overrides: object) -> None:
        """Refuse options that `from_preset` would refuse, and make nothing.

        Raises:
            ConfigError: for an unknown preset or field, or sizes that cannot be.
        """
        preset_config(preset, **overrides)

    @classmethod
    def narrower(cls, preset: str, **overrides: object) -> dict[str, object]:
        """Overrides that make the model of a preset half as wide, for trying things out."""
        sizes = preset_config(preset, **overrides)
        widths = ("encoder_dim", "feedforward_dim", "encoder_unmasked_dim")
        return {**overrides, **{name: [value // 2 for value in getattr(sizes, name)] for name in widths}}

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Zipformer:
        """Build an untrained model from the public layout of `config.json`.

        Raises:
            ConfigError: naming unknown and missing fields, or a value that cannot be read.
        """
        return cls(ZipformerConfig.from_json({"model_type": MODEL_TYPE, **values}))

    @classmethod
    def from_saved(cls, values: Mapping[str, object], state: Mapping[str, Tensor]) -> Zipformer:
        """Build a model around weights in the public layout, without allocating it twice.

        Raises:
            ConfigError: as `from_json`.
            StoreError: if the weights do not fit.
        """
        with unallocated():
            model = cls.from_json(values)
        model.log_mel = LogMel(model.num_mel_bins)  # its tables are computed, not stored
        fill(model, from_published(state, model.config), assign=True)
        return model

    def to_json(self) -> dict[str, object]:
        """Describe the model in the public layout of `config.json`."""
        return self.config.to_json()

    def saved_state(self) -> dict[str, Tensor]:
        """The weights under the keys of published SPEAR models."""
        return to_published(self.state_dict())

    @property
    def num_mel_bins(self) -> int:
        """Bins of a feature frame."""
        return self.config.num_mel_bins

    @property
    def padding(self) -> Padding:
        """Treatment of padded frames, "invariant" or "reference"."""
        return self._padding

    @padding.setter
    def padding(self, value: Padding) -> None:
        if value not in ("invariant", "reference"):
            raise ConfigError(f"padding must be 'invariant' or 'reference', got {value!r}.")
        self._padding: Padding = value

    def use_training_devices(self, devices: TrainingDevices | None, seconds_per_step: float = 600.0) -> None:
        """Put the training-only devices on, or take them off with None; evaluation and weights do not know of them.

        Args:
            devices: devices that are on.
            seconds_per_step: nominal seconds of signal of an optimiser step, over all ranks: the clock of their schedules.

        Raises:
            ConfigError: for a causal model, whose chunks they do not know.
        """
        if devices is not None and devices.enabled and self.config.causal:
            raise ConfigError("the training-only devices are written for models that see whole clips, not for causal ones.")
        if self.devices is not None:
            self.devices.detach()
        self.devices = None
        if devices is not None and devices.enabled:
            self.devices = AttachedDevices(self.config, self.encoder_embed, self.encoder, devices, seconds_per_step)

    def before_step(self, step: int, seconds: float) -> None:
        """Set the schedules of the devices for an optimiser step, counted from 0."""
        if self.devices is not None:
            self.devices.before_step(step)

    def set_chunks(self, chunk_size: int, left_context_frames: int) -> None:
        """Set what frames of a causal model see in evaluation; by default the first values of its config.

        Raises:
            ConfigError: if the model is not causal, or for values that a config refuses.
        """
        if not self.config.causal:
            raise ConfigError("chunks can be set for causal models only; this one sees whole clips.")
        replace(self.config, chunk_size=(chunk_size,), left_context_frames=(left_context_frames,))
        self.chunk_size, self.left_context_frames = chunk_size, left_context_frames
        self.alignment = HOP * max(chunk_size, self.config.chunk_step)  # windows of long files cut between chunks

    @property
    def chunks(self) -> Chunks:
        """What frames see in evaluation; in training, a draw from torch's global state."""
        if not self.config.causal:
            return WHOLE
        if self.training:
            return Chunks.draw(self.config.chunk_size, self.config.left_context_frames)
        return Chunks.of(self.chunk_size, self.left_context_frames)

    def forward(self, signal: Float[Tensor, "B 1 S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode a padded batch of 16 kHz audio; `lengths` are valid samples.

        Raises:
            DataError: if there is not one channel, or a clip is shorter than `min_samples`.
        """
        return self.forward_features(*self.compute_features(signal, lengths))

    def compute_features(
        self, signal: Float[Tensor, "B 1 S"], lengths: Int[Tensor, "B"]
    ) -> tuple[Float[Tensor, "B T M"], Int[Tensor, "B"]]:
        """Compute log-mel features at 100 Hz and their lengths.

        Raises:
            DataError: as `forward`.
        """
        numbers = on_host(lengths)
        shortest, longest = min(numbers), max(numbers)
        if longest > signal.shape[2]:
            raise DataError(f"a length of {longest} samples was given for signals of {signal.shape[2]} samples.")
        if shortest < self.min_samples:
            raise DataError(
                f"item {numbers.index(shortest)} of the batch has {shortest} samples; the shortest clip that gives a frame has "
                f"{self.min_samples} samples ({self.min_samples / self.sample_rate:.3f} s). Pad it or leave it out."
            )
        return self.log_mel(signal[:, 0], lengths)

    def forward_features(self, features: Float[Tensor, "B T M"], feature_lengths: Int[Tensor, "B"]) -> Frames:
        """Encode log-mel features at 100 Hz, masked or not; `feature_lengths` are valid frames.

        `model.forward_features = torch.compile(model.forward_features)` makes it one graph, without the check of lengths.

        Raises:
            DataError: if a clip has fewer than 9 feature frames.
        """
        # Lengths are not known yet while this is compiled: then there is no check, and every batch counts as padded.
        numbers = None if torch.compiler.is_compiling() else on_host(feature_lengths)
        if numbers is not None and min(numbers) < RECEPTIVE_FRAMES:
            raise DataError(
                f"item {numbers.index(min(numbers))} of the batch has {min(numbers)} feature frames; "
                f"the shortest clip that gives an output frame has {RECEPTIVE_FRAMES}."
            )
        if self.devices is not None and self.training:
            self.devices.before_forward(len(features))
        frames = num_output_frames(features.shape[1])
        lengths = num_output_frames(feature_lengths) if numbers is None else mapped(feature_lengths, num_output_frames)
        invariant = self.padding == "invariant"
        ragged = numbers is None or num_output_frames(min(numbers)) < frames
        x = self.encoder_embed(features, padding_mask(lengths, frames) if invariant and ragged else None)
        last, layers = self.encoder(x, lengths if ragged else None, invariant, self.chunks)
        factor = self.config.output_downsampling_factor
        last_lengths = lengths if factor == 1 else (lengths + factor - 1) // factor
        return Frames(tuple(layers), lengths, last, last_lengths)
