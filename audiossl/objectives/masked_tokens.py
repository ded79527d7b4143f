"""Masked prediction of a teacher's tokens: the objective of SPEAR (arXiv 2510.25955) and, with other tokens, of HuBERT."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.errors import ConfigError, DataError
from audiossl.lengths import padding_mask
from audiossl.models.encoder import Frames
from audiossl.objectives.batch import TokenBatch
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.masks import Spans, draw_masks, pool_mask
from audiossl.tokens.alignment import IGNORE, align_tokens, rate_ratio


@dataclass
class TokenStream:
    """One kind of tokens to predict: frames per second, codebooks, codes per codebook, weight in the loss (lambda)."""

    rate: float
    num_codebooks: int
    codebook_size: int = 256
    weight: float = 1.0


@dataclass
class MaskedTokensConfig:
    """Masks and loss; defaults are those of the speech-only models.

    Attributes:
        time_mask_probability, time_mask_length: spans on feature frames, filled with a learned vector.
        channel_mask_probability, channel_mask_length: spans on feature bins, filled with 0; 15 of 128 bins, take fewer of fewer.
        min_spans: least number of spans in time.
        alpha: weight of masked frames; 1 - alpha is that of the others. 0.5: plain mean over all frames, 1: masked frames only.
        predict_from: the student's final output, or a layer by index.
        feature_rate: feature frames per second, at which masks are drawn.
    """

    time_mask_probability: float = 0.5
    time_mask_length: int = 10
    channel_mask_probability: float = 0.25
    channel_mask_length: int = 15
    min_spans: int = 2
    alpha: float = 0.5
    predict_from: Literal["last"] | int = "last"
    feature_rate: float = 100.0


@runtime_checkable
class FeatureStudent(Protocol):
    """An encoder whose features can be masked on their way in."""

    frame_rate: float
    last_frame_rate: float
    frame_offset: float
    dim: int

    def compute_features(
        self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]
    ) -> tuple[Float[Tensor, "B F M"], Int[Tensor, "B"]]:
        """Turn signals into padded features and their lengths."""
        ...

    def forward_features(self, features: Float[Tensor, "B F M"], feature_lengths: Int[Tensor, "B"]) -> Frames:
        """Encode features."""
        ...


class CodebookHeads(nn.Module):
    """A linear classifier per codebook, computed together in float32; weights start from N(0, 1/D), biases from 0."""

    def __init__(self, dim: int, num_codebooks: int, codebook_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_codebooks, codebook_size, dim) * dim**-0.5)
        self.bias = nn.Parameter(torch.zeros(num_codebooks, codebook_size))

    def forward(self, frames: Float[Tensor, "F D"]) -> Float[Tensor, "F N K"]:
        """Logits of every codebook for a list of frames."""
        with torch.autocast(frames.device.type, enabled=False):
            logits = F.linear(frames.float(), self.weight.flatten(0, 1).float(), self.bias.flatten().float())
        return logits.unflatten(1, self.bias.shape)


class MaskedTokens(nn.Module):
    """Predict the tokens of a signal from its masked features.

    With M the masked and U the other frames of a batch, and ce the cross-entropy averaged over codebooks, `Loss.total` is
    `alpha * sum(ce over M) + (1 - alpha) * sum(ce over U)`, summed over streams with their weights. `Loss.weight` is
    `alpha * |M| + (1 - alpha) * |U|` over frames that have a target in any stream, so the mean is in nats per code whatever alpha
    is, and starts near ln K. (The reference takes the plain sum over all frames: twice this `total` at alpha = 0.5.)

    Where tokens are faster than the student's frames, r consecutive token frames are predicted side by side by N * r heads.
    Masks are applied in evaluation mode too: a validation loss is a masked loss, with masks fixed by the batch's seed and epoch.

    Args:
        student: encoder to train. Its `mask_emb` (one number per feature bin) fills masked frames; where it has none, one is made
            here, of its `num_mel_bins`.
        streams: the tokens to predict, by name.
        config: masks and loss.

    Raises:
        ConfigError: if a rate is no whole multiple or fraction of the student's frame rate, or alpha is outside [0, 1].
    """

    def __init__(
        self, student: FeatureStudent, streams: Mapping[str, TokenStream], config: MaskedTokensConfig | None = None
    ) -> None:
        super().__init__()
        self.config = config = config or MaskedTokensConfig()
        if not 0 <= config.alpha <= 1:
            raise ConfigError(f"alpha weighs masked against other frames and lies in [0, 1], got {config.alpha}.")
        self.student = student
        self.streams = dict(streams)
        self.time_spans = Spans(config.time_mask_probability, config.time_mask_length, config.min_spans)
        self.channel_spans = Spans(config.channel_mask_probability, config.channel_mask_length)
        self.frame_rate = student.last_frame_rate if config.predict_from == "last" else student.frame_rate
        _, self.features_per_frame = rate_ratio(config.feature_rate, self.frame_rate)
        # Frame 0 of the layers is centred at frame_offset and covers feature_rate / frame_rate features.
        half = config.feature_rate / student.frame_rate / 2
        self.first_feature = max(0, math.floor(student.frame_offset * config.feature_rate - half + 1e-6))
        if getattr(student, "mask_emb", None) is None:
            num_bins: Any = student.num_mel_bins  # pyright: ignore[reportAttributeAccessIssue]
            self.mask_emb = nn.Parameter(torch.randn(num_bins))
        self.heads = nn.ModuleDict()
        for name, stream in self.streams.items():
            _, side_by_side = rate_ratio(stream.rate, self.frame_rate)
            self.heads[name] = CodebookHeads(student.dim, stream.num_codebooks * side_by_side, stream.codebook_size)

    def forward(self, batch: TokenBatch) -> Loss:
        """Mask, encode, predict.

        Raises:
            DataError: if the batch brings tokens of none of the streams.
        """
        if not any(name in batch.tokens for name in self.streams):
            raise DataError(
                f"the batch of {batch.ids[0]} ... has tokens {sorted(batch.tokens)}; expected some of {sorted(self.streams)}."
            )
        features, feature_lengths = self._features(batch)
        features, time_mask = self._mask(features, feature_lengths, batch)
        frames, lengths = self._encode(features, feature_lengths)
        valid = ~padding_mask(lengths, frames.shape[1])
        masked = pool_mask(time_mask, self.features_per_frame, self.first_feature, frames.shape[1])
        frame_weight = torch.where(masked, self.config.alpha, 1 - self.config.alpha)

        total = frames[:0].float().sum()  # 0, but part of the graph
        counted = torch.zeros_like(frame_weight)
        parts = {"masked_share": Ratio((masked & valid).sum().float(), valid.sum().float())}
        for name, stream in self.streams.items():
            if name not in batch.tokens:
                continue
            codes = self._targets(name, batch, lengths, frames.shape[1])
            present = (codes != IGNORE).float().mean(dim=-1)  # below 1 where a frame has lost some of its r token frames
            chosen = (present > 0) & (frame_weight > 0)
            logits = self.heads[name](frames[chosen])
            target = codes[chosen]
            ce = _mean_cross_entropy(logits, target)
            total = total + stream.weight * (frame_weight[chosen] * ce).sum()
            counted = torch.maximum(counted, present * chosen)
            parts |= self._measure(name, logits.detach(), target, ce.detach(), masked[chosen])
        return Loss(total, float((frame_weight * counted).sum()), parts)

    def before_step(self, step: int, seconds: float) -> None:
        """Tell a student that has schedules of its own which step comes next."""
        if callable(hook := getattr(self.student, "before_step", None)):
            hook(step, seconds)

    @torch.no_grad()
    def represent(self, batch: TokenBatch) -> tuple[Float[Tensor, "F D"], dict[str, Int[Tensor, "F _"]]]:
        """Valid frames of unmasked signals as one list, and the codes that the heads predict for them."""
        frames, lengths = self._encode(*self._features(batch))
        frames = frames[~padding_mask(lengths, frames.shape[1])].float()
        return frames, {name: heads(frames).argmax(dim=-1) for name, heads in self.heads.items()}

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
        filling = self.mask_emb if hasattr(self, "mask_emb") else self.student.mask_emb  # pyright: ignore[reportAttributeAccessIssue]
        return torch.where(time_mask[:, :, None], filling.to(features.dtype), features), time_mask

    def _encode(
        self, features: Float[Tensor, "B F M"], lengths: Int[Tensor, "B"]
    ) -> tuple[Float[Tensor, "B T D"], Int[Tensor, "B"]]:
        output = self.student.forward_features(features, lengths)
        if self.config.predict_from == "last":
            return output.last, output.last_lengths
        return output.layers[self.config.predict_from], output.lengths

    def _targets(self, name: str, batch: TokenBatch, lengths: Int[Tensor, "B"], size: int) -> Int[Tensor, "B {size} _"]:
        """Codes for each frame, -100 where there are none. Items without this stream do not count as short of tokens."""
        codes = batch.tokens[name]
        present = (codes != IGNORE).flatten(1).any(dim=1)
        longest = int(lengths[present].max()) if present.any() else 0
        aligned = align_tokens(codes, self.streams[name].rate, self.frame_rate, longest)
        aligned = F.pad(aligned, (0, 0, 0, size - longest), value=IGNORE)
        return aligned.masked_fill(padding_mask(lengths, size)[:, :, None], IGNORE)

    def _measure(
        self,
        name: str,
        logits: Float[Tensor, "F N K"],
        target: Int[Tensor, "F N"],
        ce: Float[Tensor, "F"],
        masked: Bool[Tensor, "F"],
    ) -> dict[str, Ratio]:
        """Cross-entropy and accuracy on masked and other frames; in evaluation mode for each codebook as well."""
        right = (logits.argmax(dim=-1) == target).float()
        present = (target != IGNORE).float()
        parts = {}
        for where, frames in (("masked", masked), ("unmasked", ~masked)):
            hits, tries = right[frames].sum(dim=0), present[frames].sum(dim=0)
            parts[f"{name}_loss_{where}"] = Ratio(ce[frames].sum(), present[frames].mean(dim=-1).sum())
            parts[f"{name}_accuracy_{where}"] = Ratio(hits.sum(), tries.sum())
            if not self.training:
                for codebook in range(target.shape[1]):
                    parts[f"{name}_accuracy_{where}_{codebook}"] = Ratio(hits[codebook], tries[codebook])
        return parts


def _mean_cross_entropy(logits: Float[Tensor, "F N K"], target: Int[Tensor, "F N"]) -> Float[Tensor, "F"]:
    """Cross-entropy averaged over the codebooks of each frame; a code that is not there counts as zero."""
    with torch.autocast(logits.device.type, enabled=False):
        ce = F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=IGNORE, reduction="none")
    return ce.view(target.shape).mean(dim=-1)
