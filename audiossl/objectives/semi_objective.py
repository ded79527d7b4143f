"""What learning from few labels has in common: encoder and head, the labelled loss, and measures of pseudo-labels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.lengths import padding_mask
from audiossl.models.encoder import Encoder
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.objective import Needs, Objective
from audiossl.objectives.option_checks import require_widths
from audiossl.objectives.pooling import mean_frame
from audiossl.objectives.semi_batch import SemiBatch
from audiossl.objectives.two_views import mlp
from audiossl.objectives.window_batch import WindowBatch

Terms = tuple[dict[str, Tensor], dict[str, Ratio]]  # losses, means over windows or frames, and measures


@dataclass
class SemiConfig:
    """Head, and how much counts what is learned from windows without labels.

    Attributes:
        hidden: widths of the head's hidden layers; none gives a linear head.
        labelled_strong: whether labelled windows are learned in a strong view as well as in the weak one.
        weight: weight of the loss of unlabelled windows.
        ramp_steps: steps over which that weight rises as exp(-5 (1 - t)^2), from exp(-5) of it; 0 for none.

    Raises:
        ConfigError: for a width or number out of range.

    >>> SemiConfig(hidden=[64]).weight
    1.0
    """

    hidden: list[int] = field(default_factory=list)
    labelled_strong: bool = True
    weight: float = 1.0
    ramp_steps: int = 0

    def __post_init__(self) -> None:
        require_widths("hidden", self.hidden)
        if self.weight < 0 or self.ramp_steps < 0:
            raise ConfigError(f"expected weight and ramp_steps of at least 0, got {self.weight} and {self.ramp_steps}")


class SemiObjective(Objective[Encoder, SemiBatch]):
    """Base of objectives that learn from labels for a part of the windows; a method says what it learns from the others.

    Tensors are (B, T, ...): T frames, or one where a window is classified as a whole, by its mean frame. The loss is a mean over
    labelled windows or frames plus a weighted mean over unlabelled ones; `Loss.weight` is the number of labelled windows.

    Args:
        encoder: encoder of the windows, trained or frozen.
        num_classes: K.
        config: options of the method.
        frame_wise: classify every frame, rather than each window.

    >>> from audiossl.objectives.semi_batch import Views
    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> objective = SemiObjective(ResNet1d(3, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8)), num_classes=2)
    >>> window = WindowBatch.of(torch.randn(2, 3, 64))
    >>> views = Views(window, [window], [0])
    >>> objective(SemiBatch(views, torch.tensor([[0], [1]]), views, torch.tensor([[-1], [1]]))).weight
    2.0
    """

    needs = Needs.LABELS
    Config = SemiConfig

    def __init__(self, encoder: Encoder, num_classes: int, config: SemiConfig | None = None, *, frame_wise: bool = False) -> None:
        super().__init__()
        self.encoder, self.num_classes, self.frame_wise = encoder, num_classes, frame_wise
        chosen: SemiConfig = self.Config() if config is None else config
        self.config = chosen
        self.head = mlp([encoder.dim, *chosen.hidden, num_classes], batch_norm=False)
        self.step = 0  # set before each step, so it is no state

    def forward(self, batch: SemiBatch) -> Loss:
        """Compute the loss of a batch."""
        labelled, parts = self.learn_labelled(batch)
        terms, measures = self.learn_unlabelled(batch)
        count = len(batch.y)
        total = labelled
        for name, term in terms.items():
            total = total + self.weight * term
            parts[name] = Ratio(term.detach() * count, count)
        return Loss(total * count, float(count), {"labelled": Ratio(labelled.detach() * count, count), **parts, **measures})

    def learn_labelled(self, batch: SemiBatch) -> tuple[Float[Tensor, ""], dict[str, Ratio]]:
        """Cross entropy of the labels, in the weak view and, if asked for, in the first strong one."""
        logits, _ = self.classify(batch.labelled.weak)
        loss = cross_entropy(logits, batch.y)
        known = batch.y >= 0
        right = ((logits.argmax(2) == batch.y) & known).sum()
        if self.config.labelled_strong and batch.labelled.strong:
            strong, _ = self.classify(batch.labelled.strong[0])
            loss = (loss + cross_entropy(strong, turned(batch.y, batch.labelled.moves[0]))) / 2
        return loss, {"accuracy": Ratio(right, known.sum())}

    def learn_unlabelled(self, batch: SemiBatch) -> Terms:
        """Losses of the unlabelled windows by name, each a mean before its weight, and measures."""
        return {}, {}

    @property
    def weight(self) -> float:
        """Weight of the unlabelled windows at this step."""
        return self.config.weight * ramp(self.step, self.config.ramp_steps)

    def before_step(self, step: int, seconds: float) -> None:
        """Take the number of steps, by which weights rise."""
        self.step = step

    def encode(self, windows: WindowBatch) -> tuple[Float[Tensor, "B T D"], Bool[Tensor, "B T"]]:
        """Frames, or the mean frame as the only one, and which of them are valid."""
        return encode(self.encoder, windows, self.frame_wise)

    def classify(self, windows: WindowBatch) -> tuple[Float[Tensor, "B T K"], Bool[Tensor, "B T"]]:
        """Logits, and which of them are valid."""
        hidden, valid = self.encode(windows)
        with torch.autocast(hidden.device.type, enabled=False):
            return self.head(hidden.float()), valid

    @torch.no_grad()
    def answer(self, windows: WindowBatch) -> Float[Tensor, "B T K"]:
        """Logarithms of the probabilities of the classes."""
        return self.classify(windows)[0].log_softmax(2)

    def measure(
        self, pseudo: Int[Tensor, "U T"], used: Bool[Tensor, "U T"], valid: Bool[Tensor, "U T"], truth: Int[Tensor, "U T"]
    ) -> dict[str, Ratio]:
        """Share of pseudo-labels that are used, accuracy of these, and the share of each class among them."""
        known = used & (truth >= 0)
        count = used.sum()
        parts = {"used": Ratio(count, valid.sum()), "pseudo_accuracy": Ratio(((pseudo == truth) & known).sum(), known.sum())}
        return {**parts, **{f"used_class_{k}": Ratio((used & (pseudo == k)).sum(), count) for k in range(self.num_classes)}}


def encode(encoder: Encoder, windows: WindowBatch, frame_wise: bool) -> tuple[Float[Tensor, "B T D"], Bool[Tensor, "B T"]]:
    """Frames of windows and which are valid; without `frame_wise` their mean as the only one."""
    frames = encoder(windows.signal, windows.lengths)
    if not frame_wise:
        return mean_frame(frames)[:, None], torch.ones(len(windows.ids), 1, dtype=torch.bool, device=windows.signal.device)
    return frames.last, ~padding_mask(frames.last_lengths, frames.last.shape[1])


def ramp(step: int, steps: int) -> float:
    """Rise from exp(-5) to 1 over so many steps (arXiv 1610.02242); 1 where there are none.

    >>> [round(ramp(step, 10), 4) for step in (0, 5, 10, 20)]
    [0.0067, 0.2865, 1.0, 1.0]
    """
    return math.exp(-5 * (1 - min(1.0, step / steps)) ** 2) if steps else 1.0


def turned(values: Tensor, move: int) -> Tensor:
    """Targets (B, T, ...) of a view that is turned round by so many frames."""
    return values.roll(move, dims=1) if move else values


def cross_entropy(logits: Float[Tensor, "B T K"], y: Int[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Mean over all that have a class; 0 where none has."""
    total = functional.cross_entropy(logits.flatten(0, 1).float(), y.flatten(), ignore_index=-1, reduction="sum")
    return total / (y >= 0).sum().clamp(min=1)


def soft_cross_entropy(logits: Float[Tensor, "B T K"], target: Float[Tensor, "B T K"]) -> Float[Tensor, "B T"]:
    """Cross entropy of each row with a distribution."""
    return -(target * logits.float().log_softmax(2)).sum(2)


def mean_where(values: Float[Tensor, "B T"], valid: Bool[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Mean of the valid values; 0 where there are none."""
    return (values * valid).sum() / valid.sum().clamp(min=1)
