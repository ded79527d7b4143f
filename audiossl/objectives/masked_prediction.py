"""Encoding of masked signals, which all objectives of masked prediction share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.lengths import padding_mask
from audiossl.models.student import FeatureStudent, mask_vector
from audiossl.objectives.batch import TokenBatch
from audiossl.objectives.masks import Spans, draw_masks, pool_mask
from audiossl.objectives.objective import Objective
from audiossl.tokens.alignment import rate_ratio


@dataclass
class MaskedPredictionConfig:
    """Masks and loss; defaults are those of the speech-only models.

    Attributes:
        targets: tokens, or the features themselves, as a control.
        time_mask_probability, time_mask_length: spans on feature frames, filled with a learned vector.
        channel_mask_probability, channel_mask_length: spans on feature bins, filled with 0; 15 of 128 bins, take fewer of fewer.
        min_spans: least number of spans in time.
        alpha: weight of masked frames; 1 - alpha is that of the others. 0.5: plain mean over all frames, 1: masked frames only.
        predict_from: the student's final output, or a layer by index.
        target_delay: frames by which predictions come after their targets, so that a causal student has heard a little more.
        feature_rate: feature frames per second, at which masks are drawn.
    """

    targets: Literal["tokens", "features"] = "tokens"
    time_mask_probability: float = 0.5
    time_mask_length: int = 10
    channel_mask_probability: float = 0.25
    channel_mask_length: int = 15
    min_spans: int = 2
    alpha: float = 0.5
    predict_from: Literal["last"] | int = "last"
    target_delay: int = 0
    feature_rate: float = 100.0

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ConfigError(f"objective.alpha weighs masked against other frames and lies in [0, 1], got {self.alpha}.")
        if self.target_delay < 0:
            raise ConfigError(f"objective.target_delay counts frames and is 0 or more, got {self.target_delay}.")


@dataclass
class TokenStream:
    """One kind of tokens to predict: frames per second, codebooks, codes per codebook, weight in the loss (lambda)."""

    rate: float
    num_codebooks: int
    codebook_size: int = 256
    weight: float = 1.0


@dataclass(frozen=True)
class MaskedFrames:
    """A student's frames of a masked batch.

    Attributes:
        frames: (B, T, D), at the objective's `frame_rate`.
        lengths: valid frames.
        masked: frames that saw a masked feature, (B, T).
        valid: frames that are not padding.
        weight: alpha at masked frames, 1 - alpha at others.
        features: what the student would have seen without masks, (B, F, M).
        feature_lengths: valid feature frames.
    """

    frames: Float[Tensor, "B T D"]
    lengths: Int[Tensor, "B"]
    masked: Bool[Tensor, "B T"]
    valid: Bool[Tensor, "B T"]
    weight: Float[Tensor, "B T"]
    features: Float[Tensor, "B F M"]
    feature_lengths: Int[Tensor, "B"]


class FrameObjective(Objective):
    """An objective that a recipe may name to pre-train a student: one that can be made from token streams."""

    @classmethod
    def from_streams(
        cls, student: FeatureStudent, streams: Mapping[str, TokenStream], config: MaskedPredictionConfig
    ) -> FrameObjective:
        """Build the objective.

        Args:
            student: encoder to train.
            streams: the tokens that batches bring, by name.
            config: options of the recipe, a `FrameObjectiveConfig`.
        """
        raise NotImplementedError


class MaskedPrediction(FrameObjective):
    """A student whose features are masked on their way in; subclasses say what is predicted.

    Masks are applied in evaluation mode too: a validation loss is a masked loss, with masks fixed by the batch's seed and epoch.

    Args:
        student: encoder to train. Its `mask_emb` (one number per feature bin) fills masked frames; where it has none, one is made
            here, of its `num_mel_bins`.
        config: masks and loss.

    Raises:
        ConfigError: if the rates of features and frames do not fit.
    """

    def __init__(self, student: FeatureStudent, config: MaskedPredictionConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MaskedPredictionConfig()
        self.student = student
        self.time_spans = Spans(config.time_mask_probability, config.time_mask_length, config.min_spans)
        self.channel_spans = Spans(config.channel_mask_probability, config.channel_mask_length)
        self.frame_rate = student.last_frame_rate if config.predict_from == "last" else student.frame_rate
        _, self.features_per_frame = rate_ratio(config.feature_rate, self.frame_rate)
        # Frame 0 of the layers is centred at frame_offset and covers feature_rate / frame_rate features.
        half = config.feature_rate / student.frame_rate / 2
        self.first_feature = max(0, math.floor(student.frame_offset * config.feature_rate - half + 1e-6))
        self.mask_emb = nn.Parameter(torch.randn(student.num_mel_bins)) if mask_vector(student) is None else None

    @property
    def encoder(self) -> FeatureStudent:
        """The student."""
        return self.student

    def encode_masked(self, batch: TokenBatch) -> MaskedFrames:
        """Compute features, mask them and run the student."""
        features, feature_lengths = self._features(batch)
        masked_features, time_mask = self._mask(features, feature_lengths, batch)
        frames, lengths = self._encode(masked_features, feature_lengths)
        masked = pool_mask(time_mask, self.features_per_frame, self.first_feature, frames.shape[1])
        weight = torch.where(masked, self.config.alpha, 1 - self.config.alpha)
        valid = ~padding_mask(lengths, frames.shape[1])
        return MaskedFrames(frames, lengths, masked, valid, weight, features, feature_lengths)

    def before_step(self, step: int, seconds: float) -> None:
        """Tell a student that has schedules of its own which step comes next."""
        if callable(hook := getattr(self.student, "before_step", None)):
            hook(step, seconds)

    def _features(self, batch: TokenBatch) -> tuple[Float[Tensor, "B F M"], Int[Tensor, "B"]]:
        with torch.no_grad(), torch.autocast(batch.signal.device.type, enabled=False):
            return self.student.compute_features(batch.signal, batch.lengths)

    def _mask(
        self, features: Float[Tensor, "B F M"], lengths: Int[Tensor, "B"], batch: TokenBatch
    ) -> tuple[Float[Tensor, "B F M"], Bool[Tensor, "B F"]]:
        """Channels first, then time; padding is left as it is."""
        _, size, num_bins = features.shape
        time_mask, channel_mask = draw_masks(
            lengths, size, num_bins, batch.ids, batch.seed, batch.epoch, self.time_spans, self.channel_spans
        )
        valid = ~padding_mask(lengths, size)
        features = features.masked_fill(channel_mask[:, None, :] & valid[:, :, None], 0.0)
        filling = mask_vector(self.student) if self.mask_emb is None else self.mask_emb
        assert filling is not None  # one of the two has it
        return torch.where(time_mask[:, :, None], filling.to(features.dtype), features), time_mask

    def _encode(
        self, features: Float[Tensor, "B F M"], lengths: Int[Tensor, "B"]
    ) -> tuple[Float[Tensor, "B T D"], Int[Tensor, "B"]]:
        output = self.student.forward_features(features, lengths)
        if self.config.predict_from == "last":
            return output.last, output.last_lengths
        return output.layers[self.config.predict_from], output.lengths
