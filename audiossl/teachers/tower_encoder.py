"""An audio tower of `transformers` as an encoder: clips run alone, layers are read at the blocks."""

from __future__ import annotations

from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.errors import ConfigError, DataError
from audiossl.models.encoder import Frames
from audiossl.teachers.clip_by_clip import joined
from audiossl.teachers.foreign import Foreign
from audiossl.teachers.towers import Tower


class TowerEncoder(nn.Module):
    """A tower as an encoder; layer 0 is the input of the first block, layer i the output of block i, `last` the tower's output.

    Codecs, and CLAP, have one layer: their output. Every clip runs alone, over its own samples, so that batching changes nothing,
    though many towers attend to padding, normalise over it or mask it in another way than alone. Weights of any precision are
    computed with in float32.

    Args:
        model: a loaded tower.
        row: row of `audiossl.teachers.towers`.
        extractor: its feature extractor.
        last_layer: the highest layer to compute, which is then also the final output.

    Raises:
        ConfigError: if there is no such layer, or the extractor does not fit the model.

    >>> from audiossl.teachers.hugging_face_loading import import_transformers
    >>> from audiossl.teachers.towers import TOWERS
    >>> transformers = import_transformers()
    >>> codec = transformers.EncodecModel(transformers.EncodecConfig(num_filters=2, hidden_size=8, codebook_size=4))
    >>> encoder = TowerEncoder(codec, TOWERS["encodec"], transformers.EncodecFeatureExtractor())
    >>> encoder.sample_rate, encoder.frame_rate, encoder(torch.randn(1, 1, 2400), torch.tensor([2400])).last.shape
    (24000.0, 75.0, torch.Size([1, 8, 8]))
    """

    runs_unequally = True  # once for each clip of a batch

    def __init__(self, model: nn.Module, row: Tower, extractor: Foreign, last_layer: int | None = None) -> None:
        super().__init__()
        self.model = model.float().eval().requires_grad_(False)
        self._row, self._extractor = row, extractor
        self._timing = timing = row.timing(cast(Foreign, model.config), extractor)
        self._blocks: nn.ModuleList | None = model.get_submodule(row.blocks) if row.blocks else None  # pyright: ignore[reportAttributeAccessIssue]
        self.num_layers = 1 if self._blocks is None else len(self._blocks) + 1
        if last_layer is not None and not 0 <= last_layer < self.num_layers:
            raise ConfigError(f"this model has layers 0 to {self.num_layers - 1}; layer {last_layer} was asked for")
        self._cut = last_layer is not None and self._blocks is not None
        if last_layer is not None and self._blocks is not None:
            del self._blocks[max(last_layer, 1) :]  # no more is computed
        self.num_layers = self.num_layers if last_layer is None else last_layer + 1
        self.sample_rate = timing.sample_rate
        self.frame_rate = timing.sample_rate / timing.hop
        self.frame_offset = timing.centre / timing.sample_rate
        own = not self._cut
        self.last_frame_rate = self.frame_rate / timing.last if own else self.frame_rate
        self.last_frame_offset = (timing.last_centre or timing.centre) / timing.sample_rate if own else self.frame_offset
        self.min_samples, self.max_samples = timing.min_samples, timing.max_samples
        self.alignment = timing.alignment or int(timing.hop)
        self.dim = self._measured_width()

    def forward(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode mono audio at `sample_rate`, one clip at a time.

        Raises:
            DataError: if a clip is too short for one frame, or longer than the model reads.
        """
        clips = [self._layers(clip[0, : int(length)]) for clip, length in zip(signal, lengths, strict=True)]
        return joined(clips, signal, own_output=self._blocks is not None and not self._cut)

    def _layers(self, clip: Float[Tensor, "S"]) -> tuple[Float[Tensor, "L T D"], Float[Tensor, "T2 D2"]]:
        """Layers and final output of one clip."""
        if len(clip) < self.min_samples:
            raise DataError(f"{self._row.title} needs at least {self.min_samples} samples per clip, got {len(clip)}")
        if self.max_samples is not None and len(clip) > self.max_samples:
            most, got = self.max_samples / self.sample_rate, len(clip) / self.sample_rate
            raise DataError(f"{self._row.title} reads at most {most:g} s at once, got {got:.1f} s")
        with torch.autocast(clip.device.type, enabled=False), _Read(self._blocks, self.num_layers) as read:
            output = self._row.run(cast(Foreign, self.model), self._extractor, clip.float())
        last = output if output.ndim == 2 else output[0]
        timing = self._timing
        last = last[: timing.last_frames(len(clip))] if timing.padded else last
        if self._blocks is None:
            return last[None], last
        config = cast(Foreign, self.model.config)
        hidden = [self._row.token(value if value.ndim == 3 else value[None], config) for value in read.found]
        layers = torch.cat(hidden)
        layers = layers[:, : timing.frames(len(clip))] if timing.padded else layers
        return layers, layers[-1] if self._cut else last

    @torch.no_grad()
    def _measured_width(self) -> int:
        """Width of the layers, of a short clip of noise; what cannot be run is refused here.

        Raises:
            ConfigError: if the model cannot be run.
        """
        size = self.min_samples + 16 * int(self._timing.hop)
        size = size if self.max_samples is None else min(size, self.max_samples)
        noise = 0.1 * torch.randn(size, generator=torch.Generator().manual_seed(0))
        try:
            layers, _ = self._layers(noise)
        except Exception as error:  # whatever the model's code raises
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise ConfigError(f"it cannot be run on {size} samples: {reason}") from error
        expected = self._timing.frames(size) if self._timing.padded else 1 + (size - self.min_samples) / self._timing.hop
        if len(layers) != self.num_layers or abs(layers.shape[1] - expected) > 2:
            found = f"{len(layers)} layers of {layers.shape[1]} frames"
            raise ConfigError(f"its code gives {found} for {size} samples, expected {self.num_layers} of about {expected:.0f}")
        return int(layers.shape[2])


class _Read:
    """Reads the input of the first block and the outputs of the first `count - 1` blocks while it is entered."""

    def __init__(self, blocks: nn.ModuleList | None, count: int) -> None:
        self._blocks = list(blocks)[: max(count - 1, 1)] if blocks is not None else []
        self._count = count
        self.found: list[Tensor] = []

    def __enter__(self) -> _Read:
        self._handles = []
        for number, block in enumerate(self._blocks):
            if number == 0:
                self._handles.append(block.register_forward_pre_hook(self._input, with_kwargs=True))
            if self._count > 1:
                self._handles.append(block.register_forward_hook(self._output))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _input(self, _: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.found.append(given[0] if given else named["hidden_states"])

    def _output(self, _: nn.Module, __: tuple[Any, ...], output: Any) -> None:
        self.found.append(output[0] if isinstance(output, tuple) else output)
