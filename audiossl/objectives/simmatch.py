"""SimMatch: labels and similarities to labelled windows correct each other (arXiv 2203.06915)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.models.encoder import Encoder
from audiossl.objectives.class_alignment import ClassAlignment, of_all_ranks
from audiossl.objectives.contrast import gather
from audiossl.objectives.option_checks import require_positive, require_widths
from audiossl.objectives.semi_batch import SemiBatch
from audiossl.objectives.semi_objective import SemiConfig, Terms, mean_where, soft_cross_entropy, turned
from audiossl.objectives.semi_teacher import TaughtProjection, TeacherConfig


@dataclass
class SimMatchConfig(TeacherConfig):
    """Head, weights, memory and thresholds.

    Attributes:
        threshold: probability from which on a pseudo-label is used.
        projector: widths of the embeddings' layers.
        temperature: temperature of similarities.
        mix: alpha: share of the classifier in the pseudo-label; the rest is what similar labelled windows say.
        instance_weight: weight of the agreement of similarities.
        memory: number of embeddings of labelled windows or frames that are kept.
        align: share of the running mean of predicted classes that is kept in each step; predictions are divided by that mean. 1
            leaves them as they are.

    Raises:
        ConfigError: for an option out of range.

    >>> SimMatchConfig().mix
    0.9
    """

    threshold: float = 0.95
    projector: list[int] = field(default_factory=lambda: [64])
    temperature: float = 0.1
    mix: float = 0.9
    instance_weight: float = 1.0
    memory: int = 256
    align: float = 0.99

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("temperature", self.temperature)
        require_widths("projector", self.projector, fewest=1)
        if not (0 <= self.mix <= 1 and 0 <= self.align <= 1) or self.memory < 1 or self.instance_weight < 0:
            raise ConfigError(
                f"expected mix and align of 0 to 1, memory of at least 1 and instance_weight of at least 0, got {self.mix}, "
                f"{self.align}, {self.memory} and {self.instance_weight}"
            )


class SimMatch(TaughtProjection):
    """Two kinds of pseudo-labels of the weak view: of classes, and of similarities to labelled windows; each corrects the other.

    The memory is a queue of the teacher's embeddings of labelled windows, which is saved with the weights; the paper keeps one
    for each labelled image. The teacher's probabilities are aligned, so that all classes are predicted equally often.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> objective = SimMatch(ResNet1d(3, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8)), 2)
    >>> objective.memory.shape
    torch.Size([256, 64])
    """

    Config = SimMatchConfig
    config: SimMatchConfig
    memory: Tensor
    memory_classes: Tensor

    def __init__(self, encoder: Encoder, num_classes: int, config: SemiConfig | None = None, *, frame_wise: bool = False) -> None:
        super().__init__(encoder, num_classes, config, frame_wise=frame_wise)
        options = self.config
        self.add_projector([encoder.dim, *options.projector])
        self.alignment = ClassAlignment(num_classes, options.align)
        self.register_buffer("memory", torch.zeros(options.memory, options.projector[-1]))
        self.register_buffer("memory_classes", torch.full((options.memory,), -1))

    def learn_unlabelled(self, batch: SemiBatch) -> Terms:
        """Agreement of classes and of similarities, between the teacher's weak view and a strong one."""
        options, views = self.config, batch.unlabelled
        if self.training:
            self._remember(batch)
        known = self.memory_classes >= 0
        memory, classes = self.memory[known], self.memory_classes[known]
        hidden, logits, valid = self.teach(views.weak)
        predicted = logits.softmax(2)
        if self.training:
            self.alignment.follow(of_all_ranks(predicted, valid))
        with torch.no_grad():
            similar = self._similar(self.teacher[2](hidden.float()), memory)
            semantic = self.alignment(predicted)
            pseudo = options.mix * semantic + (1 - options.mix) * aggregated(similar, classes, self.num_classes)
            calibrated = unfolded(similar, semantic, classes)
            used = (pseudo.amax(2) >= options.threshold) & valid
        strong, _ = self.encode(views.strong[0])
        with torch.autocast(strong.device.type, enabled=False):
            strong_logits, embedding = self.head(strong.float()), self.projector(strong.float())
        move = views.moves[0]
        there = turned(valid, move)
        semantic_loss = soft_cross_entropy(strong_logits, turned(pseudo, move)) * turned(used, move)
        instance = -(turned(calibrated, move) * self._similar(embedding, memory).clamp(min=1e-12).log()).sum(2)
        terms = {
            "consistency": mean_where(semantic_loss, there),
            "similarity": options.instance_weight * mean_where(instance, there),
        }
        return terms, self.measure(pseudo.argmax(2), used, valid, batch.truth)

    def _similar(self, embedding: Float[Tensor, "B T E"], memory: Float[Tensor, "M E"]) -> Float[Tensor, "B T M"]:
        """Distribution over the memory."""
        return (functional.normalize(embedding, dim=2) @ memory.T / self.config.temperature).softmax(2)

    @torch.no_grad()
    def _remember(self, batch: SemiBatch) -> None:
        """Put the teacher's embeddings of labelled windows of all ranks first in the queue."""
        hidden, _, _ = self.teach(batch.labelled.weak)
        embedding = functional.normalize(self.teacher[2](hidden.float()), dim=2)
        with torch.enable_grad():  # without, rows stay on their rank
            rows = gather(torch.cat([embedding, batch.y[..., None].float()], 2).flatten(0, 1))
        rows = rows[rows[:, -1] >= 0][: len(self.memory)]
        keep = len(self.memory) - len(rows)
        self.memory = torch.cat([rows[:, :-1], self.memory[:keep]])
        self.memory_classes = torch.cat([rows[:, -1].long(), self.memory_classes[:keep]])


def unfolded(similar: Float[Tensor, "*B M"], semantic: Float[Tensor, "*B K"], classes: Int[Tensor, "M"]) -> Float[Tensor, "*B M"]:
    """Similarities times the probability of the class of each remembered window, scaled to a sum of 1 (eq. 8).

    >>> unfolded(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.8, 0.2]]), torch.tensor([0, 1]))
    tensor([[0.8000, 0.2000]])
    """
    product = similar * semantic[..., classes]
    return product / product.sum(-1, keepdim=True).clamp(min=1e-12)


def aggregated(similar: Float[Tensor, "*B M"], classes: Int[Tensor, "M"], num_classes: int) -> Float[Tensor, "*B K"]:
    """Similarities summed over the remembered windows of each class (eq. 9).

    >>> aggregated(torch.tensor([[0.5, 0.2, 0.3]]), torch.tensor([0, 1, 0]), 2)
    tensor([[0.8000, 0.2000]])
    """
    return similar @ functional.one_hot(classes, num_classes).to(similar)
