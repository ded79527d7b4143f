"""Deep graph infomax on windows of connectivity: regions are told apart from those of shuffled graphs (arXiv 1809.10341)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.models.connectivity_encoder import ConnectivityEncoder, Windows
from audiossl.models.gin import kept_statistics
from audiossl.objectives.graph_objective import GraphObjective
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.window_batch import WindowBatch


@dataclass
class GraphInfomaxConfig:
    """What a window's regions are held against.

    Attributes:
        summary_gap: windows between regions and the summary that they are to agree with: 0 is the published objective; above it
            regions are told by another moment of the same run, before or after them.
    """

    summary_gap: int = 0

    def __post_init__(self) -> None:
        if self.summary_gap < 0:
            raise ConfigError(f"expected a summary_gap of 0 windows or more, got {self.summary_gap}")


class GraphInfomax(GraphObjective):
    """Whether a region belongs to a window: sigmoid(h^T W s), s the sigmoid of the window's mean region.

    The other regions are those of the same window with its connections dealt out anew: each region has those of another one.

    Args:
        encoder: trained; what tells regions apart stays here.
        config: options.
    """

    Config = GraphInfomaxConfig

    @classmethod
    def windows_needed(cls, config: object) -> int:
        """A window and the one whose summary it is to agree with."""
        assert isinstance(config, GraphInfomaxConfig)  # its own
        return config.summary_gap + 1

    def __init__(self, encoder: ConnectivityEncoder, config: GraphInfomaxConfig | None = None) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config or GraphInfomaxConfig()
        self.agreement = nn.Linear(encoder.dim, encoder.dim, bias=False)

    def forward(self, batch: WindowBatch) -> Loss:
        """Compute the loss of a batch of runs, summed over their windows.

        Raises:
            ConfigError: if a run has no window so far from another one.
        """
        windows = self.encoder.windows(batch.signal, batch.lengths)
        true = self.encoder.nodes(windows)[-1]
        with kept_statistics(self.encoder):
            false = self.encoder.nodes(_shuffled(windows))[-1]
        with torch.autocast(true.device.type, enabled=False):
            summary = self._told_by(true.float().mean(1).sigmoid(), windows)
            scores = torch.cat([(nodes.float() * self.agreement(summary)[:, None]).sum(2) for nodes in (true, false)], dim=1)
            labels = (torch.arange(scores.shape[1], device=scores.device) < true.shape[1]).float().expand_as(scores)
            loss = functional.binary_cross_entropy_with_logits(scores, labels)
        count = len(true)
        right = ((scores > 0) == (labels > 0)).float().mean()
        return Loss(loss * count, float(count), {"accuracy": Ratio(right.detach() * count, count)})

    def _told_by(self, summary: Float[Tensor, "V D"], windows: Windows) -> Float[Tensor, "V D"]:
        """The summary of the window so many places later, or earlier at the end of a run."""
        gap, counts = self.config.summary_gap, windows.valid.sum(1)
        if gap >= int(counts.min()):
            raise ConfigError(f"expected runs of more than summary_gap={gap} windows, got one of {int(counts.min())}")
        place = windows.valid.cumsum(1) - 1
        moved = torch.where(place + gap < counts[:, None], place + gap, place - gap).clamp(min=0)
        first = counts.cumsum(0) - counts
        return summary[(first[:, None] + moved)[windows.valid]]


def _shuffled(windows: Windows) -> Windows:
    """The same windows with their regions' connections in another order, drawn from the global random state."""
    count, num_regions = windows.graphs.shape[:2]
    order = torch.rand(count, num_regions, device=windows.graphs.device).argsort(1)
    rows = torch.arange(count, device=order.device)[:, None, None]
    place = (rows, order[:, :, None], order[:, None, :])
    return replace(windows, correlation=windows.correlation[place], graphs=windows.graphs[place])
