"""TraCoCo: two networks teach each other, and agree with themselves where two crops overlap (arXiv 2203.14523)."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.models.encoder import Encoder
from audiossl.objectives.cutmix import CutMix
from audiossl.objectives.loss import Ratio
from audiossl.objectives.semi_batch import SemiBatch, Views
from audiossl.objectives.semi_objective import SemiConfig, SemiObjective, Terms, cross_entropy, encode, mean_where, turned
from audiossl.objectives.two_views import mlp
from audiossl.objectives.window_batch import WindowBatch
from audiossl.seeds import derive_generator


@dataclass
class TraCoCoConfig(SemiConfig):
    """Head, weights and thresholds.

    Attributes:
        confident: probability from which on a class is taught.
        absent: probability below which it is taught that a class is absent.
        translation: weight of the agreement on the overlap.
        certainty: weight of the negative entropy there, which discourages trivial certainty.
        cutmix: both parameters of the distribution from which the share of a window is drawn that stays in CutMix; 0 for none.

    >>> TraCoCoConfig().confident
    0.65
    """

    ramp_steps: int = 100
    confident: float = 0.65
    absent: float = 0.1
    translation: float = 0.3
    certainty: float = 0.1
    cutmix: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cutmix < 0:
            raise ConfigError(f"expected cutmix of at least 0, got {self.cutmix}")


class TraCoCo(SemiObjective):
    """Two networks with labels, each other's confident pseudo-labels of both signs, and translation consistency.

    Where batches bring crops of windows at two offsets, predictions agree frame by frame on their overlap; that is exact, since
    encoders are invariant to padding. Without crops, as on frozen vectors, two strong views of a window agree. With more than two
    classes the one that is taught to be absent is the least probable one.

    The second network is taught on windows of which a stretch is another window's (CutMix); the first one's answers to both are
    put together alike, or, where windows are classified as a whole, taught by their shares. Frozen vectors have no stretches. The
    answer is the mean of both networks. Means over confident places, and pairs, are those of a rank.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> TraCoCo(ResNet1d(3, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8)), 2).config.translation
    0.3
    """

    Config = TraCoCoConfig
    config: TraCoCoConfig

    def __init__(self, encoder: Encoder, num_classes: int, config: SemiConfig | None = None, *, frame_wise: bool = False) -> None:
        super().__init__(encoder, num_classes, config, frame_wise=frame_wise)
        self.other_encoder = deepcopy(cast(nn.Module, encoder))
        self.other_head = mlp([encoder.dim, *self.config.hidden, num_classes], batch_norm=False)

    def learn_labelled(self, batch: SemiBatch) -> tuple[Float[Tensor, ""], dict[str, Ratio]]:
        """Half the cross entropies of both networks."""
        first, parts = super().learn_labelled(batch)
        views = batch.labelled
        second = cross_entropy(self._classify_other(views.weak)[0], batch.y)
        if self.config.labelled_strong and views.strong:
            strong = cross_entropy(self._classify_other(views.strong[0])[0], turned(batch.y, views.moves[0]))
            second = (second + strong) / 2
        return (first + second) / 2, parts

    def learn_unlabelled(self, batch: SemiBatch) -> Terms:
        """Pseudo-labels from network to network, and agreement of each with itself."""
        options, views = self.config, batch.unlabelled
        one, valid = self.classify(views.weak)
        with torch.no_grad():
            two, _ = self._classify_other(views.weak)
        taught = taught_by(two, one, valid, options.confident, options.absent)
        taught = taught + self._teach_other(views.weak, one.detach(), valid)
        shifted = [self._overlap(encoder, head, views) for encoder, head in self._networks()]
        divergence = torch.stack([kl_on_overlap(a, b, there) for a, b, there in shifted]).sum()
        certainty = torch.stack([negative_entropy(a, there) for a, _, there in shifted]).sum()
        with torch.no_grad():
            confidence, pseudo = ((one.softmax(2) + two.softmax(2)) / 2).max(2)
        terms = {"taught": taught, "translation": options.translation * divergence, "certainty": options.certainty * certainty}
        return terms, self.measure(pseudo, (confidence >= options.confident) & valid, valid, batch.truth)

    @torch.no_grad()
    def answer(self, windows: WindowBatch) -> Float[Tensor, "B T K"]:
        """Logarithms of the mean probabilities of both networks."""
        both = self.classify(windows)[0].softmax(2) + self._classify_other(windows)[0].softmax(2)
        return (both / 2).clamp(min=1e-30).log()

    def _teach_other(self, windows: WindowBatch, one: Float[Tensor, "B T K"], valid: Bool[Tensor, "B T"]) -> Float[Tensor, ""]:
        """What the first network teaches the second one of windows with stretches of others."""
        options = self.config
        generator = derive_generator(windows.seed, self.step, *windows.ids[:1], "cutmix")
        mixture = CutMix.draw(windows, self.encoder.alignment, options.cutmix, generator)
        student, _ = self._classify_other(mixture.of_signal(windows))
        if self.frame_wise:
            return taught_by(mixture.of_frames(one), student, valid, options.confident, options.absent)
        parts = [taught_by(logits, student, valid, options.confident, options.absent) for logits in (one, one[mixture.order])]
        return (1 - mixture.share) * parts[0] + mixture.share * parts[1]

    def _classify_other(self, windows: WindowBatch) -> tuple[Float[Tensor, "B T K"], Bool[Tensor, "B T"]]:
        hidden, valid = encode(cast(Encoder, self.other_encoder), windows, self.frame_wise)
        return self.other_head(hidden.float()), valid

    def _networks(self) -> list[tuple[Encoder, nn.Module]]:
        return [(self.encoder, self.head), (cast(Encoder, self.other_encoder), self.other_head)]

    def _overlap(
        self, encoder: Encoder, head: nn.Module, views: Views
    ) -> tuple[Float[Tensor, "B T K"], Float[Tensor, "B T K"], Bool[Tensor, "B T"]]:
        """Logits of two crops on their overlap, or of two views of a window, and which are valid."""
        if views.crops is None:
            first, second = views.strong[0], views.strong[-1]
            (a, there), (b, here) = encode(encoder, first, self.frame_wise), encode(encoder, second, self.frame_wise)
            back = [-views.moves[0], -views.moves[len(views.strong) - 1]]
            valid = turned(there, back[0]) & turned(here, back[1])
            return turned(head(a.float()), back[0]), turned(head(b.float()), back[1]), valid
        (a, there), (b, here) = (encode(encoder, crop, frame_wise=True) for crop in views.crops)
        a, there = a[:, views.shift :], there[:, views.shift :]
        count = min(a.shape[1], b.shape[1])
        return head(a[:, :count].float()), head(b[:, :count].float()), there[:, :count] & here[:, :count]


def taught_by(
    teacher: Float[Tensor, "B T K"], student: Float[Tensor, "B T K"], valid: Bool[Tensor, "B T"], confident: float, absent: float
) -> Float[Tensor, ""]:
    """Confident cross entropy: the class where the teacher is sure, and that the least probable one is not there.

    The mean over confident places of max q * -log p(argmax q), plus that over places with min q below `absent` of
    min q * -log(1 - p(argmin q)).

    Args:
        teacher, student: logits.
        valid: places that count.
        confident, absent: thresholds.
    """
    q, p = teacher.softmax(2), student.log_softmax(2)
    high, present = q.max(2)
    low, missing = q.min(2)
    positive = high * -p.gather(2, present[..., None])[..., 0]
    negative = low * -torch.log1p(-p.exp().gather(2, missing[..., None])[..., 0].clamp(max=1 - 1e-6))
    return mean_where(positive, valid & (high >= confident)) + mean_where(negative, valid & (low < absent))


def kl_on_overlap(a: Float[Tensor, "B T K"], b: Float[Tensor, "B T K"], valid: Bool[Tensor, "B T"]) -> Float[Tensor, ""]:
    """KL(softmax b || softmax a), a mean over places."""
    log_a, log_b = a.float().log_softmax(2), b.float().log_softmax(2)
    return mean_where((log_b.exp() * (log_b - log_a)).sum(2), valid)


def negative_entropy(logits: Float[Tensor, "B T K"], valid: Bool[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Mean over places of the sum of p log p."""
    log_p = logits.float().log_softmax(2)
    return mean_where((log_p.exp() * log_p).sum(2), valid)
