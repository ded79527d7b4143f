"""SimCLR (arXiv 2002.05709)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from audiossl.models.encoder import Encoder
from audiossl.objectives.contrast import nt_xent
from audiossl.objectives.option_checks import require_positive
from audiossl.objectives.two_views import TwoViewConfig, TwoViews
from audiossl.objectives.window_batch import WindowBatch


@dataclass
class SimCLRConfig(TwoViewConfig):
    """Views, heads and `temperature`."""

    temperature: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("temperature", self.temperature)


class SimCLR(TwoViews):
    """Two views of a window find each other among all others, by NT-Xent with 2 B - 2 negatives."""

    Config = SimCLRConfig

    def __init__(self, encoder: Encoder, config: SimCLRConfig | None = None) -> None:
        config = config or SimCLRConfig()
        super().__init__(encoder, config)
        self.temperature = config.temperature

    def compare(self, a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], batch: WindowBatch) -> dict[str, Float[Tensor, ""]]:
        """NT-Xent."""
        return {"nt_xent": nt_xent(a, b, self.temperature)}
