"""Graphs of others as encoders: one input of signals, one output of frames or of a vector."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.embedding.wrap import wrap_module
from audiossl.errors import ConfigError
from audiossl.models.encoder import Encoder, Frames
from audiossl.teachers.clip_by_clip import joined
from audiossl.teachers.onnx_session import FLOATS, OnnxSession, Port

PROBE_SECONDS = 4  # of the clips by which a hop is found


@dataclass(frozen=True)
class OnnxOptions:
    """What a graph does not say of itself; behind a question mark in its name, `onnx:perch.onnx?rate=32000&output=embedding`.

    Attributes:
        rate: sample rate, Hz; needed of every graph that is no export of ours.
        hop: samples from one frame to the next, or for which a vector stands; by default that of frames is found.
        input: name of the input; by default the only one of floats.
        output: name of the output that holds frames (B, T, D) or vectors (B, D); by default the only one of floats.
        min_samples: shortest signal; by default found.
        offset: seconds to the centre of frame 0; by default found.

    >>> OnnxOptions(rate=32000.0).output
    ''
    """

    rate: float | None = None
    hop: int | None = None
    input: str = ""
    output: str = ""
    min_samples: int | None = None
    offset: float | None = None


@dataclass(frozen=True)
class Feeds:
    """The input of a graph that takes signals, and the output that is read."""

    source: Port
    target: Port

    @classmethod
    def found(cls, session: OnnxSession, options: OnnxOptions) -> Feeds:
        """Find them, or look up the names.

        Raises:
            ConfigError: if there are several, or none.
        """
        source = session.port(session.inputs, options.input, "input") if options.input else _only(session.inputs, "input")
        target = session.port(session.outputs, options.output, "output") if options.output else _only(session.outputs, "output")
        if others := [port.name for port in session.inputs if port.name != source.name]:
            raise ConfigError(
                f"the graph needs {', '.join(others)} besides {source}; expected one input, or an export of audiossl"
            )
        if len(source.shape) not in (2, 3):
            raise ConfigError(f"expected an input of signals (B, S) or (B, C, S), got {source}")
        return cls(source, target)

    @property
    def channels(self) -> int:
        """Channels of a signal; 1 where there is no axis for them."""
        return (self.source.shape[1] or 1) if len(self.source.shape) == 3 else 1

    def shaped(self, signal: Float[Tensor, "C S"]) -> Tensor:
        """One signal in the shape of the input."""
        return signal[None] if len(self.source.shape) == 3 else signal


class OnnxPieces(nn.Module):
    """A graph that reads pieces of one length, or gives one vector for each: signals are cut into such pieces.

    The last piece is filled up with zeros. Every signal runs alone, so that a batch changes nothing.

    Args:
        session: the graph.
        feeds: input and output.
        rate: Hz.
        piece: samples of a piece.
    """

    runs_unequally = True  # once for each piece

    def __init__(self, session: OnnxSession, feeds: Feeds, rate: float, piece: int) -> None:
        super().__init__()
        self.session, self._feeds, self.piece = session, feeds, piece
        self.per_piece, self.dim = self._run(torch.zeros(feeds.channels, piece)).shape
        self.sample_rate, self.frame_rate = rate, rate * self.per_piece / piece
        self.last_frame_rate, self.frame_offset = self.frame_rate, 0.5 / self.frame_rate
        self.num_layers, self.min_samples, self.alignment = 1, 1, piece

    def forward(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode a padded batch."""
        clips = [self._clip(clip[:, : int(length)]) for clip, length in zip(signal, lengths, strict=True)]
        return joined([(frames[None], frames) for frames in clips], signal, own_output=False)

    def _clip(self, clip: Float[Tensor, "C _"]) -> Float[Tensor, "_ D"]:
        pieces = [self._run(F.pad(part, (0, self.piece - part.shape[1]))) for part in clip.split(self.piece, dim=1)]
        return torch.cat(pieces)[: math.ceil(clip.shape[1] * self.per_piece / self.piece)]

    def _run(self, piece: Float[Tensor, "C _"]) -> Float[Tensor, "_ D"]:
        found = self.session({self._feeds.source.name: self._feeds.shaped(piece)}, [self._feeds.target.name])[0]
        return found.reshape(-1, found.shape[-1])


class OnnxModule(nn.Module):
    """A graph as a module from signals to what its output holds; it knows nothing of lengths.

    Args:
        session: the graph.
        feeds: input and output.
    """

    def __init__(self, session: OnnxSession, feeds: Feeds) -> None:
        super().__init__()
        self.session, self._feeds = session, feeds

    def forward(self, signal: Tensor) -> Tensor:
        """Run the graph, some signals at a time where its batch is of one size."""
        size = self._feeds.source.shape[0]
        name = self._feeds.source.name
        parts = [signal] if size is None else signal.split(size)
        found = [self.session({name: part}, [self._feeds.target.name])[0] for part in parts]
        return torch.cat(found).to(signal.device)


def foreign_encoder(session: OnnxSession, path: str, options: OnnxOptions) -> Encoder:
    """An encoder of a graph of others; where and how often its frames come is found by running it.

    Args:
        session: the graph.
        path: file, for messages.
        options: what was said of it.

    Raises:
        ConfigError: if the rate is missing, or the graph takes or gives something else.
    """
    feeds = Feeds.found(session, options)
    if options.rate is None:
        raise ConfigError(f"{path} does not say its sample rate: name it, as in onnx:{path}?rate=16000")
    size = feeds.source.shape[-1]
    if size is not None or len(feeds.target.shape) == 2:
        piece = size or options.hop
        if piece is None:
            raise ConfigError(
                f"{path} gives one vector for a signal of any length, {feeds.target}: say how many samples one stands for, as in "
                f"onnx:{path}?rate={options.rate:g}&hop={round(PROBE_SECONDS * options.rate)}"
            )
        return OnnxPieces(session, feeds, options.rate, piece)
    module = OnnxModule(session, feeds)
    hop = options.hop or _hop(module, feeds, options.rate)
    offset, least = options.offset, options.min_samples
    return wrap_module(module, options.rate, hop, channels=feeds.channels, frame_offset=offset, min_samples=least).encoder


def _only(ports: list[Port], what: str) -> Port:
    floats = [port for port in ports if port.kind in FLOATS]
    if len(floats) != 1:
        listed = ", ".join(map(str, ports))
        raise ConfigError(f"expected one {what} of floats, got {listed}: name one, as in onnx:FILE?{what}={ports[0].name}")
    return floats[0]


def _hop(module: OnnxModule, feeds: Feeds, rate: float) -> int:
    """Samples of a frame, by two clips of noise.

    Raises:
        ConfigError: if the output does not grow with the input.
    """
    sizes = (round(PROBE_SECONDS * rate), round(2 * PROBE_SECONDS * rate))
    noise = [0.1 * torch.randn(feeds.channels, size, generator=torch.Generator().manual_seed(0)) for size in sizes]
    shapes = [tuple(module(feeds.shaped(clip)).shape) for clip in noise]
    grown = [after - before for before, after in zip(*shapes, strict=True) if after > before]
    if len(grown) != 1:
        raise ConfigError(
            f"{feeds.target.name} has the shapes {shapes[0]} and {shapes[1]} for {sizes[0]} and {sizes[1]} samples; expected "
            "frames (B, T, D) that grow with the signal: name another output, as in onnx:FILE?output=NAME"
        )
    return max(1, round((sizes[1] - sizes[0]) / grown[0]))
