"""TS-TCC: temporal and contextual contrast of a weak and a strong view (arXiv 2106.14112, section 3)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.models.encoder import Encoder
from audiossl.objectives.augmentations import CHANGES, AugmentationConfig, augment
from audiossl.objectives.contrast import gather, nt_xent
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.objective import Objective
from audiossl.objectives.option_checks import require_positive, require_widths
from audiossl.objectives.two_views import mlp
from audiossl.objectives.window_batch import WindowBatch
from audiossl.seeds import derive_generator


@dataclass
class TSTCCConfig:
    """Views, heads and weights.

    Attributes:
        weak, strong: changes of the two views, in this order.
        augmentations: how strong they are; its `kinds` and `per_view` are not used.
        steps: future frames that are predicted, at most; short windows have fewer.
        context: width of the context.
        projector: widths of the layers after the context, for contextual contrast.
        batch_norm: normalise hidden layers of the projector over the batch.
        temporal, contextual: lambda 1 and lambda 2.
        temperature: of contextual contrast.
    """

    weak: list[str] = field(default_factory=lambda: ["scale", "noise"])
    strong: list[str] = field(default_factory=lambda: ["permute", "noise"])
    augmentations: AugmentationConfig = field(default_factory=AugmentationConfig)
    steps: int = 3
    context: int = 64
    projector: list[int] = field(default_factory=lambda: [64, 32])
    batch_norm: bool = True
    temporal: float = 1.0
    contextual: float = 0.7
    temperature: float = 0.2

    def __post_init__(self) -> None:
        if unknown := sorted({*self.weak, *self.strong} - set(CHANGES)):
            raise ConfigError(f"there is no change '{unknown[0]}' of windows; choose from {', '.join(CHANGES)}")
        if self.steps < 1:
            raise ConfigError(f"expected at least one step to predict, got {self.steps}")
        require_widths("projector", self.projector)
        require_positive("context", self.context)
        require_positive("temperature", self.temperature)


class TSTCC(Objective[Encoder, WindowBatch]):
    """The past of one view predicts the future of the other, and the two pasts find each other among those of other windows.

    The context of a window is a GRU's state after a random number of frames, drawn from (seed, epoch, id) and the same in both
    views; frames are scaled to unit length before it. Predictions find their frame, by scalar products, among the frames that
    other windows have as far ahead, on all ranks. Partners are not used: the future is that of the window itself.
    """

    Config = TSTCCConfig

    def __init__(self, encoder: Encoder, config: TSTCCConfig | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.config = config = config or TSTCCConfig()
        self.recurrence = nn.GRU(encoder.dim, config.context, batch_first=True)
        self.predictors = nn.ModuleList(nn.Linear(config.context, encoder.dim) for _ in range(config.steps))
        self.projector = mlp([config.context, *config.projector], config.batch_norm)

    def forward(self, batch: WindowBatch) -> Loss:
        """Compute the loss of a batch, summed over its windows.

        Raises:
            ConfigError: if no window has two frames.
        """
        weak, lengths = self._frames(batch, "weak", self.config.weak)
        strong, _ = self._frames(batch, "strong", self.config.strong)
        now = self._now(batch, lengths)
        with torch.autocast(weak.device.type, enabled=False):
            contexts = [_at(self.recurrence(frames)[0], now) for frames in (weak, strong)]
            forth = self._predict(contexts[0], strong, now, lengths)
            back = self._predict(contexts[1], weak, now, lengths)
            first, second = (gather(self.projector(context)) for context in contexts)
            alike = nt_xent(first, second, self.config.temperature)
        terms = {"temporal": self.config.temporal * (forth + back), "contextual": self.config.contextual * alike}
        count = len(batch.ids)
        parts = {name: Ratio(term.detach() * count, count) for name, term in terms.items()}
        return Loss(torch.stack(list(terms.values())).sum() * count, float(count), parts)

    def _frames(self, batch: WindowBatch, view: str, chain: list[str]) -> tuple[Float[Tensor, "B T D"], Int[Tensor, "B"]]:
        key = (batch.seed, batch.epoch, view)
        signal = augment(batch.signal, batch.lengths, batch.ids, key, self.config.augmentations, chain)
        frames = self.encoder(signal, batch.lengths)
        return functional.normalize(frames.last.float(), dim=2), frames.last_lengths

    def _now(self, batch: WindowBatch, lengths: Int[Tensor, "B"]) -> Int[Tensor, "B"]:
        """The last frame that each window's context has heard: at random, with all steps ahead where there is room."""
        places = []
        for id_, length in zip(batch.ids, lengths.tolist(), strict=True):
            generator = derive_generator(batch.seed, batch.epoch, id_, "now")
            places.append(int(torch.randint(max(1, length - self.config.steps), (), generator=generator)))
        return torch.tensor(places, device=lengths.device)

    def _predict(
        self, context: Float[Tensor, "B H"], frames: Float[Tensor, "B T D"], now: Int[Tensor, "B"], lengths: Int[Tensor, "B"]
    ) -> Float[Tensor, ""]:
        """Log-bilinear NCE, mean over steps and the windows that have them (eq. 1 and 2)."""
        total, count = frames.new_zeros(()), 0
        for ahead, predictor in enumerate(self.predictors, start=1):
            there = gather((now + ahead < lengths).long()[:, None])[:, 0].bool()
            target = gather(_at(frames, (now + ahead).clamp(max=frames.shape[1] - 1)))[there]
            similarity = gather(predictor(context))[there] @ target.T
            rows = torch.arange(len(target), device=target.device)
            total = total + functional.cross_entropy(similarity, rows, reduction="sum")
            count += len(target)
        if not count:
            raise ConfigError("no window has a frame ahead to predict. Take longer windows or an encoder of a higher frame rate.")
        return total / count


def _at(frames: Float[Tensor, "B T D"], places: Int[Tensor, "B"]) -> Float[Tensor, "B D"]:
    return frames[torch.arange(len(frames), device=frames.device), places]
