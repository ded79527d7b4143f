"""Masked prediction of a teacher's tokens: the objective of SPEAR (arXiv 2510.25955) and, with other tokens, of HuBERT."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.errors import DataError
from audiossl.lengths import known_on_host, on_host, padding_mask
from audiossl.models.linear import linear
from audiossl.models.student import FeatureStudent
from audiossl.objectives.batch import TokenBatch
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.masked_prediction import MaskedPrediction, MaskedPredictionConfig, TokenStream
from audiossl.tokens.alignment import IGNORE, align_tokens, rate_ratio

__all__ = ["CodebookHeads", "MaskedTokens", "TokenStream"]


class CodebookHeads(nn.Module):
    """A linear classifier per codebook, computed together in float32; weights start from N(0, 1/D), biases from 0."""

    def __init__(self, dim: int, num_codebooks: int, codebook_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_codebooks, codebook_size, dim) * dim**-0.5)
        self.bias = nn.Parameter(torch.zeros(num_codebooks, codebook_size))

    def forward(self, frames: Float[Tensor, "F D"]) -> Float[Tensor, "F N K"]:
        """Logits of every codebook for a list of frames."""
        with torch.autocast(frames.device.type, enabled=False):
            logits = linear(frames.float(), self.weight.flatten(0, 1).float(), self.bias.flatten().float())
        return logits.unflatten(1, self.bias.shape)


class MaskedTokens(MaskedPrediction):
    """Predict the tokens of a signal from its masked features.

    With M the masked and U the other frames of a batch, and ce the cross-entropy averaged over codebooks, `Loss.total` is
    `alpha * sum(ce over M) + (1 - alpha) * sum(ce over U)`, summed over streams with their weights. `Loss.weight` is
    `alpha * |M| + (1 - alpha) * |U|` over frames that have a target in any stream, so the mean is in nats per code whatever alpha
    is, and starts near ln K. (The reference takes the plain sum over all frames: twice this `total` at alpha = 0.5.)

    Where tokens are faster than the student's frames, r consecutive token frames are predicted side by side by N * r heads.

    Args:
        student: encoder to train, see `MaskedPrediction`.
        streams: the tokens to predict, by name.
        config: masks and loss.

    Raises:
        ConfigError: if a rate is no whole multiple or fraction of the student's frame rate, or the config is impossible.

    >>> from audiossl.models.student import make_student
    >>> from audiossl.objectives.batch import collate_tokens
    >>> student = make_student("zipformer", "tiny", {"num_mel_bins": 40})
    >>> objective = MaskedTokens(student, {"tokens": TokenStream(50.0, 2, codebook_size=16)})
    >>> batch = collate_tokens(["a"], [torch.randn(1, 8000)], [{"tokens": torch.randint(16, (25, 2))}])
    >>> bool(objective(batch).mean() > 0)
    True
    """

    def __init__(
        self, student: FeatureStudent, streams: Mapping[str, TokenStream], config: MaskedPredictionConfig | None = None
    ) -> None:
        super().__init__(student, config)
        self.streams = dict(streams)
        self.heads = nn.ModuleDict()
        for name, stream in self.streams.items():
            _, side_by_side = rate_ratio(stream.rate, self.frame_rate)
            self.heads[name] = CodebookHeads(student.dim, stream.num_codebooks * side_by_side, stream.codebook_size)

    @classmethod
    def from_streams(
        cls, student: FeatureStudent, streams: Mapping[str, TokenStream], config: MaskedPredictionConfig
    ) -> MaskedTokens:
        """Build it as a recipe asks for it."""
        return cls(student, streams, config)

    def forward(self, batch: TokenBatch) -> Loss:
        """Mask, encode, predict.

        Raises:
            DataError: if the batch brings tokens of none of the streams.
        """
        if not any(name in batch.tokens for name in self.streams):
            raise DataError(
                f"the batch of {batch.ids[0]} ... has tokens {sorted(batch.tokens)}; expected some of {sorted(self.streams)}."
            )
        seen = self.encode_masked(batch)
        frames, lengths, masked, frame_weight = seen.frames, seen.lengths, seen.masked, seen.weight

        total = frames[:0].float().sum()  # 0, but part of the graph
        counted = torch.zeros_like(frame_weight)
        parts = {"masked_share": Ratio((masked & seen.valid).sum().float(), seen.valid.sum().float())}
        for name, stream in self.streams.items():
            if name not in batch.tokens:
                continue
            codes = self._targets(name, batch, lengths, frames.shape[1])
            present = (codes != IGNORE).float().mean(dim=-1)  # below 1 where a frame has lost some of its r token frames
            chosen = (present > 0) & (frame_weight > 0)
            # All frames go through the heads, those without weight with no target: how many there are the host need not know.
            target = codes.masked_fill(~chosen[:, :, None], IGNORE).flatten(0, 1)
            logits = self.heads[name](frames.flatten(0, 1))
            ce = _mean_cross_entropy(logits, target)
            total = total + stream.weight * (frame_weight.flatten() * ce).sum()
            counted = torch.maximum(counted, present * chosen)
            parts |= self._measure(name, logits.detach(), target, ce.detach(), masked.flatten())
        return Loss(total, (frame_weight * counted).sum(), parts)

    @torch.no_grad()
    def represent(self, batch: TokenBatch) -> tuple[Float[Tensor, "F D"], dict[str, Int[Tensor, "F _"]]]:
        """Valid frames of unmasked signals as one list, and the codes that the heads predict for them."""
        frames, lengths = self._encode(*self._features(batch))
        frames = frames[~padding_mask(lengths, frames.shape[1])].float()
        return frames, {name: heads(frames).argmax(dim=-1) for name, heads in self.heads.items()}

    def _targets(self, name: str, batch: TokenBatch, lengths: Int[Tensor, "B"], size: int) -> Int[Tensor, "B {size} _"]:
        """Codes for each frame, -100 where there are none. Items without this stream do not count as short of tokens."""
        codes = batch.tokens[name]
        counts, numbers = known_on_host(codes), on_host(lengths)
        present = (codes != IGNORE).flatten(1).any(dim=1).tolist() if counts is None else counts
        longest = max((length for length, has_tokens in zip(numbers, present, strict=True) if has_tokens), default=0)
        aligned = align_tokens(codes, self.streams[name].rate, self.frame_rate, longest)
        aligned = F.pad(aligned, (0, 0, 0, size - longest), value=IGNORE)
        if delay := self.config.target_delay:
            aligned = F.pad(aligned, (0, 0, delay, 0), value=IGNORE)[:, :size]
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
        for where, frames in (("masked", masked.float()), ("unmasked", (~masked).float())):
            hits, tries = frames @ right, frames @ present
            parts[f"{name}_loss_{where}"] = Ratio(ce @ frames, tries.mean())
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
