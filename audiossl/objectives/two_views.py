"""What objectives on two augmented views of a window share: views, encoder, projector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.models.encoder import Encoder, Frames
from audiossl.objectives.augmentations import AugmentationConfig, augment
from audiossl.objectives.contrast import gather
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.objective import Objective
from audiossl.objectives.option_checks import require_widths
from audiossl.objectives.pooling import mean_frame
from audiossl.objectives.window_batch import WindowBatch


@dataclass
class TwoViewConfig:
    """Views and heads.

    Attributes:
        augmentations: of both views.
        projector: widths of the projector's layers after the encoder's; ReLU between them.
        batch_norm: normalise hidden layers of heads over the batch.
    """

    augmentations: AugmentationConfig = field(default_factory=AugmentationConfig)
    projector: list[int] = field(default_factory=lambda: [128, 128])
    batch_norm: bool = False

    def __post_init__(self) -> None:
        require_widths("projector", self.projector)


class TwoViews(Objective[Encoder, WindowBatch]):
    """Base of objectives on two views; a method says what its loss is of two sets of embeddings.

    Each view is a random change of the window, drawn from (seed, epoch, id, view). Where a batch brings partners, the second view
    is one of the partner. Embeddings of all ranks are gathered before the loss.

    >>> from audiossl.models.resnet1d import ResNet1d
    >>> class Alike(TwoViews):
    ...     def compare(self, a: Tensor, b: Tensor, batch: WindowBatch) -> dict[str, Tensor]:
    ...         return {"distance": (a - b).square().mean()}
    >>> Alike(ResNet1d(num_channels=6, rate=50.0))(WindowBatch.of(torch.randn(4, 6, 64))).weight
    4.0
    """

    Config = TwoViewConfig

    def __init__(self, encoder: Encoder, config: TwoViewConfig | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        chosen: TwoViewConfig = self.Config() if config is None else config
        self.config = chosen
        self.projector = mlp([encoder.dim, *chosen.projector], chosen.batch_norm)

    def forward(self, batch: WindowBatch) -> Loss:
        """Compute the loss of a batch, summed over its windows."""
        first, second = self.views(batch)
        a, b = self.project(*first), self.project(*second)
        with torch.autocast(a.device.type, enabled=False):
            return self.as_loss(self.compare(a, b, batch), len(batch.ids))

    def compare(self, a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], batch: WindowBatch) -> dict[str, Float[Tensor, ""]]:
        """Terms of the loss of float32 embeddings, means over windows; they add up to it."""
        raise NotImplementedError

    def views(self, batch: WindowBatch) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Signal and lengths of both views."""
        key = (batch.seed, batch.epoch)
        other, lengths = (batch.signal, batch.lengths) if batch.partner is None else (batch.partner, batch.partner_lengths)
        assert lengths is not None  # partners come with their lengths
        views = []
        for number, (signal, sizes) in enumerate(((batch.signal, batch.lengths), (other, lengths))):
            views.append((augment(signal, sizes, batch.ids, (*key, number), self.config.augmentations), sizes))
        return views[0], views[1]

    def project(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "N D"]:
        """Embeddings of the windows of all ranks."""
        hidden = mean_frame(self.encode(signal, lengths))
        with torch.autocast(signal.device.type, enabled=False):
            return gather(self.projector(hidden))

    def encode(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]) -> Frames:
        """Frames of windows."""
        return self.encoder(signal, lengths)

    @staticmethod
    def as_loss(terms: dict[str, Float[Tensor, ""]], count: int) -> Loss:
        """Turn means over windows into a sum with its weight."""
        total = torch.stack(list(terms.values())).sum() * count
        return Loss(total, float(count), {name: Ratio(term.detach() * count, count) for name, term in terms.items()})


def mlp(widths: Sequence[int], batch_norm: bool) -> nn.Sequential:
    """Linear layers with ReLU, and batch normalisation if asked for, between them."""
    layers: list[nn.Module] = []
    for index, (before, after) in enumerate(pairwise(widths)):
        if index:
            layers += [nn.BatchNorm1d(before)] if batch_norm else []
            layers.append(nn.ReLU())
        layers.append(nn.Linear(before, after))
    return nn.Sequential(*layers)
