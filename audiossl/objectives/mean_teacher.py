"""Mean teacher: agree with a moving average of oneself (arXiv 1703.01780)."""

from __future__ import annotations

from dataclasses import dataclass

from audiossl.objectives.semi_batch import SemiBatch
from audiossl.objectives.semi_objective import Terms, mean_where, turned
from audiossl.objectives.semi_teacher import TaughtObjective, TeacherConfig


@dataclass
class MeanTeacherConfig(TeacherConfig):
    """Head, weight, ramp and momentum.

    Attributes:
        weight: weight of the squared error of probabilities, which is small next to a cross entropy.

    >>> MeanTeacherConfig().weight
    10.0
    """

    weight: float = 10.0
    ramp_steps: int = 100


class MeanTeacher(TaughtObjective):
    """Squared error between probabilities of a strong view and the teacher's of the weak one, a mean over classes.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> MeanTeacher(ResNet1d(3, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8)), 2).config.momentum
    0.99
    """

    Config = MeanTeacherConfig

    def learn_unlabelled(self, batch: SemiBatch) -> Terms:
        """Squared error between student and teacher."""
        views = batch.unlabelled
        _, logits, valid = self.teach(views.weak)
        target = logits.softmax(2)
        strong, _ = self.classify(views.strong[0])
        error = (strong.softmax(2) - turned(target, views.moves[0])).square().mean(2)
        term = mean_where(error, turned(valid, views.moves[0]))
        return {"consistency": term}, self.measure(target.argmax(2), valid, valid, batch.truth)
