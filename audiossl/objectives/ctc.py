"""Connectionist temporal classification: transcripts from frames, without knowing when (Graves et al. 2006; arXiv 2510.25955)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.models.encoder import Encoder
from audiossl.models.zipformer_stack import Downsample
from audiossl.objectives.labelled_batch import LabelledBatch
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.tuned_encoder import TunedObjective, TuningConfig

BLANK = 0


@dataclass
class CTCConfig(TuningConfig):
    """Options of the head.

    Attributes:
        downsample: frames that a learned weighted mean makes one of before the linear layer; 2 turns 50 Hz into 25 Hz.
    """

    downsample: int = 1


class CTC(TunedObjective):
    """Dropout and a linear layer over units, of which 0 is the blank.

    `Loss.total` sums the negative log-likelihood of the transcripts and `Loss.weight` counts their units, so the mean is in nats
    per unit. A transcript that needs more frames than its signal has cannot be aligned: such items are left out of the loss,
    counted in the part `left_out`, and listed in `too_short` with the reason.

    Args:
        encoder: meets the `Encoder` protocol; its final output is read.
        num_units: units with the blank.
        config: options.
    """

    def __init__(self, encoder: Encoder, num_units: int, config: CTCConfig | None = None) -> None:
        config = config or CTCConfig()
        super().__init__(encoder, config)
        self.config = config
        self.head = nn.ModuleDict({"output": nn.Linear(encoder.dim, num_units)})
        if config.downsample > 1:
            self.head["downsample"] = Downsample(config.downsample)
        self.dropout = nn.Dropout(config.dropout)
        self.too_short: dict[str, str] = {}

    @property
    def left_out(self) -> dict[str, str]:
        """Items whose transcript could not be aligned, with the reason."""
        return self.too_short

    def forward(self, batch: LabelledBatch) -> Loss:
        """Encode and compare with the transcripts."""
        log_probs, lengths = self.log_probs(batch)
        needed = frames_needed(batch.targets, batch.target_lengths)
        fits = (needed <= lengths) & (batch.target_lengths > 0)
        for item, fit, wanted, size in zip(batch.ids, fits.tolist(), needed.tolist(), lengths.tolist(), strict=True):
            if not fit:
                self.too_short[item] = f"its transcript needs {wanted} frames, it has {size}"
        total = log_probs[:0].sum()  # 0, but part of the graph
        weight = float(batch.target_lengths[fits].sum())
        if weight:
            nll = F.ctc_loss(
                log_probs[fits].transpose(0, 1), batch.targets[fits], lengths[fits], batch.target_lengths[fits], BLANK,
                reduction="sum",
            )  # fmt: skip
            total = total + nll
        return Loss(total, weight, {"left_out": Ratio(float((~fits).sum()), float(len(fits)))})

    def log_probs(self, batch: LabelledBatch) -> tuple[Float[Tensor, "B T K"], Int[Tensor, "B"]]:
        """Log-probabilities of the units in float32, and the number of valid frames."""
        frames, lengths = self.encoder(batch)
        if "downsample" in self.head:
            frames = self.head["downsample"](frames, lengths)
            lengths = -(-lengths // self.config.downsample)
        with torch.autocast(frames.device.type, enabled=False):
            return self.head["output"](self.dropout(frames.float())).log_softmax(dim=-1), lengths

    @torch.no_grad()
    def predict(self, batch: LabelledBatch) -> list[list[int]]:
        """The units of each item by greedy decoding."""
        log_probs, lengths = self.log_probs(batch)
        best = log_probs.argmax(dim=-1).cpu()
        return [collapse(row[:length].tolist()) for row, length in zip(best, lengths.tolist(), strict=True)]


def frames_needed(targets: Int[Tensor, "B U"], lengths: Int[Tensor, "B"]) -> Int[Tensor, "B"]:
    """Least frames that a transcript can be aligned with: one a unit, and a blank between equal neighbours."""
    inside = torch.arange(1, targets.shape[1], device=targets.device)[None] < lengths[:, None]
    repeats: Bool[Tensor, "B _"] = (targets[:, 1:] == targets[:, :-1]) & inside
    return lengths + repeats.sum(dim=1)


def collapse(path: list[int]) -> list[int]:
    """Units of a path over frames: repetitions are one, blanks are none.

    >>> collapse([0, 3, 3, 0, 3, 5, 5, 0])
    [3, 3, 5]
    """
    return [unit for unit, _ in groupby(path) if unit != BLANK]
