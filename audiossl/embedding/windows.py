"""Signals of any length through an encoder in bounded memory: overlapping windows whose cores are stitched."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.models.encoder import Encoder

AUDIO_RATE = 1000.0  # Hz; slower signals (sensors, BOLD) get windows that are counted in frames
SLOW_WINDOW_FRAMES = 4096
SLOW_CONTEXT_FRAMES = 64


@dataclass(frozen=True)
class WindowPlan:
    """Lengths, in samples, of windows that share one grid of frames; all but the window of a whole run are multiples of `step`.

    Window i starts at `i * hop` and keeps the frames of `[i * hop + context, i * hop + window - context)`; the first also keeps
    its left context and the last, which is the first to reach the end of the signal, runs to the end.
    """

    window: int
    context: int
    step: int

    @property
    def hop(self) -> int:
        """Samples from the start of a window to the start of the next."""
        return self.window - 2 * self.context


@dataclass(frozen=True)
class Window:
    """A piece (C, S) of a signal that begins `start` samples into it."""

    signal: Float[Tensor, "C S"]
    start: int
    is_last: bool

    def kept(self, plan: WindowPlan, frames_per_sample: float, num_frames: int) -> slice:
        """Frames of this window that belong to the stitched output, given how many the encoder returned."""
        first = 0 if self.start == 0 else round(plan.context * frames_per_sample)
        end = num_frames if self.is_last else round((plan.window - plan.context) * frames_per_sample)
        return slice(first, end)


def default_window_seconds(sample_rate: float, frame_rate: float) -> tuple[float, float]:
    """Window and context in seconds: 30 and 2 for audio, 4096 and 64 frames for signals below 1 kHz."""
    if sample_rate >= AUDIO_RATE:
        return 30.0, 2.0
    return SLOW_WINDOW_FRAMES / frame_rate, SLOW_CONTEXT_FRAMES / frame_rate


def grid_step(encoder: Encoder) -> int:
    """Find the least multiple of `encoder.alignment` that holds whole frames of both its layers and its final output.

    Raises:
        ConfigError: if 64 multiples do not, so that the encoder's rates contradict its alignment.
    """
    for step in range(encoder.alignment, 65 * encoder.alignment, encoder.alignment):
        counts = [step * rate / encoder.sample_rate for rate in (encoder.frame_rate, encoder.last_frame_rate)]
        if all(round(count) >= 1 and abs(count - round(count)) < 1e-6 for count in counts):
            return step
    raise ConfigError(
        f"expected {encoder.alignment} samples (alignment) at {encoder.sample_rate} Hz, or a multiple, to hold whole frames "
        f"at {encoder.frame_rate} and {encoder.last_frame_rate} Hz: correct the encoder's alignment or frame rates"
    )


def plan_windows(encoder: Encoder, window_seconds: float, context_seconds: float) -> WindowPlan:
    """Round window and context up to the encoder's grid; the context is at least `min_samples`, so that no window is too short.

    An infinite window is one that every signal fits into.

    Raises:
        ConfigError: if the window does not leave room between its two contexts.
    """
    step = grid_step(encoder)
    if math.isinf(window_seconds):
        return WindowPlan(sys.maxsize, 0, step)
    window = math.ceil(window_seconds * encoder.sample_rate / step) * step
    context = max(1, math.ceil(max(context_seconds * encoder.sample_rate, encoder.min_samples) / step)) * step
    if window <= 2 * context:
        raise ConfigError(
            f"expected a window longer than twice its context, got {window / encoder.sample_rate:g} s and "
            f"{context / encoder.sample_rate:g} s (after rounding): raise window_seconds or lower context_seconds"
        )
    return WindowPlan(window, context, step)


def iterate_windows(blocks: Iterable[Float[Tensor, "C _"]], plan: WindowPlan) -> Iterator[Window]:
    """Cut a stream of blocks (C, S) of any sizes into windows; at most a window and a block are held."""
    buffer: Tensor | None = None
    start = 0
    for block in blocks:
        buffer = block if buffer is None else torch.cat([buffer, block], dim=1)
        while buffer.shape[1] > plan.window:  # so more follows, and this window is not the last
            yield Window(buffer[:, : plan.window], start, is_last=False)
            buffer = buffer[:, plan.hop :]
            start += plan.hop
    if buffer is not None:
        yield Window(buffer, start, is_last=True)


class FrameBuffer:
    """Frames (L, T, D) that arrive in pieces; room is reserved once, so that stitching does not double the memory."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._storage: Tensor | None = None
        self._size = 0

    def append(self, frames: Float[Tensor, "L T D"]) -> None:
        """Copy frames to the end."""
        needed = self._size + frames.shape[1]
        if self._storage is None or needed > self._storage.shape[1]:
            size = max(needed, self._capacity if self._storage is None else needed * 5 // 4)
            grown = frames.new_empty((frames.shape[0], size, frames.shape[2]))
            if self._storage is not None:
                grown[:, : self._size] = self._storage[:, : self._size]
            self._storage = grown
        self._storage[:, self._size : needed] = frames
        self._size = needed

    def frames(self) -> Float[Tensor, "L T D"]:
        """What was appended, as a view."""
        if self._storage is None:
            raise ValueError("no frames were appended")
        return self._storage[:, : self._size]
