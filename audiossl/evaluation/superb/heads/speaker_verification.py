"""Speaker verification: x-vectors, softmax with an additive margin (arXiv 1801.05599), and the equal error rate."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from audiossl.lengths import padding_mask

CONTEXTS = ((5, 1, 512), (3, 2, 512), (3, 3, 512), (1, 1, 512), (1, 1, 1500))  # frames, dilation, width
REACH = sum((frames - 1) * dilation for frames, dilation, _ in CONTEXTS)
SCALE, MARGIN = 30.0, 0.4


class XVector(nn.Module):
    """Linear(D, 512), five time-delay layers, mean and deviation over frames, two layers of 512.

    Frames that see beyond the ends of a clip are none of its; a clip of fewer than `REACH + 1` frames is repeated until it has as
    many.

    Args:
        dim: size of the features.
        num_speakers: number of speakers in training.
        hidden: width of the first and the last layers.
    """

    def __init__(self, dim: int, num_speakers: int, hidden: int = 512) -> None:
        super().__init__()
        self.input = nn.Linear(dim, hidden)
        layers, width = [], hidden
        for frames, dilation, size in CONTEXTS:
            layers.append(nn.Conv1d(width, size, frames, dilation=dilation))
            width = size
        self.layers = nn.ModuleList(layers)
        self.first, self.second = nn.Linear(2 * width, hidden), nn.Linear(hidden, hidden)
        self.speakers = nn.Parameter(torch.empty(num_speakers, hidden))
        nn.init.xavier_normal_(self.speakers)

    def forward(self, features: Float[Tensor, "B T D"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B E"]:
        """Embeddings: the first layer behind the pooling, with ReLU."""
        features, lengths = _long_enough(features, lengths)
        x = self.input(features).transpose(1, 2)
        for layer in self.layers:
            x = layer(x).relu()
        lengths = lengths - REACH
        inside = (~padding_mask(lengths, x.shape[2]))[:, None]
        count = lengths[:, None].to(x)
        mean = (x * inside).sum(2) / count
        deviation = (((x - mean[..., None]) * inside).square().sum(2) / (count - 1).clamp(min=1)).clamp(min=1e-10).sqrt()
        return self.first(torch.cat([mean, deviation], 1)).relu()

    def margin_loss(self, embeddings: Float[Tensor, "B E"], labels: Int[Tensor, "B"]) -> Float[Tensor, ""]:
        """Cross entropy of cosines with the speakers, that of the right one less by the margin, times the scale."""
        with torch.autocast(embeddings.device.type, enabled=False):
            x = functional.normalize(self.second(embeddings.float()).relu(), dim=1)
            cosines = x @ functional.normalize(self.speakers.float(), dim=1).T
            margins = MARGIN * functional.one_hot(labels, len(self.speakers))
            return functional.cross_entropy(SCALE * (cosines - margins), labels)


def equal_error_rate(scores: Float[np.ndarray, "N"], same: Bool[np.ndarray, "N"]) -> float:
    """Where as many impostors are let in as targets are refused, as shares, between thresholds by a straight line."""
    from sklearn.metrics import roc_curve

    alarms, hits, _ = roc_curve(same, scores, drop_intermediate=False)
    gap = 1 - hits - alarms  # falls from 1 to -1
    after = int(np.argmax(gap <= 0))
    share = gap[after - 1] / (gap[after - 1] - gap[after])
    return float(alarms[after - 1] + share * (alarms[after] - alarms[after - 1]))


def _long_enough(features: Float[Tensor, "B T D"], lengths: Int[Tensor, "B"]) -> tuple[Float[Tensor, "B T2 D"], Int[Tensor, "B"]]:
    times = -(-(REACH + 1) // lengths)
    if int(times.max()) == 1:
        return features, lengths
    size = max(features.shape[1], int((lengths * times).max()))
    index = torch.arange(size, device=lengths.device)[None] % lengths[:, None]
    index = torch.where(times[:, None] > 1, index, torch.arange(size, device=lengths.device).clamp(max=features.shape[1] - 1))
    return features.gather(1, index[..., None].expand(-1, -1, features.shape[2])), lengths * times
