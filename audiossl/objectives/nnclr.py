"""NNCLR: nearest neighbours of the past as positives (arXiv 2104.14548)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from audiossl.models.encoder import Encoder
from audiossl.objectives.contrast import gather, info_nce
from audiossl.objectives.option_checks import require_positive, require_same_width
from audiossl.objectives.queue import put_in_ring
from audiossl.objectives.two_views import TwoViewConfig, TwoViews, mlp
from audiossl.objectives.window_batch import WindowBatch


@dataclass
class NNCLRConfig(TwoViewConfig):
    """Views and heads.

    Attributes:
        predictor: widths of the predictor's layers after the projector's.
        temperature: tau.
        queue: past embeddings that are searched, 1,024 to 16,384 for small data.
        other_subjects: whether the neighbour is taken from other subjects than the window's own.

    >>> NNCLRConfig(queue=512).other_subjects
    True
    """

    predictor: list[int] = field(default_factory=lambda: [512, 128])
    batch_norm: bool = True
    temperature: float = 0.1
    queue: int = 2048
    other_subjects: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require_same_width(self.projector, self.predictor)
        require_positive("temperature", self.temperature)
        require_positive("queue", self.queue)


class NNCLR(TwoViews):
    """The prediction from one view finds the nearest past neighbour of the other; until the queue is full, the other itself.

    Args:
        encoder: encoder of the windows, which is trained.
        config: views, heads and queue.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> encoder = ResNet1d(6, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8))
    >>> NNCLR(encoder, NNCLRConfig(queue=8))(WindowBatch.of(torch.randn(4, 6, 64))).weight
    4.0
    """

    Config = NNCLRConfig

    queue: Tensor
    owners: Tensor
    filled: Tensor

    def __init__(self, encoder: Encoder, config: NNCLRConfig | None = None) -> None:
        config = config or NNCLRConfig()
        super().__init__(encoder, config)
        self.options = config
        self.predictor = mlp([config.projector[-1], *config.predictor], config.batch_norm)
        self.register_buffer("queue", torch.zeros(config.queue, config.projector[-1]))
        self.register_buffer("owners", torch.full((config.queue,), -1, dtype=torch.int64))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    def compare(self, a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], batch: WindowBatch) -> dict[str, Float[Tensor, ""]]:
        """Both directions; the queue takes in the first view afterwards, in training."""
        owners = gather(subject_numbers(batch.subjects).to(a.device)[:, None])[:, 0]
        tau = self.options.temperature
        terms = {
            "forth": info_nce(self._neighbours(a, owners), self.predictor(b), tau) / 2,
            "back": info_nce(self._neighbours(b, owners), self.predictor(a), tau) / 2,
        }
        if self.training:
            self._enqueue(a, owners)
        return terms

    @torch.no_grad()
    def _neighbours(self, z: Float[Tensor, "B D"], owners: Int[Tensor, "B"]) -> Float[Tensor, "B D"]:
        if int(self.filled) < len(self.queue):
            return z.detach()
        similarity = functional.normalize(z.float(), dim=1) @ self.queue.T
        if self.options.other_subjects:
            similarity = similarity.masked_fill(owners[:, None] == self.owners[None], -torch.inf)
        best = similarity.max(dim=1)
        return torch.where(best.values.isfinite()[:, None], self.queue[best.indices], z.float())

    def _enqueue(self, z: Float[Tensor, "B D"], owners: Int[Tensor, "B"]) -> None:
        unit = functional.normalize(z.detach().float(), dim=1)
        put_in_ring([self.queue, self.owners], [unit, owners], self.filled)


def subject_numbers(subjects: Sequence[str]) -> Int[Tensor, "B"]:
    """A number for each subject that is the same in every batch and on every rank."""
    digests = [hashlib.blake2b(name.encode(), digest_size=7).digest() for name in subjects]
    return torch.tensor([int.from_bytes(digest, "little") for digest in digests])
