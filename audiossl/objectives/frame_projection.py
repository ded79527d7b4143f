"""Frame projections: agree across a signal and its coefficients in bases and frames (arXiv 2510.22655, sections 2 and 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.models.encoder import Encoder
from audiossl.models.mappers import make_mapper
from audiossl.models.view_encoders import ViewKind, make_view_encoder
from audiossl.objectives.contrast import dcl, gather, nt_xent
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.objective import Objective
from audiossl.objectives.option_checks import require_positive
from audiossl.objectives.pooling import mean_frame
from audiossl.objectives.window_batch import WindowBatch
from audiossl.seeds import derive_generator

TIME = "time"
LOSSES = ("nt_xent", "dcl")


@dataclass
class FrameProjectionConfig:
    """Views and losses.

    Attributes:
        views: `time`, the signal itself, and any of fourier, dct, haar, gabor, stft.
        pairs: weight of each pair of views that shall agree, such as `{"time-gabor": 1.0}`; empty takes all pairs alike.
        loss: `nt_xent` as published, or `dcl`, without the positive in the denominator (arXiv 2110.06848).
        temperature: of the loss; 0.15 is that of the published code.
        map_weight: of the mappers between embeddings, 1 in the paper. The published code divides by the batch once more, which
            switches them off.
        dim: width of representations and embeddings; 0 takes that of the encoder.
        options: of the views' transforms and networks, by view.
    """

    views: list[str] = field(default_factory=lambda: [TIME, "fourier", "gabor"])
    pairs: dict[str, float] = field(default_factory=dict)
    loss: str = "nt_xent"
    temperature: float = 0.15
    map_weight: float = 1.0
    dim: int = 0
    options: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.views, list) or TIME not in self.views or len(set(self.views)) < max(2, len(self.views)):
            raise ConfigError(f"expected 'time' and at least one other view, each once, got {self.views}")
        if unknown := [view for view in self.views if view not in (TIME, *get_args(ViewKind))]:
            raise ConfigError(f"there is no view {', '.join(unknown)}; choose of time, {', '.join(get_args(ViewKind))}")
        if self.loss not in LOSSES:
            raise ConfigError(f"there is no loss '{self.loss}'; choose of {', '.join(LOSSES)}")
        if strangers := sorted(set(self.options) - set(self.views) | set(self.options) & {TIME}):
            others = ", ".join(view for view in self.views if view != TIME)
            raise ConfigError(f"options are for views other than time, here {others}; got options of {', '.join(strangers)}")
        require_positive("temperature", self.temperature)
        if self.map_weight < 0:
            raise ConfigError(f"expected a map_weight of at least 0, got {self.map_weight}")
        self.weights()

    def weights(self) -> dict[tuple[str, str], float]:
        """Weight of every pair of views that is asked to agree.

        Raises:
            ConfigError: if a pair names a view that is not there.
        """
        if not self.pairs:
            return dict.fromkeys(combinations(self.views, 2), 1.0)
        weights = {}
        for name, weight in self.pairs.items():
            first, _, second = name.partition("-")
            if first not in self.views or second not in self.views or first == second:
                raise ConfigError(f"expected pairs of the views {', '.join(self.views)}, such as time-fourier, got '{name}'")
            if isinstance(weight, bool) or not isinstance(weight, int | float) or weight < 0:
                raise ConfigError(f"expected a weight of at least 0 for the pair '{name}', got {weight!r}")
            weights[first, second] = weight
        return weights


class FrameProjection(Objective[Encoder, WindowBatch]):
    """Stage A: encoders of all views are trained together, so that a window's views find each other among those of others.

    Each pair is contrasted as in SimCLR: 2 B rows, for each the other view as the positive and the 2 B - 2 rows of other windows
    as negatives, gathered from all ranks. Mappers learn meanwhile to predict each view's embedding from that of the signal, by
    the sum of absolute differences (eq. 6). Where a batch brings partners, the other views are theirs: what agrees then is a
    window and its neighbour in time, which is ours and not in the paper.

    Args:
        encoder: of the signal; it says its `num_channels`.
        config: views and losses.
        num_channels: of the signal, where the encoder does not say it.

    Raises:
        ConfigError: if the encoder's width is another than `config.dim`, or nobody says the number of channels.
    """

    Config = FrameProjectionConfig

    def __init__(self, encoder: Encoder, config: FrameProjectionConfig | None = None, *, num_channels: int = 0) -> None:
        super().__init__()
        config = config or FrameProjectionConfig()
        self.config = config = replace(config, dim=config.dim or encoder.dim)
        if encoder.dim != config.dim:
            raise ConfigError(f"the encoder is {encoder.dim} wide, its views {config.dim}; make them equal")
        num_channels = num_channels or getattr(encoder, "num_channels", 0)
        if num_channels < 1:
            name = type(encoder).__name__
            raise ConfigError(f"{name} does not say its num_channels: expected the number of channels of its views, got none")
        self.encoder = encoder
        others = [view for view in config.views if view != TIME]
        self.view_encoders = nn.ModuleDict(
            {view: make_view_encoder(view, num_channels, config.dim, config.options.get(view)) for view in others}
        )
        self.projectors = nn.ModuleDict({view: _projector(config.dim) for view in config.views})
        self.mappers = nn.ModuleDict({view: make_mapper("conv", config.dim) for view in others})

    def forward(self, batch: WindowBatch) -> Loss:
        """Compute the loss of a batch, summed over its windows."""
        signal, lengths = (batch.signal, batch.lengths) if batch.partner is None else (batch.partner, batch.partner_lengths)
        hidden = {TIME: mean_frame(self.encoder(batch.signal, batch.lengths))}
        hidden |= {view: encoder(signal, lengths) for view, encoder in self.view_encoders.items()}
        with torch.autocast(batch.signal.device.type, enabled=False):
            return self._loss({view: self.projectors[view](x.float()) for view, x in hidden.items()})

    def _loss(self, embeddings: dict[str, Float[Tensor, "B D"]]) -> Loss:
        unit = {view: functional.normalize(x, dim=1) for view, x in embeddings.items()}
        everyones = {view: gather(x) for view, x in unit.items()}
        contrast = nt_xent if self.config.loss == "nt_xent" else dcl
        count = len(unit[TIME])
        parts: dict[str, Tensor] = {
            f"{first}-{second}": weight * contrast(everyones[first], everyones[second], self.config.temperature)
            for (first, second), weight in self.config.weights().items()
        }
        for view, mapper in self.mappers.items():
            parts[f"map_{view}"] = self.config.map_weight * (mapper(unit[TIME]) - unit[view]).abs().sum(1).mean()
        total = torch.stack(list(parts.values())).sum() * count
        return Loss(total, float(count), {name: Ratio(part.detach() * count, count) for name, part in parts.items()})

    @torch.no_grad()
    def represent_views(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]) -> dict[str, Float[Tensor, "B D"]]:
        """Representation of windows by every view's encoder, before the projectors."""
        hidden = {TIME: mean_frame(self.encoder(signal, lengths))}
        return hidden | {view: encoder(signal, lengths) for view, encoder in self.view_encoders.items()}


