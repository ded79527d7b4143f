"""Frame projections as an estimator (arXiv 2510.22655)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.estimators.array_windows import Normaliser
from audiossl.estimators.window_objective import WindowObjective
from audiossl.models.encoder import Encoder
from audiossl.models.mappers import MapperKind, make_mapper
from audiossl.models.resnet1d import ResNet1d
from audiossl.objectives import frame_projection
from audiossl.objectives.frame_projection import FrameProjectionConfig, Standardised, fit_mappers
from audiossl.objectives.objective import Objective
from audiossl.objectives.pooling import mean_frame
from audiossl.options import read_options
from audiossl.signals.sensors.windows import WindowSet

Mapper = Literal["real", "none", "conv", "linear", "mlp", "random"]


class ViewFeatures(nn.Module):
    """The representation of a window's signal, followed by those of its other views.

    Args:
        normaliser: normaliser of windows.
        encoder: encoder of the signal.
        others: encoders of the other views, which read the signal too, or mappers, which predict them from its representation.
        are_mapped: whether the others are mappers.
    """

    def __init__(self, normaliser: Normaliser, encoder: Encoder, others: nn.ModuleDict, are_mapped: bool) -> None:
        super().__init__()
        self.normaliser, self.encoder, self.others, self.are_mapped = normaliser, encoder, others, are_mapped

    def forward(self, signal: Float[Tensor, "B C T"]) -> Float[Tensor, "B D"]:
        """Represent windows."""
        signal, lengths = self.normaliser(signal), torch.full((len(signal),), signal.shape[2])
        time = mean_frame(self.encoder(signal, lengths))
        views = [other(time) if self.are_mapped else other(signal, lengths) for other in self.others.values()]
        return torch.cat([time, *views], dim=1)


@dataclass(eq=False, repr=False, kw_only=True)
class FrameProjection(WindowObjective):
    """A signal and its coefficients in bases and frames find each other among those of other windows (arXiv 2510.22655).

    The features are those of the recipes: the representations of all views side by side, three times `dim`.

    Attributes:
        dim: width of the representation of each view.
        views: `time` and any of fourier, dct, haar, gabor, stft; None takes time, fourier and gabor.
        pairs: weight of each pair of views that shall agree, such as `{"time-gabor": 1.0}`; None takes all pairs alike.
        loss: `nt_xent` or `dcl`.
        temperature: temperature of the loss.
        map_weight: weight of the loss of the mappers between embeddings. The paper has 1, which costs 8 points on HAPT;
            recipes have 0.
        options: options of the views' transforms and networks, by view.
        mapper: what is appended to the representation of the signal: `real`, the encoders of the other views; `mlp`, `conv` or
            `linear`, mappers that predict them, so that one network is enough; `random`, an untrained one; `none`, nothing.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((8, 3, 64))
    >>> model = FrameProjection(rate=50, steps=2, dim=8, width=4, num_blocks=2)
    >>> model.fit(X, groups=[1, 1, 1, 1, 2, 2, 2, 2]).transform(X).shape
    (8, 24)
    """

    dim: int = 128
    views: Sequence[str] | None = None
    pairs: Mapping[str, float] | None = None
    loss: str = "nt_xent"
    temperature: float | int = 0.15
    map_weight: float | int = 0.0
    options: Mapping[str, Mapping[str, object]] | None = None
    mapper: Mapper = "real"

    objective = frame_projection.FrameProjection
    config = FrameProjectionConfig

    def _make_objective(self, encoder: ResNet1d) -> Objective:
        if self.pooling != "mean":
            raise ConfigError(
                f"FrameProjection.pooling: its views are means of frames, so only mean is taken, got {self.pooling!r}"
            )
        if self.mapper not in get_args(Mapper):
            raise ConfigError(f"FrameProjection.mapper: expected one of {', '.join(get_args(Mapper))}, got {self.mapper!r}")
        options = read_options(FrameProjectionConfig, self._options(), "FrameProjection")
        return frame_projection.FrameProjection(encoder, num_channels=encoder.stem.in_channels, config=options)

    def _network_after(self, objective: Objective, normaliser: Normaliser, windows: WindowSet, seed: int) -> nn.Module:
        assert isinstance(objective, frame_projection.FrameProjection)  # `_make_objective` made it
        if self.mapper not in get_args(MapperKind):
            others = objective.view_encoders if self.mapper == "real" else nn.ModuleDict()
            return ViewFeatures(normaliser, objective.encoder, others, False)
        blocks = zip(windows.values.split(self.block_size), windows.lengths.split(self.block_size), strict=True)
        represented = [objective.represent_views(*block) for block in blocks]
        views = {view: torch.cat([block[view] for block in represented]) for view in represented[0]}
        return ViewFeatures(normaliser, objective.encoder, fit_mappers(views, self.mapper, seed), True)

    def _make_network(self) -> nn.Module:
        objective = self._make_objective(self._make_encoder(self.n_features_in_))
        assert isinstance(objective, frame_projection.FrameProjection)
        normaliser = Normaliser(self.normalise, self.n_features_in_)
        if self.mapper not in get_args(MapperKind):
            others = objective.view_encoders if self.mapper == "real" else nn.ModuleDict()
            return ViewFeatures(normaliser, objective.encoder, others, False)
        empty = torch.zeros(2, self.dim)
        mappers = {view: Standardised(make_mapper(self.mapper, self.dim), empty, empty) for view in objective.view_encoders}
        return ViewFeatures(normaliser, objective.encoder, nn.ModuleDict(mappers), True)
