"""Masked auto-encoding of dynamic functional connectivity as an estimator (arXiv 2312.01994)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Float32
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from audiossl.errors import ConfigError, DataError
from audiossl.estimators.array_transformer import ArrayTransformer
from audiossl.estimators.arrays import ArrayError, Seed, seed_of
from audiossl.features.connectivity import Sign
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.models.graph_decoders import DecoderKind
from audiossl.models.graph_readout import Readout
from audiossl.objectives import connectivity_mae
from audiossl.objectives.connectivity_mae import ConnectivityMAEConfig, NodeTarget
from audiossl.objectives.region_masks import MaskKind
from audiossl.options import read_options
from audiossl.pipelines.connectivity.batches import RunCrops
from audiossl.pipelines.connectivity.data import Stretch
from audiossl.pipelines.connectivity.parts import Part
from audiossl.seeds import derive_seed
from audiossl.signals.bold.run import bold_run, standardised
from audiossl.training.config import TrainingConfig
from audiossl.training.fit import fit

Output = Literal["edges", "nodes", "pooled"]
LONGEST_CROP = 576  # volumes, as in the recipes


class ConnectivityFeatures(nn.Module):
    """What a model says of standardised runs."""

    def __init__(self, objective: connectivity_mae.ConnectivityMAE, output: Output) -> None:
        super().__init__()
        self.objective, self.output = objective, output

    def forward(self, series: Float[Tensor, "B R T"]) -> Float[Tensor, "B D"]:
        """Represent runs by means over their windows."""
        lengths = torch.full((len(series),), series.shape[2])
        if self.output == "edges":
            return self.objective.reconstruct(series, lengths).mean(1)
        frames = self.objective.encoder(series, lengths)
        if self.output == "nodes":
            return frames.regions.mean(1).flatten(1)
        return torch.cat([layer.mean(1) for layer in frames.layers], dim=1)


@dataclass(eq=False, repr=False, kw_only=True)
class ConnectivityMAE(ArrayTransformer):
    """Regions of graphs of sliding windows are hidden and predicted from the others: runs (N, R, T) in, connectivity out.

    Each run is detrended and standardised by itself; a batch is a crop of every run, `batch_size` at most. The features are those
    of the recipes' row. `groups` are taken and not used: nothing is contrasted between runs.

    Attributes:
        rate: volumes a second, 1 / TR. Features do not depend on it; `encoder_` is saved with it.
        output: `edges`, logits of the R (R - 1) / 2 edges as the model predicts them, means over windows; `nodes`, the encoder's
            vectors of all regions; `pooled`, the read-outs of all layers.
        window, stride, density, sign, dim, num_layers, readout, names, rows: sizes of the encoder, see `ConnectivityConfig`.
        mask_ratio, mask_kind, node_target, node_loss, sce_power, node_weight, edge_weight: options of the objective, see
            `ConnectivityMAEConfig`.
        space_share, min_gap, decoder, momentum: further options of the objective.
        networks: number of each region's network, for masks of whole networks.
        crop: volumes of a training example; None takes the whole run, 576 at most.
        steps: number of steps of the optimiser.
        batch_size: runs in a batch, at most.
        lr: peak learning rate of AdamW; it rises over `warmup_steps` (None: a tenth of the steps) and falls along a cosine.
        weight_decay: weight decay of the optimiser on matrices.
        device: `auto`, `cpu`, `cuda`: where the network is trained.
        verbose: 1 shows how far training is.
        random_state: seed of everything random.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((4, 5, 60))
    >>> ConnectivityMAE(rate=1.4, window=10, stride=10, dim=8, num_layers=1, steps=2).fit_transform(X).shape
    (4, 10)
    """

    block_size: ClassVar[int] = 16

    rate: float | int = 0.5
    output: Output = "edges"
    window: int = 50
    stride: int = 32
    density: float | int = 0.3
    sign: Sign = "signed"
    dim: int = 128
    num_layers: int = 4
    readout: Readout = "mean"
    names: bool = True
    rows: bool = False
    mask_ratio: float | int = 0.5
    mask_kind: MaskKind = "random"
    node_target: NodeTarget = "fc_row"
    node_loss: Literal["sce", "mse"] = "sce"
    sce_power: float | int = 2.0
    node_weight: float | int = 1.0
    edge_weight: float | int = 1.0
    space_share: float | int = 0.3
    min_gap: int = 0
    decoder: DecoderKind = "mixer"
    momentum: float | int = 0.996
    networks: Sequence[int] | None = None
    crop: int | None = None
    steps: int = 400
    batch_size: int = 16
    lr: float | int = 2e-3
    weight_decay: float | int = 1e-4
    warmup_steps: int | None = None
    device: str = "auto"
    verbose: int = 0
    random_state: Seed = 1

    @property
    def encoder_(self) -> ConnectivityEncoder:
        """The fitted encoder: `encoder_.save(folder)` makes one that `audiossl.load` knows."""
        check_is_fitted(self)
        assert isinstance(self.network_, ConnectivityFeatures)  # of this class
        return self.network_.objective.encoder

    def _fit_network(self, values: Float32[np.ndarray, "N R T"], groups: list[str] | None) -> nn.Module:
        if values.shape[1] < 2:
            raise ArrayError(
                "expected at least two regions, which may be connected, got one: X is (N runs, R regions, T volumes)"
            )
        seed, series = seed_of(self.random_state), torch.from_numpy(self._standardised(values))
        with torch.random.fork_rng(devices=[]), TemporaryDirectory(prefix="audiossl-") as folder:
            torch.manual_seed(derive_seed(seed, "encoder"))
            objective = self._make_objective(values.shape[1])
            crop = self._crop_of(objective, values.shape[2])
            starts = list(range(values.shape[2] - crop + 1))
            parts = [Part(Stretch(row, 0, values.shape[2]), run, starts) for row, run in enumerate(series)]
            crops = RunCrops(parts, crop, self.batch_size, float(self.rate), seed)
            training = read_options(TrainingConfig, self._training(seed), "ConnectivityMAE")
            fit(objective, crops, training, Path(folder), quiet=not self.verbose)
        return ConnectivityFeatures(objective.cpu(), self.output)

    def _make_objective(self, num_regions: int) -> connectivity_mae.ConnectivityMAE:
        name = type(self).__name__
        if self.output not in get_args(Output):
            raise ConfigError(f"{name}.output: expected one of {', '.join(get_args(Output))}, got {self.output!r}")
        if not 0 < self.rate < float("inf") or self.batch_size < 1:
            raise ConfigError(
                f"{name}: expected a rate above 0 and a batch_size of at least 1, got {self.rate}, {self.batch_size}"
            )
        sizes = read_options(ConnectivityConfig, self._values(ConnectivityConfig), name)
        options = read_options(ConnectivityMAEConfig, self._values(ConnectivityMAEConfig), name)
        encoder = ConnectivityEncoder([f"region_{number}" for number in range(num_regions)], 1 / self.rate, sizes)
        return connectivity_mae.ConnectivityMAE(encoder, options, self.networks)

    def _values(self, config: type) -> dict[str, object]:
        return {field.name: getattr(self, field.name) for field in fields(config)}

    def _crop_of(self, objective: connectivity_mae.ConnectivityMAE, num_volumes: int) -> int:
        crop = min(num_volumes, LONGEST_CROP) if self.crop is None else self.crop
        needed = self.window + 2 * objective.gap * self.stride
        if not needed <= crop <= num_volumes:
            raise ArrayError(
                f"expected crops of at least {needed} volumes to train on, a window with one {objective.gap} before and one "
                f"{objective.gap} after it, and at most {num_volumes}, all of a run, got {crop}: change window, stride or crop"
            )
        return crop

    def _training(self, seed: int) -> dict[str, object]:
        return {
            "optimiser": "adamw", "lr": self.lr, "weight_decay": self.weight_decay, "schedule": "cosine",
            "warmup_steps": self.steps // 10 if self.warmup_steps is None else self.warmup_steps, "max_steps": self.steps,
            "validate_every": 0, "checkpoint_every": 0, "tensorboard": False, "seed": seed, "device": self.device,
        }  # fmt: skip

    def _make_network(self) -> nn.Module:
        return ConnectivityFeatures(self._make_objective(self.n_features_in_), self.output)

    def _shortest(self) -> int:
        return self.window

    def _vectors(self, values: Float32[np.ndarray, "N R T"]) -> Float32[np.ndarray, "N D"]:
        return super()._vectors(self._standardised(values))

    def _standardised(self, values: Float32[np.ndarray, "N R T"]) -> Float32[np.ndarray, "N R T"]:
        """Every run, detrended and standardised."""
        names = [f"region_{number}" for number in range(values.shape[1])]
        try:
            return np.stack([standardised(bold_run(f"row_{row}", "1", run, 1.0, names)) for row, run in enumerate(values)])
        except DataError as error:
            raise ArrayError(str(error)) from error
