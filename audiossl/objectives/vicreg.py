"""VICReg: invariance, variance, covariance (arXiv 2105.04906, section 4)."""

from __future__ import annotations

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from audiossl.models.encoder import Encoder
from audiossl.objectives.two_views import TwoViewConfig, TwoViews
from audiossl.objectives.window_batch import WindowBatch


@dataclass
class VICRegConfig(TwoViewConfig):
    """Views, a wide expander, and the weight of each term.

    Attributes:
        projector: 1,024 wide by default, eight times the encoder: the covariance term is weak in few dimensions.
        invariance, variance, covariance: lambda, mu and nu.
    """

    projector: list[int] = field(default_factory=lambda: [1024, 1024])
    batch_norm: bool = True
    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0


class VICReg(TwoViews):
    """Two views agree, every dimension varies over the batch, and dimensions do not vary together; no negatives."""

    Config = VICRegConfig

    def __init__(self, encoder: Encoder, config: VICRegConfig | None = None) -> None:
        config = config or VICRegConfig()
        super().__init__(encoder, config)
        self.options = config

    def compare(self, a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], batch: WindowBatch) -> dict[str, Float[Tensor, ""]]:
        """The three terms with their weights; the variance term is the mean of the two views', as in the released code."""
        options = self.options
        return {
            "invariance": options.invariance * functional.mse_loss(a, b),
            "variance": options.variance * (variance_hinge(a) + variance_hinge(b)) / 2,
            "covariance": options.covariance * (off_diagonal_covariance(a) + off_diagonal_covariance(b)),
        }


def variance_hinge(z: Float[Tensor, "B D"], eps: float = 1e-4) -> Float[Tensor, ""]:
    """Mean over dimensions of how far their deviation stays below 1."""
    return functional.relu(1 - (z.var(dim=0) + eps).sqrt()).mean()


def off_diagonal_covariance(z: Float[Tensor, "B D"]) -> Float[Tensor, ""]:
    """Sum of squared covariances of different dimensions, divided by their number D."""
    centred = z - z.mean(dim=0)
    covariance = centred.T @ centred / (len(z) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]
