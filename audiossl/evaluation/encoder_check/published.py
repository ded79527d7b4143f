"""A transformers model run as its documentation has it, in padded batches; to see what `audiossl.load("hf:...")` spares you."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.models.encoder import Frames
from audiossl.teachers.hugging_face import HuggingFaceEncoder


class PublishedBatch(nn.Module):
    """The model of a `HuggingFaceEncoder`, called once on a padded batch with its attention mask.

    Raises:
        ConfigError: for Whisper, and for models that end with a step of their own (adapters, SEW).
    """

    def __init__(self, encoder: HuggingFaceEncoder) -> None:
        super().__init__()
        if encoder.last_frame_rate != encoder.frame_rate or encoder.max_samples is not None:
            raise ConfigError("only models of the waveform with an output at the rate of their layers can be run as published")
        self.published = encoder.model
        self.sample_rate, self.frame_rate, self.last_frame_rate = encoder.sample_rate, encoder.frame_rate, encoder.last_frame_rate
        self.frame_offset, self.dim, self.num_layers = encoder.frame_offset, encoder.dim, encoder.num_layers
        self.min_samples, self.alignment = encoder.min_samples, encoder.alignment

    def forward(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Run the batch as it is."""
        mask = (torch.arange(signal.shape[2], device=signal.device) < lengths[:, None]).long()
        output = self.published(signal[:, 0], attention_mask=mask, output_hidden_states=True)
        frames = self.published._get_feat_extract_output_lengths(lengths)  # pyright: ignore[reportCallIssue]
        return Frames.from_layers([*output.hidden_states[:-1], output.last_hidden_state], frames.long())
