"""TS2Vec: contrast of frames between overlapping crops, at every scale of time (arXiv 2106.10466, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.models.dilated_cnn import DilatedCNN
from audiossl.models.encoder import Encoder
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.objective import Objective
from audiossl.objectives.window_batch import WindowBatch
from audiossl.seeds import derive_generator


@dataclass
class TS2VecConfig:
    """Weights and masks.

    Attributes:
        instance_weight: of contrast between windows; the rest, up to 1, is that of contrast between times.
        hidden: share of projected samples that are hidden from a `DilatedCNN` in training; other encoders see all of them.
    """

    instance_weight: float = 0.5
    hidden: float = 0.5

    def __post_init__(self) -> None:
        if not (0 <= self.instance_weight <= 1 and 0 <= self.hidden < 1):
            raise ConfigError(
                f"expected an instance_weight of 0 to 1 and hidden from 0 to below 1, got {self.instance_weight}, {self.hidden}"
            )


class TS2Vec(Objective[Encoder, WindowBatch]):
    """Two crops of every window agree frame by frame where they overlap; other windows and other times are negatives.

    The two crops are the same for all windows of a batch, drawn from (seed, epoch, smallest id), and at most as long as its
    shortest window; longer windows are cropped from an offset of their own. Crops start and end at multiples of the encoder's
    alignment, so that frames of the overlap stand for the same time in both. Negatives are those of one rank, as crops differ
    between batches. Partners are not used.
    """

    Config = TS2VecConfig

    def __init__(self, encoder: Encoder, config: TS2VecConfig | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.config = config or TS2VecConfig()
        self.unit = encoder.alignment
        self.frames_per_unit = round(encoder.alignment * encoder.last_frame_rate / encoder.sample_rate)
        self.shortest = max(2, -(-encoder.min_samples // self.unit))

    def forward(self, batch: WindowBatch) -> Loss:
        """Compute the loss of a batch, summed over its windows.

        Raises:
            ConfigError: if a window is too short to be cropped at multiples of the encoder's alignment.
        """
        left, start, end, right = self._borders(batch)
        offsets = self._offsets(batch, right)
        first = self._frames(batch, offsets, left, end, "first")[:, (start - left) * self.frames_per_unit :]
        second = self._frames(batch, offsets, start, right, "second")
        size = min(first.shape[1], second.shape[1], (end - start) * self.frames_per_unit)
        with torch.autocast(first.device.type, enabled=False):
            terms = hierarchical(first[:, :size].float(), second[:, :size].float(), self.config.instance_weight)
        count = len(batch.ids)
        parts = {name: Ratio(term.detach() * count, count) for name, term in terms.items()}
        return Loss(torch.stack(list(terms.values())).sum() * count, float(count), parts)

    def _borders(self, batch: WindowBatch) -> tuple[int, int, int, int]:
        """Crops [left, end) and [start, right), left <= start < end <= right, in units of the alignment."""
        size = int(batch.lengths.min()) // self.unit
        if size < self.shortest:
            raise ConfigError(
                f"expected windows of at least {self.shortest * self.unit} samples to crop for this encoder, got one of "
                f"{int(batch.lengths.min())}. Take longer windows or an encoder of a higher frame rate."
            )
        generator = derive_generator(batch.seed, batch.epoch, min(batch.ids), "crops")
        overlap = _draw(self.shortest, size, generator)
        start = _draw(0, size - overlap, generator)
        end = start + overlap
        return _draw(0, start, generator), start, end, _draw(end, size, generator)

    def _offsets(self, batch: WindowBatch, right: int) -> list[int]:
        """Samples that each window's crops are moved by, as far as there are any left."""
        return [
            self.unit * _draw(0, length // self.unit - right, derive_generator(batch.seed, batch.epoch, id_, "offset"))
            for id_, length in zip(batch.ids, batch.lengths.tolist(), strict=True)
        ]

    def _frames(self, batch: WindowBatch, offsets: list[int], first: int, last: int, crop: str) -> Float[Tensor, "B T D"]:
        size = (last - first) * self.unit
        begin = [offset + first * self.unit for offset in offsets]
        crops = torch.stack([row[:, at : at + size] for row, at in zip(batch.signal, begin, strict=True)])
        lengths = torch.full_like(batch.lengths, size)
        if self.training and self.config.hidden and isinstance(self.encoder, DilatedCNN):
            frames = self.encoder(crops, lengths, self._kept(batch, size, crop))
        else:
            frames = self.encoder(crops, lengths)
        return frames.last[:, : int(frames.last_lengths[0])]

    def _kept(self, batch: WindowBatch, size: int, crop: str) -> Bool[Tensor, "B S"]:
        draws = [torch.rand(size, generator=derive_generator(batch.seed, batch.epoch, id_, "hidden", crop)) for id_ in batch.ids]
        return (torch.stack(draws) >= self.config.hidden).to(batch.signal.device)


def hierarchical(
    a: Float[Tensor, "B T D"], b: Float[Tensor, "B T D"], instance_weight: float = 0.5
) -> dict[str, Float[Tensor, ""]]:
    """Mean, over scales of time, of both contrasts (section 3.3); the maximum over two frames leads to the next scale.

    Args:
        a, b: frames of the overlap, frame by frame.
        instance_weight: of the contrast between windows.

    Returns:
        `instance` and `temporal` with their weights; they add up to the loss. With one frame only `instance` is left.
    """
    instance, temporal = [between_windows(a, b)], [between_times(a, b)]
    while a.shape[1] > 1:
        a, b = (functional.max_pool1d(x.transpose(1, 2), 2).transpose(1, 2) for x in (a, b))
        instance.append(between_windows(a, b))
        temporal.append(between_times(a, b))
    return {
        "instance": instance_weight * torch.stack(instance).mean(),
        "temporal": (1 - instance_weight) * torch.stack(temporal).mean(),
    }


def between_windows(a: Float[Tensor, "B T D"], b: Float[Tensor, "B T D"]) -> Float[Tensor, ""]:
    """Each frame finds the same frame of the other crop among those of other windows at its time (eq. 2)."""
    return _contrast(a.transpose(0, 1), b.transpose(0, 1))


def between_times(a: Float[Tensor, "B T D"], b: Float[Tensor, "B T D"]) -> Float[Tensor, ""]:
    """Each frame finds the same frame of the other crop among those of other times of its window (eq. 1)."""
    return _contrast(a, b)


def _contrast(a: Float[Tensor, "G N D"], b: Float[Tensor, "G N D"]) -> Float[Tensor, ""]:
    """NT-Xent inside each group, on scalar products of rows as they are, without a temperature; one pair alone gives 0."""
    rows = torch.cat([a, b], dim=1)
    similarity = rows @ rows.transpose(1, 2)
    similarity = similarity.masked_fill(torch.eye(rows.shape[1], dtype=torch.bool, device=rows.device), -torch.inf)
    positive = similarity.diagonal(a.shape[1], dim1=1, dim2=2).repeat(1, 2)
    return (torch.logsumexp(similarity, dim=2) - positive).mean()


def _draw(low: int, high: int, generator: torch.Generator) -> int:
    """A whole number from low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator))
