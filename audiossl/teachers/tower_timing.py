"""Where the frames of audio towers lie in time: a rule for each kind of front end."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from audiossl.errors import ConfigError
from audiossl.teachers.foreign import Foreign

Number = int | float | str | Callable[[Foreign], float]  # itself, an attribute of the config, or a function of it


@dataclass(frozen=True)
class Timing:
    """Where frames lie.

    Attributes:
        sample_rate: Hz of the clips.
        hop: samples between the frames of the layers, on average.
        centre: samples to the middle of frame 0.
        min_samples: least that give a frame of the output.
        max_samples: most that are read at once; None where there is no bound.
        last: frames of the layers to one of the output.
        last_centre: samples to the middle of frame 0 of the output.
        alignment: samples after which the grid of frames begins anew.
        padded: whether clips are padded to `max_samples`, so that frames behind the clip are dropped.

    >>> Timing(16000.0, 320.0, 160.0, min_samples=400).frames(16000)
    50
    """

    sample_rate: float
    hop: float
    centre: float
    min_samples: int
    max_samples: int | None = None
    last: float = 1.0
    last_centre: float | None = None
    alignment: int = 0
    padded: bool = False

    def frames(self, num_samples: int) -> int:
        """Frames of the layers that begin within a clip."""
        return math.ceil(num_samples / self.hop)

    def last_frames(self, num_samples: int) -> int:
        """Frames of the output that begin within a clip."""
        return math.ceil(num_samples / (self.hop * self.last))


def by_mel(
    *,
    stack: Number,
    window: int = 0,
    centred: bool = False,
    last: Number = 1,
    last_shift: float | None = None,
    kernel: int = 0,
    chunk: Callable[[Foreign], int] | None = None,
) -> Callable[[Foreign, Foreign], Timing]:
    """Frames that are made of mel frames of the whole clip.

    Args:
        stack: mel frames to a frame of the layers.
        window: samples that a mel frame reads, where it begins with the first of them.
        centred: whether mel frame n is centred on sample n * hop instead.
        last: frames of the layers to a frame of the output.
        last_shift: frames of the layers from their frame 0 to the middle of the output's; by default the output is a mean.
        kernel: mel frames that a frame of the layers reads; by default `stack`.
        chunk: function of the config that gives the mel frames of a chunk, in which the grid begins anew and whose last frame may
            be a part.
    """

    def timing(config: Foreign, extractor: Foreign) -> Timing:
        hop = int(getattr(extractor, "hop_length", 160))
        stacked, ratio = _value(stack, config), _value(last, config)
        reads = kernel or (1 if centred else stacked)
        first = (0 if centred else window / 2) + (reads - 1) / 2 * hop
        alignment = stacked * ratio * hop
        spacing = stacked * hop
        if chunk is not None:
            size = chunk(config)
            spacing, alignment = size * hop / math.ceil(size / stacked), size * hop
        least = max(window + (reads - 1) * hop, math.ceil(spacing))
        if centred and chunk is None:
            least = max(least, alignment)  # a mean of several frames needs all of them
        shift = (ratio - 1) / 2 if last_shift is None else last_shift
        return Timing(
            sample_rate=float(getattr(extractor, "sampling_rate", 16000)),
            hop=float(spacing),
            centre=first,
            min_samples=int(least),
            last=float(ratio),
            last_centre=first + shift * spacing,
            alignment=int(alignment),
        )

    return timing


def padded_mel(last: int = 1) -> Callable[[Foreign, Foreign], Timing]:
    """Whisper's front end: clips are padded with silence to the positions of the encoder, at two mel frames to a frame.

    Args:
        last: frames of the layers to a frame of the output, which is their mean.

    Raises:
        ConfigError: if the extractor makes other mel bins than the model reads.
    """

    def timing(config: Foreign, extractor: Foreign) -> Timing:
        made, read = int(extractor.feature_size), int(config.num_mel_bins)
        if made != read:
            raise ConfigError(f"its feature extractor makes {made} mel bins, its config reads {read}")
        hop = 2.0 * int(extractor.hop_length)
        return Timing(
            sample_rate=float(extractor.sampling_rate),
            hop=hop,
            centre=hop / 2,
            min_samples=400,
            max_samples=int(config.max_source_positions * hop),
            last=float(last),
            last_centre=hop * last / 2,
            alignment=int(hop * last),
            padded=True,
        )

    return timing


def of_patches(config: Foreign, extractor: Foreign) -> Timing:
    """Patches of a spectrogram of fixed length; frames are means over the bands of patches at one time."""
    stride, patch, hop = int(config.time_stride), _first(config.patch_size), 160  # Kaldi's frames, 10 ms apart
    frames = (int(config.max_length) - patch) // stride + 1
    longest = ((frames - 1) * stride + patch - 1) * hop + 400
    return Timing(
        sample_rate=float(extractor.sampling_rate),
        hop=float(stride * hop),
        centre=200 + (patch - 1) / 2 * hop,
        min_samples=400,
        max_samples=min(longest, frames * stride * hop),
        alignment=stride * hop,
        padded=True,
    )


def of_clip(config: Foreign, extractor: Foreign) -> Timing:
    """One vector for every piece of the extractor's length; the last piece may be shorter."""
    size = int(extractor.nb_max_samples)
    rate = float(extractor.sampling_rate)
    return Timing(rate, float(size), size / 2, min_samples=int(rate) // 100, alignment=size)


def moonshine(config: Foreign, extractor: Foreign) -> Timing:
    """Three convolutions over the waveform, of widths 127, 7 and 3 and strides 64, 3 and 2, without padding."""
    reads = 127 + 6 * 64 + 2 * 192
    return Timing(float(extractor.sampling_rate), 384.0, reads / 2, min_samples=reads, alignment=384)


def of_pe_audio(config: Foreign, extractor: Foreign) -> Timing:
    """The encoder of DAC over the waveform, padded to whole hops by reflection."""
    hop = float(math.prod(config.dac_config.downsampling_ratios))
    return Timing(float(extractor.sampling_rate), hop, hop / 2, min_samples=int(hop), alignment=int(hop))


def codec(hop: Callable[[Foreign], float], last: Number = 1, rate: str = "sampling_rate") -> Callable[[Foreign, Foreign], Timing]:
    """Encoders of codecs: strided convolutions over the waveform, padded to whole hops.

    Args:
        hop: function of the config that gives samples to a frame.
        last: frames of the layers to a frame of the output.
        rate: attribute of the config with the sample rate.
    """

    def timing(config: Foreign, extractor: Foreign) -> Timing:
        size, ratio = float(hop(config)), _value(last, config)
        return Timing(
            sample_rate=float(getattr(config, rate)),
            hop=size,
            centre=size / 2,
            min_samples=int(size * ratio),
            last=float(ratio),
            last_centre=size * ratio / 2,
            alignment=int(size * ratio),
        )

    return timing


def _value(number: Number, config: Foreign) -> float:
    if isinstance(number, str):
        return float(getattr(config, number))
    return float(number) if isinstance(number, int | float) else float(number(config))


def _first(size: int | tuple[int, ...] | list[int]) -> int:
    return int(size) if isinstance(size, int) else int(size[0])
