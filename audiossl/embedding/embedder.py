"""`Embedder`: any encoder, plus `embed`, which takes paths and arrays of any length and returns frames with their times."""

from __future__ import annotations

import dataclasses
import hashlib
import html
import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn

from audiossl.embedding.memory import LiveBytes, extrapolate
from audiossl.embedding.sources import FileSource, Signal, Source, open_source
from audiossl.embedding.takes import Takes
from audiossl.embedding.windows import FrameBuffer, default_window_seconds, iterate_windows, plan_windows
from audiossl.errors import ConfigError, DataError, naming
from audiossl.free_memory import free_memory
from audiossl.models.encoder import CONTRACT, Encoder, Frames, as_encoder, last_offset

Layers = Literal["last", "all"] | list[int]
WindowSeconds = float | int | None | Literal["auto"]
UNCHECKED_WINDOWS = 4  # default windows that run whole without a look at the memory
GIB = 2**30


@dataclass(frozen=True)
class Embedding:
    """Frames of one signal, on the CPU in float32.

    Attributes:
        frames: (T, D) of the final output, or (L, T, D) where layers were asked for.
        times: seconds from the start of the signal to the centre of each frame, (T,).
        pooled: mean over frames, (D,) or (L, D).

    >>> import audiossl
    >>> embedding = audiossl.load("logmel").embed(torch.randn(16000))
    >>> tuple(embedding.frames.shape) == (len(embedding.times), len(embedding.pooled))
    True
    """

    frames: Float[Tensor, "*L T D"]
    times: Float64[Tensor, "T"]
    pooled: Float[Tensor, "*L D"]

    def __repr__(self) -> str:
        """One line of shapes and times; thousands of numbers would help nobody."""
        frames = "x".join(map(str, self.frames.shape))
        span = f", {self.times[0]:.3f} to {self.times[-1]:.3f} s" if len(self.times) else ""
        return f"Embedding(frames {frames}, pooled {'x'.join(map(str, self.pooled.shape))}{span})"


