"""Learned layer weights: a softmax-weighted sum of layers, trained together with a linear probe (SUPERB, arXiv 2105.01051)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from audiossl.errors import DataError
from audiossl.evaluation.weighted_layers import WeightedLayers


@dataclass(frozen=True)
class LayerWeights:
    """What was learned.

    Attributes:
        weights: softmax weight of every layer, (L,); they add up to 1.
        valid_accuracy: validation accuracy of the probe on the weighted sum.
        epoch: the one that was kept, by validation accuracy, counted from 1.

    >>> generator = torch.Generator().manual_seed(0)
    >>> y = torch.arange(40) % 2
    >>> x = torch.randn(40, 3, generator=generator) + 4 * y[:, None]
    >>> layers = torch.stack([torch.randn(40, 3, generator=generator), x])  # the second holds the classes
    >>> learned = learn_layer_weights(layers[:, :30], y[:30], layers[:, 30:], y[30:], 2, generator, epochs=2)
    >>> round(float(learned.weights.sum()), 3)
    1.0
    """

    weights: Float[Tensor, "L"]
    valid_accuracy: float
    epoch: int


def learn_layer_weights(
    train_x: Float[Tensor, "L N D"],
    train_y: Int[Tensor, "N"],
    valid_x: Float[Tensor, "L M D"],
    valid_y: Int[Tensor, "M"],
    num_classes: int,
    generator: torch.Generator,
    normalise: bool = True,
    epochs: int = 10,
    batch_size: int = 1024,
    learning_rate: float = 1e-2,
) -> LayerWeights:
    """Train layer weights and probe together with Adam; the epoch is chosen on the validation data.

    Args:
        train_x: all layers of the training frames, of any float width.
        train_y: classes 0 .. num_classes - 1.
        valid_x: all layers of the validation frames.
        valid_y: classes; unknown ones count as errors.
        num_classes: K.
        generator: draws the order of the frames.
        normalise: see `WeightedLayers`; without it all layers are divided by one number, so that their own scales stay.
        epochs: passes over the training frames.
        batch_size: frames in a step.
        learning_rate: falls to zero along a cosine.

    Raises:
        DataError: if a split is empty or not finite.

    >>> generator = torch.Generator().manual_seed(0)
    >>> y = torch.arange(40) % 2
    >>> x = torch.randn(40, 3, generator=generator) + 4 * y[:, None]
    >>> layers = torch.stack([torch.randn(40, 3, generator=generator), x])  # the second holds the classes
    >>> learned = learn_layer_weights(layers[:, :30], y[:30], layers[:, 30:], y[30:], 2, generator, epochs=2)
    >>> learned.weights.shape
    torch.Size([2])
    """
    for name, x in (("train", train_x), ("valid", valid_x)):
        if x.shape[1] == 0 or not bool(torch.isfinite(x).all()):
            raise DataError(f"expected finite frames in the {name} split, got {x.shape[1]} frames, NaN or infinity")
    scale = 1.0 if normalise else 1 / train_x.float().square().mean().sqrt().clamp(min=1e-12).item()
    model = WeightedLayers(len(train_x), train_x.shape[2], num_classes, normalise)
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    steps = epochs * -(-train_x.shape[1] // batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    best: LayerWeights | None = None
    for epoch in range(1, epochs + 1):
        for batch in torch.randperm(train_x.shape[1], generator=generator).split(batch_size):
            loss = functional.cross_entropy(model(train_x[:, batch] * scale), train_y[batch].long())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        with torch.no_grad():
            pieces = [model(piece * scale).argmax(dim=1) for piece in valid_x.split(8192, dim=1)]
        accuracy = (torch.cat(pieces) == valid_y).float().mean().item()
        if best is None or accuracy > best.valid_accuracy:
            best = LayerWeights(model.scores.detach().softmax(dim=0), accuracy, epoch)
    if best is None:
        raise DataError(f"expected at least one epoch, got {epochs}")
    return best
