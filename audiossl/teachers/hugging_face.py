"""Any Hugging Face audio encoder by name: WavLM, HuBERT, wav2vec 2.0, Data2Vec, Whisper's encoder."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.errors import ConfigError, DataError, import_extra
from audiossl.models.encoder import Frames

WHISPER_SECONDS = 30  # Whisper's encoder reads exactly this much; shorter clips are padded with silence


class HuggingFaceEncoder(nn.Module):
    """A `transformers` audio model as an encoder; layer 0 is the input of the first transformer block, as in `hidden_states[0]`.

    The last layer is the model's output, with the final norm of pre-norm models.

    The published models are not padding-invariant in a batch: group-norm front ends average over padding, and some normalise
    the waveform over the whole batch. Here every clip runs alone, over its own samples, so that batching changes nothing.

    Args:
        model: a loaded `transformers` model that returns hidden states.
        normalise_waveform: zero mean and unit variance over each clip, where the model was trained so.
        mel_extractor: the feature extractor of a Whisper model; None for models that read the waveform.
        last_layer: the highest layer to return, which is then also the final output.

    Source: WavLM arXiv 2110.13900, HuBERT arXiv 2106.07447, Whisper arXiv 2212.04356.
    """

    sample_rate = 16000.0
    min_samples = 400
    runs_unequally = True  # once for each clip of a batch

    def __init__(
        self, model: nn.Module, normalise_waveform: bool = False, mel_extractor: Any = None, last_layer: int | None = None
    ) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        config: Any = model.config
        self.normalise_waveform = normalise_waveform
        self._mel_extractor = mel_extractor
        if mel_extractor is not None:
            self.model = self.model.get_encoder()  # pyright: ignore[reportCallIssue]
            hop, self.frame_offset = 320, 0.01
            self.num_layers = int(config.encoder_layers) + 1
            self.dim = int(config.d_model)
        else:
            strides, kernels = list(config.conv_stride), list(config.conv_kernel)
            hop, field = 1, 1
            for stride, kernel in zip(strides, kernels, strict=True):
                field += (kernel - 1) * hop
                hop *= stride
            self.frame_offset = field / 2 / self.sample_rate
            self.min_samples = field
            self.num_layers = int(config.num_hidden_layers) + 1
            self.dim = int(config.hidden_size)
        if last_layer is not None and not 0 <= last_layer < self.num_layers:
            raise ConfigError(f"this model has layers 0 to {self.num_layers - 1}; layer {last_layer} was asked for")
        self.num_layers = self.num_layers if last_layer is None else last_layer + 1
        self.alignment = hop
        self.frame_rate = self.last_frame_rate = self.sample_rate / hop

    @classmethod
    def from_name(cls, name: str, last_layer: int | None = None) -> HuggingFaceEncoder:
        """Load a model from the Hugging Face hub or from a folder, without running code from either.

        Raises:
            MissingExtraError: if `transformers` is not installed.
            ConfigError: if no audio model of that name can be loaded.
        """
        transformers = import_extra("transformers", "hf")
        try:
            config = transformers.AutoConfig.from_pretrained(name)
            is_whisper = config.model_type == "whisper"
            if not is_whisper and not hasattr(config, "conv_stride"):
                raise ConfigError(
                    f"'{name}' is a {config.model_type} model; expected WavLM, HuBERT, wav2vec 2.0, Data2Vec or Whisper"
                )
            model, loaded = transformers.AutoModel.from_pretrained(name, output_loading_info=True)
            missing = sorted(set(loaded["missing_keys"]) - {"masked_spec_embed"})  # of training only
            if missing:
                raise ConfigError(f"'{name}' lacks {len(missing)} weights of its model, such as {missing[0]}")
            extractor = transformers.AutoFeatureExtractor.from_pretrained(name)
        except (OSError, ValueError, SafetensorError) as error:
            raise ConfigError(f"cannot load '{name}' from the Hugging Face hub or a folder: {error}") from error
        if is_whisper:
            return cls(model, mel_extractor=extractor, last_layer=last_layer)
        return cls(model, normalise_waveform=bool(getattr(extractor, "do_normalize", False)), last_layer=last_layer)

    def forward(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode 16 kHz mono audio, one clip at a time.

        Raises:
            DataError: if a clip is too short for one frame, or longer than Whisper's 30 s window.
        """
        per_clip = [self._layers(clip[0, : int(length)]) for clip, length in zip(signal, lengths, strict=True)]
        num_frames = torch.tensor([layers.shape[1] for layers in per_clip], device=signal.device)
        size = int(num_frames.max())
        batch = torch.stack([F.pad(layers, (0, 0, 0, size - layers.shape[1])) for layers in per_clip], dim=1)
        return Frames.from_layers(list(batch.type_as(signal)), num_frames)

    def _layers(self, clip: Float[Tensor, "S"]) -> Float[Tensor, "L T D"]:
        if len(clip) < self.min_samples:
            raise DataError(f"this model needs at least {self.min_samples} samples per clip, got {len(clip)}")
        if self._mel_extractor is not None:
            if len(clip) > WHISPER_SECONDS * self.sample_rate:
                raise DataError(f"Whisper reads at most {WHISPER_SECONDS} s at once, got {len(clip) / self.sample_rate:.1f} s")
            features = self._mel_extractor(clip.cpu().numpy(), sampling_rate=16000, return_tensors="pt").input_features.to(
                clip.device
            )
            return self._hidden(features)[:, : -(-len(clip) // self.alignment)]
        if self.normalise_waveform:
            clip = (clip - clip.mean()) / (clip.var(unbiased=False) + 1e-7).sqrt()
        return self._hidden(clip[None])

    def _hidden(self, inputs: Float[Tensor, "1 *S"]) -> Float[Tensor, "L T D"]:
        output = self.model(inputs, output_hidden_states=True)
        # In transformers 5 the last hidden state of pre-norm models lacks their final norm, which it had in 4; the output has it.
        layers = [*output.hidden_states[:-1], output.last_hidden_state]
        return torch.cat(layers[: self.num_layers])
