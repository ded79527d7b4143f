"""What an exported graph says of itself, in the metadata of its ONNX file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from audiossl.errors import ConfigError, StoreError
from audiossl.options import read_options

MARK = "audiossl"  # key by which an export of ours is known; its value is the version that wrote it
LENGTHS, FRAMES, FRAME_LENGTHS, LAYER, LAYER_LENGTHS = "lengths", "frames", "frame_lengths", "layer_", "layer_lengths"


@dataclass(frozen=True)
class OnnxMetadata:
    """Contract of an exported encoder; one text for each field, numbers and lists as JSON.

    Attributes:
        encoder: name that the encoder was loaded by.
        domain: audio, sensors or brain.
        form: name of the input: waveform (B, S), features (B, T, M) or signal (B, C, S).
        precision: float32, float16 or int8.
        sample_rate: Hz of the signal.
        hop: samples from one frame of the layers to the next.
        frame_rate, last_frame_rate: frames per second of the layers and of the output.
        frame_offset, last_frame_offset: seconds to the centre of frame 0.
        dim: width of a frame.
        layers: numbers of the layers that are outputs, `layer_0` and so on; empty where `frames` is the only output.
        num_layers: layers of the encoder.
        min_samples: shortest signal.
        alignment: samples at multiples of which windows may start.
        num_mel_bins: bins of a feature frame, for features alone.
        channels, units: channels of sensors or regions of brains, in order.

    >>> OnnxMetadata("runs/mine", "audio", "waveform", "float32", 16000.0, 320.0, 50.0, 50.0, 0.045, 0.045, 192).hop
    320.0
    """

    encoder: str
    domain: str
    form: str
    precision: str
    sample_rate: float
    hop: float
    frame_rate: float
    last_frame_rate: float
    frame_offset: float
    last_frame_offset: float
    dim: int
    layers: list[int] | None = None
    num_layers: int = 1
    min_samples: int = 1
    alignment: int = 1
    num_mel_bins: int = 0
    channels: list[str] | None = None
    units: list[str] | None = None

    def to_properties(self) -> dict[str, str]:
        """The fields as texts."""
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in asdict(self).items()}

    @classmethod
    def from_properties(cls, properties: Mapping[str, str], origin: str) -> OnnxMetadata:
        """Read the texts of a file.

        Raises:
            StoreError: if one is missing, or not what it should be.
        """
        texts = {"encoder", "domain", "form", "precision"}
        try:
            values = {
                field.name: properties[field.name] if field.name in texts else json.loads(properties[field.name])
                for field in fields(cls)
            }
            return read_options(cls, values)
        except (KeyError, ValueError, ConfigError) as error:
            raise StoreError(
                f"{origin} was written by audiossl, and its metadata cannot be read ({error}): export again"
            ) from error
