"""`onnx:FILE`: a graph in ONNX Runtime as an encoder, an export of ours or anybody's."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.encoder_names import Wanted
from audiossl.errors import ConfigError, DataError
from audiossl.features.logmel import LogMel
from audiossl.models.encoder import Encoder, Frames
from audiossl.models.sensor_encoder import SensorInput
from audiossl.options import read_options
from audiossl.teachers.onnx_foreign import OnnxOptions, foreign_encoder
from audiossl.teachers.onnx_metadata import FRAME_LENGTHS, FRAMES, LAYER, LAYER_LENGTHS, LENGTHS, MARK, OnnxMetadata
from audiossl.teachers.onnx_session import OnnxSession


class OnnxEncoder(nn.Module):
    """A graph that `audiossl export onnx` wrote, behind the contract that its metadata state.

    Padded batches enter with their lengths; graphs of features get those of `LogMel`. The layers are those that are outputs of
    the graph, counted from 0. Without any, the output is the only layer, at its own rate.

    Args:
        session: the graph.
        origin: file, for messages.

    Raises:
        StoreError: if its metadata cannot be read.
    """

    def __init__(self, session: OnnxSession, origin: str) -> None:
        super().__init__()
        self.session = session
        self.about = about = OnnxMetadata.from_properties(session.properties, origin)
        self.layers = about.layers or []
        self.sample_rate, self.dim, self.num_layers = about.sample_rate, about.dim, max(len(self.layers), 1)
        self.last_frame_rate, self.last_frame_offset = about.last_frame_rate, about.last_frame_offset
        self.frame_rate = about.frame_rate if self.layers else about.last_frame_rate
        self.frame_offset = about.frame_offset if self.layers else about.last_frame_offset
        self.min_samples, self.alignment = about.min_samples, about.alignment
        self.log_mel = LogMel(about.num_mel_bins) if about.form == "features" else None
        if about.domain == "sensors":
            self.takes = SensorInput(tuple(about.channels or ()), tuple(about.units or ()), about.sample_rate)
        elif about.domain == "brain":
            self.regions, self.reads_whole = tuple(about.channels or ()), True

    def forward(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode a padded batch.

        Raises:
            DataError: if a signal is too short.
        """
        if int(lengths.min()) < self.min_samples:
            raise DataError(f"the graph needs at least {self.min_samples} samples of every signal, got {int(lengths.min())}")
        entering, sizes = signal, lengths
        if self.log_mel is not None:
            entering, sizes = self.log_mel(signal[:, 0], lengths)
        elif self.about.form == "waveform":
            entering = signal[:, 0]
        layers = [f"{LAYER}{number}" for number in self.layers]
        wanted = [FRAMES, FRAME_LENGTHS, *layers, *([LAYER_LENGTHS] if layers else [])]
        run = self.session({self.about.form: entering, LENGTHS: sizes}, wanted)
        last, last_lengths, *found = (tensor.to(signal.device) for tensor in run)
        if not layers:
            return Frames.from_layers([last], last_lengths)
        return Frames(tuple(found[:-1]), found[-1], last, last_lengths)


def load_named(wanted: Wanted) -> Encoder:
    """`onnx:FILE[?rate=HZ&hop=SAMPLES&input=NAME&output=NAME]`, see `audiossl.encoder_names`.

    Raises:
        MissingExtraError: if `onnxruntime` is not installed.
        StoreError: if the file is missing or damaged.
        ConfigError: for an option that there is not, or a graph that takes or gives something else.
    """
    path, _, query = wanted.name.partition("?")
    said = {key: value for key, _, value in (part.partition("=") for part in query.split("&") if part)}
    given: dict[str, object] = {**said, **wanted.options}
    options = read_options(OnnxOptions, given, f"onnx:{path}")
    session = OnnxSession(path)
    if MARK not in session.properties:
        return foreign_encoder(session, path, options)
    if given:
        raise ConfigError(f"{path} says in its metadata what it takes; leave out {', '.join(given)}")
    return OnnxEncoder(session, path)
