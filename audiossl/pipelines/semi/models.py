"""Windows in views, represented by a frozen encoder: done once for all methods, budgets and draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.evaluation.windows.task import WindowTask
from audiossl.files import whole_file
from audiossl.models.encoder import Encoder
from audiossl.objectives.semi_objective import encode
from audiossl.objectives.window_batch import WindowBatch
from audiossl.pipelines.semi.data import Grid
from audiossl.pipelines.semi.views import ViewConfig, can_turn, changed, weakened
from audiossl.pipelines.sensors.batches import windows_of
from audiossl.pipelines.sensors.blocks import BLOCK
from audiossl.pipelines.sensors.data import FoldsConfig, SensorFold, SensorFolds
from audiossl.pipelines.sensors.models import folder_name
from audiossl.pipelines.sensors.rows import Row
from audiossl.seeds import derive_generator, derive_seed
from audiossl.stage import Names, StageConfig


@dataclass(frozen=True)
class ViewsConfig(StageConfig):
    """What decides the views of a model's features.

    Attributes:
        row: model.
        folds: windows and sides.
        views: changes.
        frames: keep frames, rather than one vector a window.
        devices: degrees by which the device of the windows is turned, one set of features each; the first is 0.
    """

    row: Row
    folds: FoldsConfig
    views: ViewConfig
    frames: bool
    devices: list[float]

    def decides(self) -> list[object]:
        """All, the row by what it reads."""
        return [*self.folds.decides(), *self.row.decides(), self.views, self.frames, self.devices]

    def names(self) -> Names:
        """Names of these."""
        return (*self.folds.names(), *self.row.names(), "views", "frames", "methods.pool.device")


def encode_views(out: Path, inputs: Mapping[str, Path], config: ViewsConfig) -> None:
    """Write features (V, N, D, T) of all windows for every seed and fold; see `FeatureViews`."""
    row, folds = config.row, SensorFolds(inputs["recordings"] / "set", config.folds)
    for number in range(len(folds)):
        fold = folds.open(number)
        for seed in config.folds.seeds if row.random else config.folds.seeds[:1]:
            folder = inputs[f"model_{row.name}"] / folder_name(seed, number)
            for degrees in config.devices:
                features = _encode(fold, row, folder, config, seed, degrees)
                file = out / views_file(seed, number, degrees)
                with whole_file(file) as partial:
                    save_file({"features": features}, partial)


def views_file(seed: int, fold: int, degrees: float) -> str:
    """Name of the file of a seed, fold and device."""
    return f"{folder_name(seed, fold)}-{degrees:g}.safetensors"


def read_views(folder: Path, seeds: Sequence[int], draw: int, fold: int, degrees: float) -> Float[Tensor, "V N D T"]:
    """Read the features that a draw uses: draws take the seeds of the encoder in turn."""
    file = folder / views_file(seeds[draw % len(seeds)], fold, degrees)
    if not file.is_file():  # a model without anything random
        file = folder / views_file(seeds[0], fold, degrees)
    return load_file(file)["features"]


def grid_of(encoder: Encoder, fold: SensorFold) -> Grid:
    """Where the frames of the fold's windows are."""
    count = -(-fold.windows.values.shape[2] // encoder.alignment)
    return Grid(encoder.last_frame_rate, encoder.frame_offset, count)


def network_of(row: Row, fold: SensorFold, seed: int, folder: Path) -> Encoder:
    """The encoder of a model.

    Raises:
        ConfigError: if the model has none, so that its frames cannot be read, nor can it be trained further.
    """
    torch.manual_seed(derive_seed(seed, "encoder"))
    network = row.network(fold, seed, folder)
    if network is None:
        raise ConfigError(
            f"models.{row.name}: {row.model.kind} has no encoder that gives frames or can be trained; frames=true and "
            f"end_to_end=true need an objective or kind random"
        )
    return _evaluated(network)


def all_windows(fold: SensorFold) -> WindowBatch:
    """All windows of a fold."""
    return windows_of(fold.windows, torch.arange(len(fold.windows)))


def moved_frames(config: ViewConfig, windows: WindowBatch, hop: int) -> list[int]:
    """Frames by which each strong view of frozen frames is turned round, evenly spread over a window; 0 where none can be."""
    total, count = len(config.strong), windows.signal.shape[2] // hop
    turns = config.turn and can_turn(windows, hop)
    return [count * (index + 1) // (total + 1) if turns else 0 for index in range(total)]


def _encode(fold: SensorFold, row: Row, folder: Path, config: ViewsConfig, seed: int, degrees: float) -> Float[Tensor, "V N D T"]:
    windows = turned_device(all_windows(fold), degrees, config.views, config.folds.seed)
    if not config.frames:
        views = _views_of(windows, config.views, [0] * len(config.views.strong))
        return torch.stack([_pooled(fold, row, folder, view, seed) for view in views])
    network = network_of(row, fold, seed, folder)
    moves = moved_frames(config.views, windows, network.alignment)
    views = _views_of(windows, config.views, [move * network.alignment for move in moves])
    return torch.stack([_frames(network, view) for view in views])


def _views_of(windows: WindowBatch, config: ViewConfig, moves: Sequence[int]) -> Iterator[WindowBatch]:
    """The windows themselves, weak views, and strong ones, turned round by so many samples."""
    yield windows
    for number in range(config.weak):
        yield weakened(windows, (0, number, "weak"), config)
    for number, (chain, move) in enumerate(zip(config.strong, moves, strict=True)):
        view = changed(windows, chain, (0, number), config)
        yield replace(view, signal=view.signal.roll(move, dims=2)) if move else view


def _pooled(fold: SensorFold, row: Row, folder: Path, view: WindowBatch, seed: int) -> Float[Tensor, "N D 1"]:
    torch.manual_seed(derive_seed(seed, "encoder"))
    network = row.network(fold, seed, folder)
    if network is not None:
        return _frames(_evaluated(network), view, pool=True)
    windows, task = copy(fold.windows), copy(fold.task)
    windows.values = view.signal
    task.rows = list(range(len(windows)))  # features of all windows, with a label or without
    assert isinstance(task, WindowTask)
    return row.features(replace(fold, windows=windows, task=task), seed)[..., None]


def _evaluated(network: Encoder) -> Encoder:
    if isinstance(network, nn.Module):
        network.eval()
    return network


@torch.no_grad()
def _frames(network: Encoder, view: WindowBatch, pool: bool = False) -> Float[Tensor, "N D T"]:
    blocks = torch.arange(len(view.ids)).split(BLOCK)
    found = []
    for block in blocks:
        part = WindowBatch.of(view.signal[block], view.lengths[block], rate=view.rate)
        found.append(encode(network, part, frame_wise=not pool)[0].transpose(1, 2).float())
    return torch.cat(found).contiguous()


def turned_device(windows: WindowBatch, degrees: float, config: ViewConfig, seed: int) -> WindowBatch:
    """Windows of a device that is turned about an axis that the seed draws.

    Raises:
        ConfigError: if `views.changes.axes` names no channels that turn together.
    """
    if not degrees:
        return windows
    axes = [first for first in config.changes.axes if first + 3 <= windows.signal.shape[1]]
    if not axes:
        raise ConfigError("pool.device turns x, y and z together: name the first channels of triples in views.changes.axes")
    axis = torch.randn(3, generator=derive_generator(seed, "device"), dtype=torch.float64)
    x, y, z = (axis / axis.norm()).tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64) * (degrees / 180 * torch.pi)
    matrix = torch.linalg.matrix_exp(cross).float()
    signal = windows.signal.clone()
    for first in axes:
        signal[:, first : first + 3] = matrix @ signal[:, first : first + 3]
    return replace(windows, signal=signal)
