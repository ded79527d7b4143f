"""A probe that chooses where to look: attention over frames and a gate over layers, fitted together with a linear classifier.

The mean of frames misjudges encoders whose information lies in few of them (arXiv 2602.16305 on gates over layers and prototypes;
attentive probes are those of arXiv 2212.04458). Nothing of the encoder is trained.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from audiossl.errors import DataError
from audiossl.lengths import padding_mask

FramesOf = Callable[[int], Float[Tensor, "L T D"]]
DECAYS = (1e-1, 1e-3)  # of AdamW, from which validation chooses
HEADS = 4


class AttentiveProbe(nn.Module):
    """Gate over layers, then the mean frame next to frames that queries attend to, then a linear classifier.

    Padding is not attended to.

    Args:
        mean, deviation: (L, 1, D), of training frames; frames are standardised by them.
        num_classes: K.
        generator: draws the queries.

    >>> probe = AttentiveProbe(torch.zeros(2, 1, 8), torch.ones(2, 1, 8), 3, torch.Generator())
    >>> probe(torch.randn(4, 2, 10, 8), torch.tensor([10, 10, 7, 1])).shape
    torch.Size([4, 3])
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        mean: Float[Tensor, "L 1 D"],
        deviation: Float[Tensor, "L 1 D"],
        num_classes: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        layers, _, dim = mean.shape
        self.register_buffer("mean", mean.float())
        self.register_buffer("deviation", deviation.float())
        self.gate = nn.Parameter(torch.zeros(layers))
        self.queries = nn.Parameter(torch.randn(HEADS, dim, generator=generator))
        self.classifier = nn.Linear((HEADS + 1) * dim, num_classes)
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, frames: Float[Tensor, "B L T D"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B K"]:
        """Score every class, in float32."""
        frames = (frames.float() - self.mean) / self.deviation
        mixed = torch.einsum("l,bltd->btd", self.gate.softmax(0), frames)
        padding = padding_mask(lengths, mixed.shape[1])
        scores = (mixed @ self.queries.T / math.sqrt(mixed.shape[2])).masked_fill(padding[..., None], -torch.inf)
        attended = torch.einsum("bth,btd->bhd", scores.softmax(1), mixed)
        mean = mixed.masked_fill(padding[..., None], 0.0).sum(1) / lengths[:, None]
        return self.classifier(torch.cat([mean, attended.flatten(1)], 1))


@dataclass(frozen=True)
class FittedAttention:
    """What was fitted, and chosen on the validation side.

    Attributes:
        probe: probe of the step that was chosen.
        decay, step: weight decay and step, counted from 1.
        valid_accuracy: accuracy of that step on the validation side.
    """

    probe: AttentiveProbe
    decay: float
    step: int
    valid_accuracy: float

    @property
    def gate(self) -> Float[Tensor, "L"]:
        """Weight of every layer; they add up to 1."""
        return self.probe.gate.detach().softmax(0)

    def predict(self, frames_of: FramesOf, count: int, batch_size: int = 32) -> Int[Tensor, "N"]:
        """Name the class with the highest score of each of `count` items."""
        return _predict(self.probe, frames_of, count, batch_size)


def fit_attentive_probe(
    train: tuple[FramesOf, Int[Tensor, "N"]],
    valid: tuple[FramesOf, Int[Tensor, "M"]],
    num_classes: int,
    seed: Callable[[], torch.Generator],
    *,
    steps: int = 400,
    batch_size: int = 32,
    learning_rate: float = 1e-2,
    decays: Sequence[float] = DECAYS,
) -> FittedAttention:
    """Fit by AdamW; weight decay and step are those with the best validation accuracy, the first of equals.

    Args:
        train, valid: frames (L, T, D) by the number of an item, and classes 0 .. K - 1 (-1 on the validation side is an error).
        num_classes: K.
        seed: gives a generator; each weight decay begins with the same draws.
        steps: steps of each fit, of which every twentieth part is validated.
        batch_size: items in a step.
        learning_rate: falls to zero along a cosine.
        decays: strengths of weight decay.

    Raises:
        DataError: if a side is empty, or frames are not finite.

    >>> def frames_of(number: int) -> torch.Tensor:  # the class is in one frame of twenty
    ...     frames = torch.zeros(1, 20, 4)
    ...     frames[0, number % 20, number % 2] = 5.0
    ...     return frames
    >>> y = torch.arange(40) % 2
    >>> fit_attentive_probe((frames_of, y), (frames_of, y), 2, lambda: torch.Generator().manual_seed(0), steps=60).valid_accuracy
    1.0
    """
    for name, (_, y) in (("training", train), ("validation", valid)):
        if not len(y):
            raise DataError(f"expected labelled items on the {name} side, got none")
    mean, deviation = _moments(train[0], len(train[1]))
    best: FittedAttention | None = None
    for decay in decays:
        generator = seed()
        probe = AttentiveProbe(mean, deviation, num_classes, generator)
        optimiser = torch.optim.AdamW(probe.parameters(), learning_rate, weight_decay=decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for step, rows in enumerate(islice(_orders(len(train[1]), batch_size, generator), steps), start=1):
            loss = functional.cross_entropy(probe(*_batch(train[0], rows.tolist())), train[1][rows].long())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            if step % max(1, steps // 20) and step < steps:
                continue
            accuracy = float((_predict(probe, valid[0], len(valid[1]), batch_size) == valid[1]).float().mean())
            if best is None or accuracy > best.valid_accuracy:
                best = FittedAttention(copy.deepcopy(probe), decay, step, accuracy)
    if best is None:
        raise DataError(f"expected at least one step and one weight decay, got {steps} and {len(decays)}")
    return best


def _orders(count: int, batch_size: int, generator: torch.Generator) -> Iterator[Int[Tensor, "_"]]:
    """Items of each step, without end."""
    while True:
        yield from torch.randperm(count, generator=generator).split(batch_size)


def _batch(frames_of: FramesOf, rows: Sequence[int]) -> tuple[Float[Tensor, "B L T D"], Int[Tensor, "B"]]:
    """Frames of some items, padded with zeros."""
    items = [frames_of(row).float() for row in rows]
    lengths = torch.tensor([item.shape[1] for item in items])
    frames = items[0].new_zeros(len(items), items[0].shape[0], int(lengths.max()), items[0].shape[2])
    for place, item in enumerate(items):
        frames[place, :, : item.shape[1]] = item
    return frames, lengths


@torch.no_grad()
def _predict(probe: AttentiveProbe, frames_of: FramesOf, count: int, batch_size: int) -> Int[Tensor, "N"]:
    blocks = [range(first, min(first + batch_size, count)) for first in range(0, count, batch_size)]
    return torch.cat([probe(*_batch(frames_of, block)).argmax(1) for block in blocks])


def _moments(frames_of: FramesOf, count: int) -> tuple[Float[Tensor, "L 1 D"], Float[Tensor, "L 1 D"]]:
    """Mean and deviation of training frames by layer and feature; a constant feature has deviation 1."""
    total, first, second = 0, torch.zeros(()), torch.zeros(())
    for row in range(count):
        frames = frames_of(row).double()
        total, first, second = total + frames.shape[1], first + frames.sum(1), second + frames.square().sum(1)
    mean = first / max(total, 1)
    if not bool(torch.isfinite(mean).all()):
        raise DataError("expected finite frames on the training side, got NaN or infinity: embed again with dtype float32")
    deviation = (second / max(total, 1) - mean.square()).clamp(min=0.0).sqrt()
    constant = deviation <= 1e-6 * mean.abs().clamp(min=1e-6)
    return mean[:, None].float(), torch.where(constant, 1.0, deviation)[:, None].float()
