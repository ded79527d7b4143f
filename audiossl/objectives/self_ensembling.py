"""Self-ensembling contrast: regions of one pseudo-class find its mean over all windows (arXiv 2105.12924)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from audiossl.models.encoder import Encoder
from audiossl.objectives.option_checks import require_positive, require_widths
from audiossl.objectives.semi_batch import SemiBatch
from audiossl.objectives.semi_objective import SemiConfig, Terms, turned
from audiossl.objectives.semi_teacher import TaughtProjection, TeacherConfig


@dataclass
class SelfEnsemblingConfig(TeacherConfig):
    """Head, weight, ramp and contrast.

    Attributes:
        projector: widths of the embeddings' layers.
        temperature: temperature of the contrast.
        threshold: probability of the teacher from which on a window or frame belongs to a region.

    Raises:
        ConfigError: for a temperature that is not above 0, or no projector.

    >>> SelfEnsemblingConfig().temperature
    0.1
    """

    ramp_steps: int = 100
    projector: list[int] = field(default_factory=lambda: [64])
    temperature: float = 0.1
    threshold: float = 0.7

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("temperature", self.temperature)
        require_widths("projector", self.projector, fewest=1)


class SelfEnsembling(TaughtProjection):
    """Contrast of regions: a region is what the teacher gives one class in one window, confidently.

    The student's mean embedding of each region, in a strong view, finds the teacher's mean embedding of that class over the
    whole batch, labelled windows included, among those of the other classes (the paper's anatomical-aware sampler). Where windows
    are classified as a whole, each is a region. Classes and regions are those of a rank.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> SelfEnsembling(ResNet1d(3, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8)), 2).config.threshold
    0.7
    """

    Config = SelfEnsemblingConfig
    config: SelfEnsemblingConfig

    def __init__(self, encoder: Encoder, num_classes: int, config: SemiConfig | None = None, *, frame_wise: bool = False) -> None:
        super().__init__(encoder, num_classes, config, frame_wise=frame_wise)
        self.add_projector([encoder.dim, *self.config.projector])

    def learn_unlabelled(self, batch: SemiBatch) -> Terms:
        """Contrast of the student's regions with the teacher's classes."""
        views, move = batch.unlabelled, batch.unlabelled.moves[0]
        hidden, logits, valid = self.teach(views.weak)
        confidence, pseudo = logits.softmax(2).max(2)
        used = (confidence >= self.config.threshold) & valid
        region = torch.where(used, pseudo, -1)
        labelled, _, _ = self.teach(batch.labelled.weak)
        with torch.no_grad():
            embedded = [functional.normalize(self.teacher[2](rows.float()), dim=2).flatten(0, 1) for rows in (hidden, labelled)]
            together = torch.cat([region.flatten(), batch.y.flatten()])
            classes, present = class_means(torch.cat(embedded), together, self.num_classes)
        strong, _ = self.encode(views.strong[0])
        embedding = functional.normalize(self.projector(strong.float()), dim=2)
        loss = region_contrast(embedding, turned(region, move), classes, present, self.config.temperature)
        return {"contrast": loss}, self.measure(pseudo, used, valid, batch.truth)


def class_means(rows: Float[Tensor, "N E"], classes: Int[Tensor, "N"], num_classes: int) -> tuple[Tensor, Tensor]:
    """Mean row of every class, of length 1, and which classes there are; rows of class -1 count nowhere.

    >>> means, present = class_means(torch.eye(2), torch.tensor([1, -1]), 2)
    >>> present.tolist(), means[1].tolist()
    ([False, True], [1.0, 0.0])
    """
    weight = (classes[:, None] == torch.arange(num_classes, device=rows.device)).to(rows)
    return functional.normalize(weight.T @ rows, dim=1), weight.sum(0) > 0


def region_contrast(
    embedding: Float[Tensor, "B T E"], region: Int[Tensor, "B T"], classes: Tensor, present: Tensor, temperature: float
) -> Float[Tensor, ""]:
    """InfoNCE from the mean embedding of each region of a window to the means of classes; 0 where there is no region.

    Args:
        embedding: rows of length 1.
        region: class of each row, -1 for none.
        classes: mean of each class (K, E), length 1.
        present: which of them there are (K,).
        temperature: tau.
    """
    weight = (region[..., None] == torch.arange(len(classes), device=region.device)).to(embedding)  # (B, T, K)
    means = functional.normalize(weight.transpose(1, 2) @ embedding, dim=2)  # (B, K, E)
    similarity = (means @ classes.T / temperature).masked_fill(~present, -torch.inf)  # (B, K, K)
    there = (weight.sum(1) > 0) & present  # a region of each window and class
    chosen = similarity[there]
    target = torch.arange(len(classes), device=region.device).expand(len(region), -1)[there]
    return functional.cross_entropy(chosen, target, reduction="sum") / there.sum().clamp(min=1)
