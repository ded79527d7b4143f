"""Semixup: predictions agree on a window, its change and its mixture with another (arXiv 2003.01944)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from audiossl.objectives.loss import Ratio
from audiossl.objectives.mixup import draw_beta
from audiossl.objectives.option_checks import require_positive
from audiossl.objectives.semi_batch import SemiBatch
from audiossl.objectives.semi_objective import SemiConfig, SemiObjective, Terms, cross_entropy, mean_where, turned
from audiossl.seeds import derive_generator


@dataclass
class SemixupConfig(SemiConfig):
    """Head and weights, as in the authors' training script.

    Attributes:
        hidden: widths of the head's hidden layers; with a linear head predictions of mixtures are mixtures of logits anyway.
        beta: both parameters of the distribution that shares of mixtures are drawn from.
        in_manifold: weight of the agreement of a window with its change.
        interpolation: weight of the agreement of a mixture with the mixture of logits.
        out_of_manifold: weight of the agreement of a mixture with the window and its change.

    Raises:
        ConfigError: for a `beta` that is not above 0.

    >>> SemixupConfig().interpolation
    4.0
    """

    beta: float = 0.75
    in_manifold: float = 2.0
    interpolation: float = 4.0
    out_of_manifold: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("beta", self.beta)


class Semixup(SemiObjective):
    """Mixup of labelled windows, and three agreements of the unlabelled ones, with which labelled ones are pooled.

    Outputs of the encoder are mixed, not signals: mixing waveforms was worse than not using unlabelled recordings in a comparison
    of others (USB, arXiv 2208.07204, audio). Gradients reach every branch, as in the paper. Pairs are of one rank.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> Semixup(ResNet1d(3, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8)), 2).config.beta
    0.75
    """

    Config = SemixupConfig
    config: SemixupConfig

    def learn_labelled(self, batch: SemiBatch) -> tuple[Float[Tensor, ""], dict[str, Ratio]]:
        """Cross entropy of mixtures with both classes, by their shares, in the weak view and, if asked for, a strong one."""
        views = batch.labelled
        hidden, _ = self.encode(views.weak)
        share, order = self._mixture(batch, len(hidden), "labelled")
        loss = self._of_mixtures(hidden.float(), batch.y, share, order)
        if self.config.labelled_strong and views.strong:
            strong, _ = self.encode(views.strong[0])
            loss = (loss + self._of_mixtures(strong.float(), turned(batch.y, views.moves[0]), share, order)) / 2
        with torch.no_grad():
            right = (self.head(hidden.float()).argmax(2) == batch.y) & (batch.y >= 0)
        return loss, {"accuracy": Ratio(right.sum().float(), (batch.y >= 0).sum().float())}

    def learn_unlabelled(self, batch: SemiBatch) -> Terms:
        """Agreement of windows, changes and mixtures, mean squared differences of probabilities."""
        options = self.config
        clean, changed, valid = self._pooled(batch)
        share, order = self._mixture(batch, len(clean), "pool")
        share = max(share, 1 - share, 0.55)
        logits = self.head(clean)
        p, p_changed, p_mixed = logits.softmax(2), self.head(changed).softmax(2), self.head(mixed(clean, order, share)).softmax(2)
        target = mixed(logits, order, share).softmax(2)
        both = valid & valid[order]
        terms = {
            "in_manifold": options.in_manifold * distance(p_changed, p, valid),
            "interpolation": options.interpolation * distance(p_mixed, target, both),
            "out_of_manifold": options.out_of_manifold * (distance(p, p_mixed, both) + distance(p_mixed, p_changed, both)),
        }
        pseudo = p[: len(batch.truth)].argmax(2)
        there = valid[: len(batch.truth)]
        return terms, self.measure(pseudo, there, there, batch.truth)

    def _of_mixtures(
        self, hidden: Float[Tensor, "B T D"], y: Int[Tensor, "B T"], share: float, order: Int[Tensor, "B"]
    ) -> Float[Tensor, ""]:
        """Cross entropy of mixtures of outputs of the encoder."""
        logits = self.head(mixed(hidden, order, share))
        return share * cross_entropy(logits, y) + (1 - share) * cross_entropy(logits, y[order])

    def _pooled(self, batch: SemiBatch) -> tuple[Float[Tensor, "N T D"], Float[Tensor, "N T D"], Bool[Tensor, "N T"]]:
        """Outputs of the encoder for weak and strong views of unlabelled and labelled windows; strong ones are turned back."""
        clean, changed, valid = [], [], []
        for views in (batch.unlabelled, batch.labelled):
            hidden, is_valid = self.encode(views.weak)
            strong, is_there = self.encode(views.strong[0])
            clean.append(hidden.float())
            changed.append(turned(strong.float(), -views.moves[0]))
            valid.append(is_valid & turned(is_there, -views.moves[0]))
        return torch.cat(clean), torch.cat(changed), torch.cat(valid)

    def _mixture(self, batch: SemiBatch, count: int, what: str) -> tuple[float, Tensor]:
        """The share of the first of a pair, and the order of the second ones."""
        weak = batch.unlabelled.weak
        generator = derive_generator(weak.seed, self.step, *weak.ids[:1], what, "semixup")
        order = torch.randperm(count, generator=generator).to(weak.signal.device)
        return draw_beta(self.config.beta, generator), order


def mixed(values: Float[Tensor, "N T D"], order: Tensor, share: float) -> Float[Tensor, "N T D"]:
    """Each row mixed with another."""
    return share * values + (1 - share) * values[order]


def distance(p: Float[Tensor, "N T K"], q: Float[Tensor, "N T K"], valid: Bool[Tensor, "N T"]) -> Float[Tensor, ""]:
    """Squared differences, a mean over classes, windows and frames."""
    return mean_where((p - q).square().mean(2), valid)
