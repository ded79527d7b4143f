"""A teacher: a frozen encoder, the layer it is read at, and whether its channels are normalised before quantisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.embedding.embedder import Embedder
from audiossl.embedding.takes import Takes
from audiossl.encoder_names import ENCODERS, OUTSIDE, OWN, Wanted, outside_place, parse_name
from audiossl.errors import ConfigError
from audiossl.kinds import import_place
from audiossl.load import refuse_unknown
from audiossl.models.run_folder import weights_digest
from audiossl.options import Fault, nearest


@dataclass
class TeacherConfig:
    """Which frozen model makes the targets. A recipe may also say it in a word, `teacher: hf:microsoft/wavlm-large:21`.

    Attributes:
        encoder: a name as in `audiossl.load`, perhaps with its layer: hama, logmel, hf:NAME:LAYER, a run folder, module:Class.
        layer: index into the encoder's layers; for hf: and dasheng: 0 is the input of the first block. None is the last.
        normalise: per-channel zero mean and unit variance before quantisation; not optional for pre-norm models such as
            WavLM Large.
        window_seconds: length of the windows in which long signals are read; None for what suits the encoder.
        options: options of the encoder; of logmel num_mel_bins, stride (2) and stack.
        data_root: folder where wheels were unpacked, or weights of dasheng downloaded, by hand.

    Raises:
        ConfigError: for a name that leads to nothing, or two different layers.

    >>> config = TeacherConfig("hf:microsoft/wavlm-large:21")
    >>> config.encoder, config.layer
    ('hf:microsoft/wavlm-large', 21)
    """

    encoder: str = "hama"
    layer: int | None = None
    normalise: bool = True
    window_seconds: float | None = None
    options: dict[str, Any] = field(default_factory=dict)
    data_root: Path | None = None

    # A key that is given on the command line takes the place of these.
    INSTEAD: ClassVar[Mapping[str, tuple[str, ...]]] = {"encoder": ("kind", "name"), "kind": ("encoder",), "name": ("encoder",)}

    def __post_init__(self) -> None:
        known, rest, layer = parse_name(self.encoder)
        if layer is None:
            return
        if self.layer not in (None, layer):
            raise ConfigError(f"expected one layer, got {layer} in '{self.encoder}' and layer {self.layer}: leave one out")
        self.encoder, self.layer = f"{known.prefix}{rest}" if known.prefix else rest or known.kind, layer

    @property
    def kind(self) -> str:
        """The row of `audiossl.encoder_names.ENCODERS`."""
        return parse_name(self.encoder)[0].kind

    @property
    def name(self) -> str | None:
        """What follows the prefix, or the folder or class; None where the kind is all of the name."""
        return parse_name(self.encoder)[1] or None

    def decides(self) -> dict[str, object]:
        """What goes into the fingerprints of stages, in the form of commit ba6cba2."""
        found: dict[str, object] = {
            "kind": self.kind,
            "name": self.name,
            "layer": self.layer,
            "normalise": self.normalise,
            "options": self.options,
        }
        found |= {"data_root": self.data_root}
        return found if self.window_seconds is None else {**found, "window_seconds": self.window_seconds}

    @classmethod
    def spelled(cls, values: object, place: str) -> object:
        """Read a name alone, and the keys `kind` and `name` of earlier recipes, which stand for `encoder`."""
        if isinstance(values, str):
            try:
                config = cls(values)
            except ConfigError as error:
                raise Fault(place, "the name of an encoder", f"'{values}'", f": {error}") from None
            return {"encoder": config.encoder, **({} if config.layer is None else {"layer": config.layer})}
        if not isinstance(values, Mapping) or not values.keys() & {"kind", "name"}:
            return values
        if "encoder" in values:
            raise Fault(place, "encoder, or kind and name", "both")
        kind, name = values.get("kind", "hama"), values.get("name")
        if kind not in ENCODERS:
            below = f"{place}.kind" if place else "kind"
            raise Fault(below, f"one of {', '.join(map(repr, ENCODERS))}", repr(kind), nearest(kind, ENCODERS))
        known = ENCODERS[kind]
        if known.takes_name and not name:
            raise Fault(place, f"a name with kind={kind}, for instance name={known.example}", "none")
        encoder = f"{known.prefix or ''}{name}" if known.takes_name else kind
        if known is OWN and parse_name(encoder)[0] is not OWN:
            encoder = f"./{encoder}"
        return {"encoder": encoder, **{key: value for key, value in values.items() if key not in ("kind", "name")}}


class Teacher:
    """One layer of a frozen encoder, on signals of any length.

    `digest` is that of its weights where they lie in a local folder or file, and of the source of a class from outside, else "".

    Args:
        embedder: embedder around the frozen encoder.
        layer: index of the layer that is read.
        description: name for reports and messages.
        digest: digest of the weights, "" where the name says which they are.

    >>> from audiossl.teachers.logmel import LogMelEncoder
    >>> teacher = Teacher(Embedder(LogMelEncoder(40), "logmel"), 0, "logmel:0")
    >>> teacher.frames([torch.zeros(16000)])[0].shape
    torch.Size([100, 40])
    """

    def __init__(self, embedder: Embedder, layer: int, description: str, digest: str = "") -> None:
        self.embedder = embedder
        self.layer = layer
        self.description = description
        self.digest = digest

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.embedder.frame_rate

    def frames(
        self, clips: Sequence[Float[Tensor, "*C _"]], sample_rate: float | int | None = None
    ) -> list[Float[Tensor, "T D"]]:
        """Encode clips; a clip gives the same frames in any batch.

        Args:
            clips: samples, mono (S,) or (C, S).
            sample_rate: Hz of the clips, which are resampled to the encoder's; None means that they are at the encoder's already.
        """
        return [embedding.frames[0] for embedding in self.embedder.embed(list(clips), sample_rate, layers=[self.layer])]


def load_teacher(config: TeacherConfig, device: torch.device | str = "cpu") -> Teacher:
    """Build the teacher that a config names; its frames come back to the CPU from any device.

    Raises:
        ConfigError: if a name leads to nothing, or the layer does not exist.

    >>> teacher = load_teacher(TeacherConfig("logmel", options={"num_mel_bins": 40}))
    >>> teacher.description, teacher.frames([torch.zeros(16000)])[0].shape
    ('logmel(num_mel_bins=40):0', torch.Size([50, 40]))
    """
    known, rest, _ = parse_name(config.encoder)
    options = {**known.teacher_options, **config.options}
    encoder = known.load(Wanted(rest, config.layer if known.teacher_layers else None, config.data_root, options))
    named = ",".join(f"{key}={value}" for key, value in sorted(config.options.items()))
    description = f"{config.encoder}({named})" if named else config.encoder
    layer = encoder.num_layers - 1 if config.layer is None else config.layer
    _refuse_layer(description, layer, encoder.num_layers)
    window, context = _windows(encoder, config, known.window_seconds)
    embedder = Embedder(encoder, description, "auto" if window is None else window, context).to(device)
    return Teacher(embedder, layer, f"{description}:{layer}", teacher_digest(config))


def check_teacher(config: TeacherConfig) -> None:
    """Refuse a name that leads to nothing, or a layer that is known not to exist, without loading or fetching anything.

    Raises:
        ConfigError: if it is neither a known name, nor a file or folder, nor a repository, nor a class that is there, or the
            name alone says that it has fewer layers.

    >>> check_teacher(TeacherConfig("logmell"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    audiossl.errors.ConfigError: 'logmell' holds no config.json and is not a known name (did you mean logmel?); expected ...
    """
    known, rest, _ = parse_name(config.encoder)
    if known is OWN:
        refuse_unknown(rest)
    elif (place := outside_place(config.encoder)) is not None:
        import_place(place.where, "teacher")
    if known.num_layers is not None and config.layer is not None:
        _refuse_layer(config.encoder, config.layer, known.num_layers)


def _refuse_layer(teacher: str, layer: int, num_layers: int) -> None:
    if not 0 <= layer < num_layers:
        raise ConfigError(f"teacher {teacher} has layers 0 to {num_layers - 1}; teacher.layer={layer} was asked for")


def teacher_digest(config: TeacherConfig) -> str:
    """Hash what may change under a teacher's name: weights and configs in a local folder or file, the source of a class.

    Returns:
        The hash, or "" where the name alone says which weights are meant.
    """
    return weights_digest(config.name) if config.name else ""


def assumed_frame_rate(config: TeacherConfig) -> float:
    """Frames per second that a teacher is taken to have while it is not loaded."""
    known = ENCODERS[config.kind]
    place = outside_place(config.encoder) if known is OUTSIDE else None
    rate = getattr(import_place(place.where, "teacher"), "frame_rate", None) if place else None
    return float(rate) if isinstance(rate, int | float) else known.assumed_rate(config.options)


def parse_teacher(name: str, layer: int | None = None, normalise: bool = True) -> TeacherConfig:
    """Read a teacher's name, which is any that `audiossl.load` takes (see `audiossl.encoder_names`).

    Raises:
        ConfigError: if the layer in the name is no number, or differs from `layer`.

    >>> parse_teacher("hama:2").layer
    2
    """
    return TeacherConfig(name, layer, normalise)


def _windows(encoder: Any, config: TeacherConfig, usual: int) -> tuple[float | int | None, float | int | None]:
    """Seconds of a window and of its context; None for those of the `Embedder`."""
    if getattr(encoder, "reads_whole", False):
        return 1e6, None
    if not Takes.of(encoder).is_audio:
        return config.window_seconds, None
    return config.window_seconds or usual, 2
