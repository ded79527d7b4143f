"""Decoupled contrastive learning, DCL and DCLW (arXiv 2110.06848)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from audiossl.models.encoder import Encoder
from audiossl.objectives.contrast import dcl
from audiossl.objectives.option_checks import require_positive
from audiossl.objectives.two_views import TwoViewConfig, TwoViews
from audiossl.objectives.window_batch import WindowBatch


@dataclass
class DCLConfig(TwoViewConfig):
    """Views and heads.

    Attributes:
        temperature: tau.
        weighted: DCLW.
        sigma: of its weights.
    """

    temperature: float = 0.1
    weighted: bool = False
    sigma: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("temperature", self.temperature)
        require_positive("sigma", self.sigma)


class DCL(TwoViews):
    """SimCLR without the positive in the denominator, which lets small batches learn."""

    Config = DCLConfig

    def __init__(self, encoder: Encoder, config: DCLConfig | None = None) -> None:
        config = config or DCLConfig()
        super().__init__(encoder, config)
        self.options = config

    def compare(self, a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], batch: WindowBatch) -> dict[str, Float[Tensor, ""]]:
        """The decoupled loss; it may be negative."""
        options = self.options
        return {"dcl": dcl(a, b, options.temperature, options.weighted, options.sigma)}


@dataclass
class DCLWConfig(DCLConfig):
    """The same with weights."""

    weighted: bool = True


class DCLW(DCL):
    """DCL whose positives count the more, the less alike they are."""

    Config = DCLWConfig

    def __init__(self, encoder: Encoder, config: DCLWConfig | None = None) -> None:
        super().__init__(encoder, config or DCLWConfig())
