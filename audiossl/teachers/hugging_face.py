"""Hugging Face encoders by name: WavLM, HuBERT, wav2vec 2.0, Data2Vec, SEW, Whisper's encoder and their relatives."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.encoder_names import Wanted
from audiossl.errors import ConfigError, DataError
from audiossl.models.encoder import Encoder, Frames
from audiossl.teachers.clip_by_clip import joined
from audiossl.teachers.foreign import Foreign
from audiossl.teachers.hugging_face_families import FrontEnd, Waveform, WhisperMel


class HuggingFaceEncoder(nn.Module):
    """A `transformers` audio model as an encoder; layer 0 is the input of the first transformer block, as in `hidden_states[0]`.

    The last layer is the model's output, with the final norm of pre-norm models. Models that end with a step of their own have
    that as the final output, at its own rate: an adapter (`add_adapter`) has fewer frames, SEW more than its layers.

    The published models are not padding-invariant in a batch: group-norm front ends average over padding, and some normalise
    the waveform over the whole batch. Here every clip runs alone, over its own samples, so that batching changes nothing.
    Weights of any precision are computed with in float32.

    Args:
        model: a loaded `transformers` model that returns hidden states.
        normalise_waveform: zero mean and unit variance over each clip, where the model was trained so.
        mel_extractor: the feature extractor of a Whisper model; None for models that read the waveform.
        last_layer: the highest layer to return, which is then also the final output.
        front_end: front end that makes inputs of clips, in place of the two options above (these mean 16 kHz).

    Raises:
        ConfigError: if there is no such layer, or the config contradicts itself or the extractor.

    Source: WavLM arXiv 2110.13900, HuBERT arXiv 2106.07447, SEW arXiv 2109.06870, Whisper arXiv 2212.04356.

    >>> from audiossl.teachers.hugging_face_loading import import_transformers
    >>> transformers = import_transformers()
    >>> config = transformers.HubertConfig(
    ...     hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
    ...     conv_dim=(16,) * 7, num_conv_pos_embedding_groups=2,
    ... )
    >>> encoder = HuggingFaceEncoder(transformers.HubertModel(config))
    >>> encoder(torch.randn(1, 1, 8000), torch.tensor([8000])).last.shape
    torch.Size([1, 24, 16])
    """

    sample_rate = 16000.0
    min_samples = 400
    runs_unequally = True  # once for each clip of a batch

    def __init__(
        self,
        model: nn.Module,
        normalise_waveform: bool = False,
        mel_extractor: Foreign | None = None,
        last_layer: int | None = None,
        *,
        front_end: FrontEnd | None = None,
    ) -> None:
        super().__init__()
        config: Any = model.config
        if front_end is None and mel_extractor is not None:
            front_end = WhisperMel(config, mel_extractor)
        self.front_end = front_end = front_end or Waveform.of(config, normalise=normalise_waveform)
        self.model = model.float().eval().requires_grad_(False)
        # What lies in the instance is a part of the digests of stores, so what is as ever stays in the class.
        if front_end.sample_rate != self.sample_rate:
            self.sample_rate = front_end.sample_rate
        if front_end.max_samples is None:
            self.min_samples = front_end.min_samples
        else:  # Whisper's
            self.model = self.model.get_encoder()  # pyright: ignore[reportCallIssue]
        self.normalise_waveform = front_end.normalise
        self.frame_offset = front_end.frame_offset
        self.num_layers = int(config.num_hidden_layers) + 1
        self.dim = int(config.hidden_size)
        if last_layer is not None and not 0 <= last_layer < self.num_layers:
            raise ConfigError(f"this model has layers 0 to {self.num_layers - 1}; layer {last_layer} was asked for")
        self.alignment = front_end.hop * front_end.squeeze
        self.frame_rate = self.last_frame_rate = self.sample_rate / self.alignment
        adapter = _Adapter.taken_from(self.model)
        self._adapter = adapter if last_layer is None else None
        self._spreads = front_end.squeeze > 1 and last_layer is None
        if self._spreads:
            self.last_frame_rate = self.sample_rate / front_end.hop
        if self._adapter is not None:
            self.last_frame_rate = self.frame_rate / self._adapter.stride
            self.last_frame_offset = self.frame_offset + self._adapter.shift / self.frame_rate
            self.min_samples += (self._adapter.min_frames - 1) * self.alignment
        self.num_layers = self.num_layers if last_layer is None else last_layer + 1

    @property
    def max_samples(self) -> int | None:
        """Longest input; None where there is no bound."""
        return self.front_end.max_samples

    @classmethod
    def from_name(cls, name: str, last_layer: int | None = None) -> HuggingFaceEncoder:
        """Load a model from the Hugging Face hub or from a folder, without running code from either.

        A folder that `save_pretrained` wrote has no feature extractor; then that of the model's family is taken: 16 kHz, and mean
        0 and variance 1 for models that read the waveform. A short clip is run, so that what cannot be served is refused here.

        Raises:
            MissingExtraError: if `transformers` is not installed.
            ConfigError: if no audio model of that name can be loaded, or its frames are not as its config promises.
        """
        from audiossl.teachers.hugging_face_loading import load_pretrained

        model, front_end = load_pretrained(name)
        try:
            encoder = cls(model, last_layer=last_layer, front_end=front_end)
        except ConfigError as error:
            raise ConfigError(f"'{name}': {error}") from error
        encoder.check_frames(name)
        return encoder

    @torch.no_grad()
    def check_frames(self, name: str) -> None:
        """Run clips of noise and compare their frames with what is declared; of Whisper the config alone says it.

        Raises:
            ConfigError: if there are others, or the model cannot be run.
        """
        if self.max_samples is not None:
            return
        generator = torch.Generator().manual_seed(0)
        for size in (self.min_samples, self.min_samples + 16 * self.alignment + self.front_end.hop):
            try:
                layers, last = self._layers(0.1 * torch.randn(size, generator=generator))
            except Exception as error:  # whatever the model's code raises
                reason = next(iter(str(error).splitlines()), type(error).__name__)
                raise ConfigError(f"'{name}' cannot be run on {size} samples of the waveform: {reason}") from error
            frames = self.front_end.num_frames(size)
            found, expected = (*layers.shape, len(last)), (self.num_layers, frames, self.dim, self._num_last(frames))
            if found != expected:
                raise ConfigError(
                    f"'{name}' gives other frames for {size} samples than its config promises: layers, frames, width and frames "
                    f"of the output are {found}, expected {expected}"
                )

    def forward(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode mono audio at `sample_rate`, one clip at a time.

        Raises:
            DataError: if a clip is too short for one frame, or longer than the window of a Whisper model.
        """
        clips = [self._layers(clip[0, : int(length)]) for clip, length in zip(signal, lengths, strict=True)]
        return joined(clips, signal, own_output=self._spreads or self._adapter is not None)

    def _layers(self, clip: Float[Tensor, "S"]) -> tuple[Float[Tensor, "L T D"], Float[Tensor, "T2 D2"]]:
        """Layers and final output of one clip."""
        if len(clip) < self.min_samples:
            raise DataError(f"this model needs at least {self.min_samples} samples per clip, got {len(clip)}")
        with torch.autocast(clip.device.type, enabled=False):
            output = self.model(self.front_end.inputs(clip.float()), output_hidden_states=True)
            # In transformers 5 the last hidden state of pre-norm models lacks their final norm, which it had in 4; the output has
            # it. SEW's output is spread to more frames than its layers have.
            own = output.hidden_states if self.front_end.squeeze > 1 else [*output.hidden_states[:-1], output.last_hidden_state]
            layers = torch.cat(list(own[: self.num_layers]))[:, : self.front_end.num_frames(len(clip))]
            if self._spreads:  # frames beyond whole groups are zeros
                return layers, output.last_hidden_state[0, : self._num_last(layers.shape[1])]
            return layers, layers[-1] if self._adapter is None else self._adapter(layers[-1:])[0]

    def _num_last(self, num_frames: int) -> int:
        """Frames of the final output for those of the layers."""
        if self._adapter is not None:
            return self._adapter.num_frames(num_frames)
        return num_frames * self.front_end.squeeze if self._spreads else num_frames