class Embedder(nn.Module):
    """Any encoder with `embed`; it meets the encoder contract itself and hands calls on.

    Signals up to `window_seconds` run whole, and then frames equal `encoder(signal)`. Longer ones run in windows with
    `context_seconds` on both sides, on the same grid of frames: the frames are those of the whole signal if the encoder sees no
    further than the context, and close to them, not equal, if it sees further, as attention over the whole clip does
    (`docs/benchmarks.md` has the difference). An encoder that states `max_samples` gets windows that are no longer.

    Args:
        encoder: meets the contract of `audiossl.models.encoder`.
        name: what results and stores call it; the class name by default.
        window_seconds: "auto" is 30 s, 4096 frames for signals below 1 kHz. None runs every signal whole, and refuses one for
            which the memory does not suffice; attention needs memory that grows with the square of the length.
        context_seconds: 2 s by default, 64 frames for signals below 1 kHz.

    Raises:
        ConfigError: if the encoder does not meet the contract; the message says what it lacks.

    >>> import audiossl
    >>> model = audiossl.load("logmel")  # an `Embedder`
    >>> model.embed([torch.randn(16000), torch.randn(8000)])[1].frames.shape
    torch.Size([50, 80])
    """

    def __init__(
        self,
        encoder: Encoder | nn.Module,
        name: str | None = None,
        window_seconds: WindowSeconds = "auto",
        context_seconds: float | int | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder = as_encoder(encoder)
        self.name = name or type(encoder).__name__
        self.source = ""  # digest of the file that a class from outside was imported from
        window, context = default_window_seconds(float(encoder.sample_rate), float(encoder.frame_rate))
        self.window_seconds = window if window_seconds == "auto" else math.inf if window_seconds is None else window_seconds
        self.context_seconds = context if context_seconds is None else context_seconds
        longest = getattr(encoder, "max_samples", None)
        if longest is not None and longest < float(self.window_seconds) * encoder.sample_rate:
            self.window_seconds = longest / encoder.sample_rate
            self.context_seconds = min(float(self.context_seconds), self.window_seconds / 4)
        self.plan = plan_windows(encoder, float(self.window_seconds), float(self.context_seconds))
        self._usual_window = round(window * float(encoder.sample_rate))
        self._peaks: dict[str, dict[int, int]] = {}  # bytes by samples, for each choice of layers
        self.eval()

    def __repr__(self) -> str:
        """One line that names the model, what it takes and what it gives; its layers are those of `encoder`."""
        layers = "1 layer" if self.num_layers == 1 else f"{self.num_layers} layers"
        gives = f"{layers} of {self.dim} channels at {self.frame_rate:g} Hz"
        return f"Embedder({self.name!r}: {type(self.encoder).__name__}; takes {self.takes}; gives {gives})"

    def _repr_html_(self) -> str:
        return f"<code>{html.escape(repr(self))}</code>"

    @property
    def takes(self) -> Takes:
        """What the encoder takes: audio, or the channels of sensors."""
        return Takes.of(self.encoder)

    @property
    def sample_rate(self) -> float:
        """Hz of the input."""
        return float(self.encoder.sample_rate)

    @property
    def frame_rate(self) -> float:
        """Frames per second of the layers."""
        return float(self.encoder.frame_rate)

    @property
    def last_frame_rate(self) -> float:
        """Frames per second of the final output."""
        return float(self.encoder.last_frame_rate)

    @property
    def frame_offset(self) -> float:
        """Seconds from the start of the signal to the centre of frame 0 of the layers."""
        return float(self.encoder.frame_offset)

    @property
    def dim(self) -> int:
        """Width of each layer."""
        return self.encoder.dim

    @property
    def num_layers(self) -> int:
        """Number of layers."""
        return self.encoder.num_layers

    @property
    def min_samples(self) -> int:
        """Shortest input, in samples, that gives a frame."""
        return self.encoder.min_samples

    @property
    def alignment(self) -> int:
        """Windows start at multiples of this many samples."""
        return self.encoder.alignment

    @property
    def batched_samples(self) -> int:
        """Longest signal, in samples, that runs in a batch with others; longer ones run in windows, or whole and alone."""
        return self._usual_window if math.isinf(self.window_seconds) else self.plan.window

    def forward(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Call the encoder."""
        return self.encoder(signal, lengths)

    @property
    def device(self) -> torch.device:
        """Where the encoder's weights are."""
        return next((tensor.device for tensor in [*self.parameters(), *self.buffers()]), torch.device("cpu"))

    @property
    def digest(self) -> str:
        """Hash of the encoder's class, source, contract, options, config, weights and windows: equal digests give equal frames.

        Options are its public attributes that are plain values (`padding = "reference"`). The name is not part of it.
        """
        own = getattr(self.encoder, "digest", None)
        described: list[Any] = [type(self.encoder).__qualname__, own, [getattr(self, key) for key in CONTRACT]]
        described += [self.window_seconds, self.context_seconds, *([self.source] if self.source else [])]
        options = {key: value for key, value in vars(self.encoder).items() if type(value) in (str, int, float, bool)}
        described.append(sorted((key, value) for key, value in options.items() if not key.startswith("_") and key != "training"))
        config = getattr(self.encoder, "config", None)
        if dataclasses.is_dataclass(config) and not isinstance(config, type):
            described.append(sorted((key, repr(value)) for key, value in dataclasses.asdict(config).items()))
        sha = hashlib.blake2b(repr(described).encode(), digest_size=16)
        for key, value in sorted(self.state_dict().items()) if own is None else []:
            sha.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
            sha.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return sha.hexdigest()

    @overload
    def embed(
        self,
        signal: Signal,
        sample_rate: float | int | None = None,
        layers: Layers = "last",
        pool: Literal["mean"] = "mean",
    ) -> Embedding: ...
    @overload
    def embed(
        self,
        signal: Sequence[Signal],
        sample_rate: float | int | None = None,
        layers: Layers = "last",
        pool: Literal["mean"] = "mean",
    ) -> list[Embedding]: ...
    def embed(
        self,
        signal: Signal | Sequence[Signal],
        sample_rate: float | int | None = None,
        layers: Layers = "last",
        pool: Literal["mean"] = "mean",
    ) -> Embedding | list[Embedding]:
        """Turn a signal, or each of a list, into frames with their times and a pooled vector.

        Lists run in padded batches of similar length and come back in their order. A signal shorter than `min_samples` is padded
        with zeros to that length, so that there is always at least one frame. The encoder is put in evaluation mode.

        Arrays are held to the rules of files. Models of audio average the channels, and refuse NaN and samples far outside
        [-1, 1]. Models of sensors take the channels that they were trained on, and NaN for missing samples.

        Args:
            signal: path of an audio file, array (S,) or (C, S) of floats, or a list or tuple of those. Windows of sensors may
                come as one array (N, C, S), which gives a list of N.
            sample_rate: Hz of arrays, which are resampled to the encoder's; None means that they are at the encoder's already.
            layers: "last" for the final output (T, D); "all" or a list of layer numbers for (L, T, D). They count from 0 or, if
                negative, from the end.
            pool: how `pooled` is made; the mean over frames.

        Raises:
            DataError: if a signal cannot be used, or cannot run whole for want of memory; the message names the file, or the
                place in the list.
            ConfigError: if a layer does not exist.
        """
        if pool != "mean":
            raise ConfigError(f"expected pool='mean', got {pool!r}")
        self.layer_numbers(layers)
        takes = self.takes
        if isinstance(signal, np.ndarray | Tensor) and signal.ndim == 3 and not takes.is_audio:
            signal = [*signal]
        if isinstance(signal, str | Path | np.ndarray | Tensor):
            name = f"signal for {self.name}"
            return self._embed_sources([open_source(signal, takes.sample_rate, sample_rate, name, takes)], layers)[0]
        if not isinstance(signal, list | tuple):
            raise DataError(f"expected a path, an array, a tensor or a list of those, got {type(signal).__name__}")
        sources = [
            open_source(item, takes.sample_rate, sample_rate, f"signal {i} of the list for {self.name}", takes)
            for i, item in enumerate(signal)
        ]
        return self._embed_sources(sources, layers)

    def embed_source(self, source: Source, layers: Layers = "last") -> Embedding:
        """Embed an opened file, part of a file or array.

        Raises:
            DataError: if it cannot be read.
        """
        return self._embed_sources([source], layers)[0]

    def layer_numbers(self, layers: Layers) -> list[int] | None:
        """Layer numbers counted from 0, or None for the final output.

        Raises:
            ConfigError: if a layer does not exist.
        """
        if layers == "last":
            return None
        if layers == "all":
            return list(range(self.num_layers))
        if isinstance(layers, str) or not layers or not all(-self.num_layers <= layer < self.num_layers for layer in layers):
            raise ConfigError(f"expected layers 'last', 'all' or a list of numbers below {self.num_layers}, got {layers!r}")
        return [layer % self.num_layers for layer in layers]

    def grid(self, layers: Layers) -> tuple[float, float]:
        """Frames per second and seconds to the centre of frame 0, for these layers."""
        if layers != "last":
            return self.frame_rate, self.frame_offset
        return self.last_frame_rate, last_offset(self.encoder)

    @torch.no_grad()
    def _embed_sources(self, sources: Sequence[Source], layers: Layers) -> list[Embedding]:
        self.eval()
        embeddings: dict[int, Embedding] = {}
        short = [i for i, source in enumerate(sources) if source.num_samples <= self.batched_samples]
        for batch in length_batches({i: sources[i].num_samples for i in short}, 2 * self.batched_samples):
            for i, frames in zip(batch, self._encode([sources[i].read() for i in batch], layers), strict=True):
                embeddings[i] = self._embedding(frames, layers)
        for i in sorted(set(range(len(sources))) - set(short)):
            encode = self._encode_whole if math.isinf(self.window_seconds) else self._encode_long
            embeddings[i] = self._embedding(encode(sources[i], layers), layers)
        return [embeddings[i] for i in range(len(sources))]

    def _encode(self, signals: Sequence[Float[Tensor, "C _"]], layers: Layers) -> list[Float[Tensor, "L _ D"]]:
        """Run signals as one padded batch; the selected layers of each, without padding, on the CPU."""
        lengths = torch.tensor([max(signal.shape[1], self.min_samples) for signal in signals])
        channels = {signal.shape[0] for signal in signals}
        if len(channels) > 1:
            raise DataError(f"expected the same number of channels in every signal of a list, got {sorted(channels)}")
        batch = torch.zeros(len(signals), channels.pop(), int(lengths.max()))
        for row, signal in zip(batch, signals, strict=True):
            row[:, : signal.shape[1]] = signal
        output: Any = self.encoder(batch.to(self.device), lengths.to(self.device))
        if not isinstance(output, Frames):
            raise ConfigError(
                f"expected Frames (audiossl.models.encoder) of the encoder {self.name}, got {type(output).__name__}"
            )
        numbers = self.layer_numbers(layers)
        chosen = [output.last] if numbers is None else [output.layers[number] for number in numbers]
        sizes = output.last_lengths if numbers is None else output.lengths
        return [torch.stack([layer[i, :size].float().cpu() for layer in chosen]) for i, size in enumerate(sizes.tolist())]

    def _encode_long(self, source: Source, layers: Layers) -> Float[Tensor, "L T D"]:
        frames_per_sample = self.grid(layers)[0] / self.sample_rate
        buffer = FrameBuffer(math.ceil(source.num_samples * frames_per_sample) + 16)
        for window in iterate_windows(source.blocks(), self.plan):
            frames = self._encode([window.signal], layers)[0]
            buffer.append(frames[:, window.kept(self.plan, frames_per_sample, frames.shape[1])])
        return buffer.frames()

    def _encode_whole(self, source: Source, layers: Layers) -> Float[Tensor, "L T D"]:
        signal = source.read()
        with naming(source.path) if isinstance(source, FileSource) else nullcontext():
            needed = self._needed_bytes(signal, layers)
            free = free_memory(self.device)
            if free is not None and needed > free:
                raise DataError(self._too_long(signal, f"would need about {needed / GIB:.1f} GiB", free))
            try:
                return self._encode([signal], layers)[0]
            except torch.cuda.OutOfMemoryError as error:
                needs = f"needs more than the estimate of {needed / GIB:.1f} GiB"
                raise DataError(self._too_long(signal, needs, free_memory(self.device))) from error

    def _too_long(self, signal: Tensor, needs: str, free: int | None) -> str:
        left = "" if free is None else f", {free / GIB:.1f} GiB are free on {self.device}"
        return (
            f"{signal.shape[1] / self.sample_rate:.0f} s in one piece (window_seconds=None) {needs}{left}: give "
            f"window_seconds='auto' ({self._usual_window / self.sample_rate:.0f} s) or another number, or shorter signals"
        )

    def _needed_bytes(self, signal: Float[Tensor, "C S"], layers: Layers) -> int:
        """Roughly what a signal needs if it runs whole; 0 where it is too short to ask. Its beginning is run to find out."""
        if signal.shape[1] <= UNCHECKED_WINDOWS * self._usual_window:
            return 0
        peaks = self._peaks.setdefault(str(layers), {})
        if not peaks:
            for samples in (self._usual_window, 2 * self._usual_window):
                with LiveBytes(self.device) as live:
                    self._encode([signal[:, :samples]], layers)
                peaks[samples] = live.peak
        return extrapolate(peaks, signal.shape[1])

    def _embedding(self, frames: Float[Tensor, "L T D"], layers: Layers) -> Embedding:
        rate, offset = self.grid(layers)
        times = offset + torch.arange(frames.shape[1], dtype=torch.float64) / rate
        chosen = frames[0] if layers == "last" else frames
        return Embedding(chosen, times, chosen.mean(dim=-2))


def length_batches(lengths: dict[int, int], max_size: int) -> list[list[int]]:
    """Group keys by length, shortest first, so that no padded batch of several exceeds `max_size` samples.

    >>> length_batches({0: 5, 1: 3, 2: 4, 3: 9}, 10)
    [[1, 2], [0], [3]]
    """
    batches: list[list[int]] = []
    for key in sorted(lengths, key=lambda key: (lengths[key], key)):
        if batches and (len(batches[-1]) + 1) * lengths[key] <= max_size:
            batches[-1].append(key)
        else:
            batches.append([key])
    return batches