def _projector(dim: int) -> nn.Module:
    return nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))


def fit_mappers(
    views: Mapping[str, Float[Tensor, "N D"]],
    kind: str,
    seed: int,
    num_steps: int = 1000,
    batch_size: int = 512,
    lr: float = 3e-3,
) -> nn.ModuleDict:
    """Stage B: with all encoders frozen, learn to predict each view's representation from that of the signal.

    The loss is the mean absolute error on representations as they are (section 2.4); Adam with a cosine schedule. Inputs and
    targets are standardised inside, so that the scale of an encoder does not set the learning rate; what comes out is on the
    targets' own scale.

    Args:
        views: representation of training windows by view; one of them is `time`.
        kind: of mapper; `random` is drawn and not trained.
        seed: of weights and batches.
        num_steps, batch_size, lr: of the optimisation.

    Returns:
        a mapper for every view but `time`.
    """
    time = views[TIME]
    mappers = nn.ModuleDict()
    for view, target in views.items():
        if view == TIME:
            continue
        generator = derive_generator(seed, "mapper", view)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator.initial_seed() % 2**63)
            mapper = Standardised(make_mapper(kind, time.shape[1]), time, target).to(time.device)
        mappers[view] = mapper
        if kind == "random":
            continue
        optimiser = torch.optim.Adam(mapper.mapper.parameters(), lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, num_steps)
        for _ in range(num_steps):
            rows = torch.randint(len(time), (min(batch_size, len(time)),), generator=generator).to(time.device)
            loss = ((mapper(time[rows]) - target[rows]) / mapper.target_deviation).abs().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return mappers.eval().requires_grad_(False)


class Standardised(nn.Module):
    """A mapper between standardised vectors."""

    mean: Tensor
    deviation: Tensor
    target_mean: Tensor
    target_deviation: Tensor

    def __init__(self, mapper: nn.Module, inputs: Float[Tensor, "N D"], targets: Float[Tensor, "N D"]) -> None:
        super().__init__()
        self.mapper = mapper
        for prefix, x in (("", inputs), ("target_", targets)):
            deviation, mean = torch.std_mean(x, 0)
            self.register_buffer(f"{prefix}mean", mean)
            self.register_buffer(f"{prefix}deviation", deviation.clamp(min=1e-6))

    def forward(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Map a vector of the inputs' scale to the targets' scale."""
        return self.mapper((x - self.mean) / self.deviation) * self.target_deviation + self.target_mean