class _Adapter(nn.Module):
    """The strided convolutions behind the blocks of a model with `add_adapter`, taken out of it so that layers keep one rate."""

    def __init__(self, published: nn.Module, num_layers: int, stride: int, kernel: int) -> None:
        super().__init__()
        self.published = published
        self._each = (num_layers, stride, kernel)
        self.stride = stride**num_layers
        # A convolution with one frame of padding is centred (kernel - 1) / 2 - 1 frames behind the frame it begins at.
        self.shift = sum(((kernel - 1) / 2 - 1) * stride**place for place in range(num_layers))
        self.min_frames = next(count for count in range(1, kernel + self.stride * kernel + 2) if self.num_frames(count) > 0)

    @classmethod
    def taken_from(cls, model: Any) -> _Adapter | None:
        """Take it; None where there is none."""
        published, config = getattr(model, "adapter", None), model.config
        if published is None:
            return None
        model.adapter = None
        return cls(published, int(config.num_adapter_layers), int(config.adapter_stride), int(config.adapter_kernel_size))

    def num_frames(self, count: int) -> int:
        """Frames that come out."""
        num_layers, stride, kernel = self._each
        for _ in range(num_layers):
            count = max((count + 2 - kernel) // stride + 1, 0)
        return count

    def forward(self, frames: Float[Tensor, "1 T D"]) -> Float[Tensor, "1 T2 D2"]:
        return self.published(frames)


def load_named(wanted: Wanted) -> Encoder:
    """`hf:NAME[:LAYER]`, see `audiossl.encoder_names`."""
    from audiossl.teachers.hugging_face_loading import read_config
    from audiossl.teachers.tower_loading import is_tower, load_tower

    config = read_config(wanted.name)
    if is_tower(config.model_type):
        return load_tower(wanted.name, config, wanted.last_layer)
    return HuggingFaceEncoder.from_name(wanted.name, wanted.last_layer)
