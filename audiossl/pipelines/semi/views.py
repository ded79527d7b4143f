"""Weak and strong views of windows: of signals, or of the features that a frozen encoder makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.objectives.augmentations import CHANGES, AugmentationConfig, augment
from audiossl.objectives.semi_batch import Views
from audiossl.objectives.window_batch import WindowBatch
from audiossl.seeds import derive_generator

MOVES_TIME = ("permute", "shift", "resample")  # changes whose frames are no longer where the labels say


@dataclass
class ViewConfig:
    """Views of a window.

    The weak view is the window with a little noise. Each strong view is a chain of changes. End to end, views are drawn anew in
    every batch. On frozen features, `weak` views and one view for each of `strong` are encoded once, and a batch draws of them.

    Attributes:
        weak: weak views that are encoded.
        weak_noise: deviation of the noise of weak views.
        strong: chains of changes, `audiossl.objectives.augmentations`.
        changes: strengths of the changes.
        turn: whether strong views of frames are also turned round in time, and targets with them.

    Raises:
        ConfigError: for a change that there is not.
    """

    weak: int = 2
    weak_noise: float = 0.05
    strong: list[list[str]] = field(
        default_factory=lambda: [["scale", "noise"], ["permute", "scale"], ["permute", "noise"], ["shift", "noise"]]
    )
    changes: AugmentationConfig = field(
        default_factory=lambda: AugmentationConfig(noise=0.2, scale_mean=1.0, scale_deviation=0.3)
    )
    turn: bool = True

    def __post_init__(self) -> None:
        if unknown := sorted({name for chain in self.strong for name in chain if name not in CHANGES}):
            raise ConfigError(f"views.strong: there is no change {', '.join(unknown)}; expected any of {', '.join(CHANGES)}")
        if self.weak < 1 or self.weak_noise < 0 or not self.strong:
            raise ConfigError("views needs at least one weak and one strong view, and weak_noise of at least 0")

    def check_frames(self) -> None:
        """Refuse changes that would move what frames are labelled by.

        Raises:
            ConfigError: naming them.
        """
        if moved := sorted({name for chain in self.strong for name in chain if name in MOVES_TIME}):
            raise ConfigError(
                f"views.strong: {', '.join(moved)} put frames elsewhere than their labels say. With frames=true, say for "
                f"instance views.strong=[[scale, noise], [rotate], [negate]]; views.turn moves frames together with their labels"
            )


@runtime_checkable
class ViewSource(Protocol):
    """Whatever gives views of windows by their numbers."""

    def views(self, rows: Int[Tensor, "B"], key: tuple[int | str, ...]) -> Views:
        """Views of some windows, drawn by the key."""
        ...

    def plain(self, rows: Int[Tensor, "B"]) -> WindowBatch:
        """The windows as they are."""
        ...


class SignalViews:
    """Views of signals, drawn anew each time.

    Args:
        windows: all windows.
        config: changes.
        count: strong views.
        hop: samples from a frame of the encoder to the next; 0 gives no crops.
        turn: whether strong views are turned round in time, by whole frames.
    """

    def __init__(self, windows: WindowBatch, config: ViewConfig, count: int, hop: int = 0, *, turn: bool = False) -> None:
        self.windows, self.config, self.count, self.hop, self.turn = (
            windows,
            config,
            count,
            hop,
            turn and config.turn and can_turn(windows, hop),
        )
        self.whole = bool((windows.lengths == windows.signal.shape[2]).all())

    def plain(self, rows: Int[Tensor, "B"]) -> WindowBatch:
        """The windows as they are."""
        return _some(self.windows, rows)

    def views(self, rows: Int[Tensor, "B"], key: tuple[int | str, ...]) -> Views:
        """Draw views; chains of the strong ones differ."""
        batch, generator = self.plain(rows), derive_generator(*key, "views")
        order = torch.randperm(len(self.config.strong), generator=generator).tolist()
        strong, moves = [], []
        num_frames = batch.signal.shape[2] // self.hop if self.turn else 1
        for number in range(self.count):
            chain = self.config.strong[order[number % len(order)]]
            view = changed(batch, chain, (*key, number), self.config)
            moves.append(int(torch.randint(num_frames, (), generator=generator)))
            strong.append(_with(view, view.signal.roll(moves[-1] * self.hop, dims=2)) if moves[-1] else view)
        crops, shift = self._crops(batch, generator)
        return Views(weakened(batch, (*key, "weak"), self.config), strong, moves, crops, shift)

    def _crops(self, batch: WindowBatch, generator: torch.Generator) -> tuple[tuple[WindowBatch, WindowBatch] | None, int]:
        """Two crops that overlap by at least a half, a whole number of frames apart."""
        size = batch.signal.shape[2]
        most = size // 2 // self.hop if self.hop and self.whole else 0
        if not most:
            return None, 0
        shift = int(torch.randint(1, most + 1, (), generator=generator))
        start = shift * self.hop
        pair = (batch.signal[:, :, : size - start], batch.signal[:, :, start:])
        return (_with(batch, pair[0]), _with(batch, pair[1])), shift


class FeatureViews:
    """Views of frozen features, encoded once.

    Args:
        features: (1 + weak + strong views, N, D, T), clean ones first; T is 1 for one vector a window.
        about: ids and subjects of the N windows.
        config: number of weak views.
        count: strong views of a batch.
        moves: frames by which each strong view is turned round.
        neighbours: for each window a pair of windows, the second `shift` frames later; None where there are none.
        shift: frames.
    """

    def __init__(
        self,
        features: Float[Tensor, "V N D T"],
        about: WindowBatch,
        config: ViewConfig,
        count: int,
        *,
        moves: Sequence[int] = (),
        neighbours: Int[Tensor, "N 2"] | None = None,
        shift: int = 0,
    ) -> None:
        self.features, self.about, self.config, self.count = features, about, config, count
        self.num_strong = len(features) - 1 - config.weak
        self.moves = list(moves) or [0] * self.num_strong
        self.neighbours, self.shift = neighbours, shift

    def plain(self, rows: Int[Tensor, "B"]) -> WindowBatch:
        """Features of the windows as they are."""
        return self._batch(0, rows)

    def views(self, rows: Int[Tensor, "B"], key: tuple[int | str, ...]) -> Views:
        """Draw which views a batch has."""
        generator = derive_generator(*key, "views")
        weak = 1 + int(torch.randint(self.config.weak, (), generator=generator))
        order = torch.randperm(self.num_strong, generator=generator).tolist()
        chosen = [order[number % self.num_strong] for number in range(self.count)]
        strong = [self._batch(1 + self.config.weak + number, rows) for number in chosen]
        crops = None
        if self.neighbours is not None:
            first, second = self.neighbours[rows].unbind(1)
            crops = (self._batch(0, first), self._batch(0, second))
        return Views(self._batch(weak, rows), strong, [self.moves[number] for number in chosen], crops, self.shift)

    def _batch(self, view: int, rows: Int[Tensor, "B"]) -> WindowBatch:
        values = self.features[view, rows]
        return _with(_some(self.about, rows), values)


def can_turn(windows: WindowBatch, hop: int) -> bool:
    """Whether windows are whole, and a whole number of frames long, so that turning them turns their frames."""
    size = windows.signal.shape[2]
    return size % hop == 0 and bool((windows.lengths == size).all())


def changed(batch: WindowBatch, chain: Sequence[str], key: tuple[int | str, ...], config: ViewConfig) -> WindowBatch:
    """Windows after a chain of changes."""
    return _with(batch, augment(batch.signal, batch.lengths, batch.ids, key, config.changes, chain))


def weakened(batch: WindowBatch, key: tuple[int | str, ...], config: ViewConfig) -> WindowBatch:
    """Windows with a little noise, zero beyond their lengths."""
    noise = torch.randn(batch.signal.shape, generator=derive_generator(*key)).to(batch.signal)
    inside = torch.arange(batch.signal.shape[2]) < batch.lengths[:, None]
    return _with(batch, batch.signal + config.weak_noise * noise * inside[:, None])


def _with(batch: WindowBatch, signal: Float[Tensor, "B C L"]) -> WindowBatch:
    """The same windows with another signal."""
    lengths = batch.lengths if signal.shape[2] == batch.signal.shape[2] else torch.full_like(batch.lengths, signal.shape[2])
    return WindowBatch(signal, lengths, batch.ids, batch.subjects, batch.rate, batch.epoch, batch.seed)


def _some(batch: WindowBatch, rows: Int[Tensor, "B"]) -> WindowBatch:
    chosen = rows.tolist()
    return WindowBatch(
        batch.signal[rows], batch.lengths[rows], [batch.ids[row] for row in chosen], [batch.subjects[row] for row in chosen],
        batch.rate, batch.epoch, batch.seed,
    )  # fmt: skip
