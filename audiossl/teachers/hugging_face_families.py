"""Which Hugging Face models are served: a row for each model type, and a front end for each kind of input.

A front end turns a clip into what the model reads and says where its frames lie. A model type that reads what another one reads
is one row more in `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from audiossl.errors import ConfigError, DataError
from audiossl.teachers.foreign import Foreign

DEFAULT_RATE = 16000.0  # of every feature extractor of these families that says nothing else


@runtime_checkable
class FrontEnd(Protocol):
    """What stands between a clip and a model.

    Attributes:
        sample_rate: Hz of the clips.
        hop: samples between frames of the output.
        squeeze: frames of the output to one frame of the layers.
        min_samples: least that give a frame.
        max_samples: most that the model reads at once; None where there is no bound.
        frame_offset: seconds to the centre of frame 0 of the layers.
        normalise: whether every clip is brought to mean 0 and variance 1 first.
    """

    @property
    def sample_rate(self) -> float: ...
    @property
    def hop(self) -> int: ...
    @property
    def squeeze(self) -> int: ...
    @property
    def min_samples(self) -> int: ...
    @property
    def max_samples(self) -> int | None: ...
    @property
    def frame_offset(self) -> float: ...
    @property
    def normalise(self) -> bool: ...

    def inputs(self, clip: Float[Tensor, "S"]) -> Float[Tensor, "1 *S"]:
        """What the model reads of a clip."""
        ...

    def num_frames(self, num_samples: int) -> int:
        """Frames of the layers that belong to a clip."""
        ...


@dataclass(frozen=True)
class Waveform:
    """Strided convolutions over the waveform; SEW squeezes their frames for its layers and spreads them again for its output.

    Attributes:
        field: samples that one frame of the convolutions reads.
    """

    sample_rate: float
    hop: int
    field: int
    squeeze: int
    normalise: bool
    max_samples: None = None

    @classmethod
    def of(cls, config: Foreign, sample_rate: float = DEFAULT_RATE, normalise: bool = False) -> Waveform:
        """Read hops off a config.

        Raises:
            ConfigError: if its convolutions are not lists of one length.
        """
        sizes = [list(config.conv_stride), list(config.conv_kernel), list(config.conv_dim)]
        if len({len(size) for size in sizes}) != 1:
            raise ConfigError(
                "its config has conv_stride, conv_kernel and conv_dim of "
                f"{', '.join(str(len(size)) for size in sizes)} convolutions, expected one length"
            )
        hop, field = 1, 1
        for stride, kernel in zip(*sizes[:2], strict=True):
            field += (kernel - 1) * hop
            hop *= stride
        return cls(sample_rate, hop, field, int(getattr(config, "squeeze_factor", 1)), normalise)

    @classmethod
    def published(cls, config: Foreign, extractor: object) -> Waveform:
        """Take rate and normalisation from the feature extractor."""
        return cls.of(config, _rate(extractor), bool(getattr(extractor, "do_normalize", False)))

    @property
    def min_samples(self) -> int:
        """One frame of the layers."""
        return self.field + (self.squeeze - 1) * self.hop

    @property
    def frame_offset(self) -> float:
        """The middle of what that frame reads."""
        return self.min_samples / 2 / self.sample_rate

    def inputs(self, clip: Float[Tensor, "S"]) -> Float[Tensor, "1 S"]:
        """The clip itself, normalised over its own samples where the model was trained so."""
        if self.normalise:
            clip = (clip - clip.mean()) / (clip.var(unbiased=False) + 1e-7).sqrt()
        return clip[None]

    def num_frames(self, num_samples: int) -> int:
        """Convolutions without padding, then whole groups."""
        return ((num_samples - self.field) // self.hop + 1) // self.squeeze


class WhisperMel:
    """Log-mel frames of Whisper's extractor, padded with silence to the length that the positions of its encoder span."""

    squeeze = 1
    normalise = False
    min_samples = 400

    def __init__(self, config: Foreign, extractor: Foreign) -> None:
        """Compare an extractor with the config.

        Raises:
            ConfigError: if it makes other mel bins than the encoder reads, or is of another kind.
        """
        if not hasattr(extractor, "hop_length") or not hasattr(extractor, "n_fft"):
            raise ConfigError(f"its feature extractor is a {type(extractor).__name__}, expected a WhisperFeatureExtractor")
        if int(extractor.feature_size) != int(config.num_mel_bins):
            raise ConfigError(
                f"its feature extractor makes {extractor.feature_size} mel bins, its config reads {config.num_mel_bins}"
            )
        self._extractor = extractor
        self.sample_rate = _rate(extractor)
        self.hop = 2 * int(extractor.hop_length)  # the second convolution has stride 2
        self.max_samples = int(config.max_source_positions) * self.hop
        self.frame_offset = self.hop / 2 / self.sample_rate

    @classmethod
    def default(cls, transformers: ModuleType, config: Foreign) -> object:
        """The extractor that published models of this config have."""
        return transformers.WhisperFeatureExtractor(feature_size=config.num_mel_bins)

    def inputs(self, clip: Float[Tensor, "S"]) -> Float[Tensor, "1 M T"]:
        """Compute log-mel frames.

        Raises:
            DataError: if the clip is longer than the encoder's positions.
        """
        if len(clip) > self.max_samples:
            most, got = self.max_samples / self.sample_rate, len(clip) / self.sample_rate
            raise DataError(f"Whisper reads at most {most:g} s at once, got {got:.1f} s")
        features = self._extractor(
            clip.cpu().numpy(), sampling_rate=int(self.sample_rate), max_length=self.max_samples, return_tensors="pt"
        )
        return features.input_features.to(clip.device)

    def num_frames(self, num_samples: int) -> int:
        """Frames that begin within the clip; those of the silence behind it are dropped."""
        return -(-num_samples // self.hop)


@dataclass(frozen=True)
class Family:
    """Models of one type.

    Attributes:
        title: common name of the family.
        front_end: makes the front end from the model's config and feature extractor.
        default_extractor: makes the extractor, from the module `transformers` and the config, where a folder has none.
    """

    title: str
    front_end: Callable[[Any, Any], FrontEnd]
    default_extractor: Callable[[Any, Any], Any]


def _waveform(title: str) -> Family:
    # Zero mean and unit variance, as the extractor does unless configured otherwise. Of group-norm front ends that changes next
    # to nothing, and all published layer-norm ones were trained so.
    return Family(title, Waveform.published, lambda transformers, config: transformers.Wav2Vec2FeatureExtractor())


FAMILIES: dict[str, Family] = {
    "wavlm": _waveform("WavLM"),
    "hubert": _waveform("HuBERT"),
    "wav2vec2": _waveform("wav2vec 2.0"),
    "wav2vec2-conformer": _waveform("wav2vec 2.0 Conformer"),
    "data2vec-audio": _waveform("Data2Vec"),
    "unispeech": _waveform("UniSpeech"),
    "unispeech-sat": _waveform("UniSpeech-SAT"),
    "sew": _waveform("SEW"),
    "sew-d": _waveform("SEW-D"),
    "whisper": Family("Whisper", WhisperMel, WhisperMel.default),
}


def family_of(model_type: str) -> Family:
    """Find the row of a model type.

    Raises:
        ConfigError: if there is none.
    """
    if model_type not in FAMILIES:
        from audiossl.teachers.towers import TOWERS  # read only where something is wrong

        titles = [family.title for family in (*FAMILIES.values(), *TOWERS.values())]
        raise ConfigError(f"is a {model_type} model; expected {', '.join(titles[:-1])} or {titles[-1]}")
    return FAMILIES[model_type]


def _rate(extractor: Any) -> float:
    rate = getattr(extractor, "sampling_rate", DEFAULT_RATE)
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not rate > 0:
        raise ConfigError(f"its feature extractor has sampling_rate {rate!r}, expected Hz")
    return float(rate)
