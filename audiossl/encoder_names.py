"""The names under which encoders are known: one table for `audiossl.load`, teachers, `audiossl models` and help texts."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from audiossl.errors import ConfigError
from audiossl.kinds import Kind

# module:Class or FILE.py:Class, and perhaps @FOLDER
PLACE = re.compile(r"(?P<where>(?:.+?\.py|[A-Za-z_]\w*(?:\.\w+)*):[A-Za-z_]\w*)(?:@(?P<folder>.+))?")


@dataclass(frozen=True)
class Wanted:
    """What is asked of the function that loads an encoder.

    Attributes:
        name: what follows the prefix, or the folder, file or repository.
        last_layer: the highest layer to compute, which is then also the final output; None for all.
        data_root: where wheels were unpacked, or weights downloaded, by hand.
        options: options of the encoder, by name.
        padding: "invariant" or "reference", of Zipformers.
        trust_code: whether a config may name the class that is imported, see `audiossl.models.hub.load`.
    """

    name: str = ""
    last_layer: int | None = None
    data_root: Path | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    padding: str = "invariant"
    trust_code: bool | str | type = False


@dataclass(frozen=True)
class EncoderName(Kind):
    """A name, or a prefix of names; its place is a function that takes a `Wanted` and returns an encoder.

    Attributes:
        kind: what `TeacherConfig.kind` calls it; also the name itself where there is no prefix.
        written: how people write it.
        prefix: text before a name, such as `hf:`; "" where the kind is all of the name, None where any other name is meant.
        takes_layer: whether its loader computes no more than the layer that is asked for.
        takes_options: whether it has options.
        example: a name, for messages.
        frame_rate: frames per second that are assumed while nothing is loaded.
        window_seconds: seconds of audio that a teacher reads at once. Attention without positions, trained on utterances, does
            not know longer ones. Dasheng cuts clips itself; SPEAR gave it clips of up to 31 s whole.
        teacher_options: default options of a teacher.
        teacher_layers: whether a teacher that is read below its top computes no more than that.
        num_layers: number of layers, where the name alone says it.
    """

    kind: str
    written: str
    prefix: str | None = ""
    takes_layer: bool = False
    takes_options: bool = False
    example: str = ""
    frame_rate: float = 50.0
    window_seconds: int = 20
    teacher_options: Mapping[str, Any] = field(default_factory=dict)
    teacher_layers: bool = False
    num_layers: int | None = None

    @property
    def takes_name(self) -> bool:
        """Whether a name follows the prefix, or is all there is."""
        return self.prefix != ""

    def load(self, wanted: Wanted) -> Any:
        """Call the loader, which returns an encoder.

        Raises:
            ConfigError: if options were given and it has none; other errors are those of `audiossl.load`.
        """
        if wanted.options and not self.takes_options:
            raise ConfigError(f"{self.written} takes no options, got {', '.join(wanted.options)}: leave them out")
        module, _, function = self.place.partition(":")
        return getattr(importlib.import_module(module), function)(wanted)

    def assumed_rate(self, options: Mapping[str, object]) -> float:
        """Frames per second of a teacher with these options, before it is loaded."""
        return self.frame_rate / cast(int, {**self.teacher_options, **options}.get("stride", 1))


OWN = EncoderName(
    "audiossl.load:load_own",
    "a checkpoint of ours, a run (its student), a Hugging Face model; FILE.pt has config.json next to it",
    "audiossl",
    "FOLDER or FILE.pt",
    prefix=None,
    example="runs/asterisk/pretrain/student",
)
OUTSIDE = EncoderName(
    "audiossl.load:load_outside",
    "your own class, or a function that returns an encoder; with @FOLDER the weights that were saved there",
    "class",
    "module:Class or FILE.py:Class",
    prefix=None,
    takes_options=True,
    example="my_encoder.py:MyEncoder",
)
ENCODERS: dict[str, EncoderName] = {
    encoder.kind: encoder
    for encoder in (
        EncoderName(
            "audiossl.teachers.logmel:load_named",
            "Kaldi log-mel features, the baseline",
            "logmel",
            "logmel",
            takes_options=True,
            frame_rate=100.0,
            teacher_options={"stride": 2},
            num_layers=1,
        ),
        EncoderName(
            "audiossl.teachers.hama:load_named",
            "phoneme Conformer from its wheel, 144-d at 50 Hz",
            "hama",
            "hama",
            takes_layer=True,
            teacher_layers=True,
            num_layers=5,
        ),
        EncoderName(
            "audiossl.teachers.resemblyzer:load_named",
            "speaker encoder from its wheel, 256-d at 100 Hz",
            "resemblyzer",
            "resemblyzer",
            frame_rate=100.0,
            num_layers=3,
        ),
        EncoderName(
            "audiossl.teachers.hugging_face:load_named",
            "Hugging Face audio model, for instance hf:microsoft/wavlm-large:21",
            "transformers",
            "hf:NAME[:LAYER]",
            prefix="hf:",
            takes_layer=True,
            example="microsoft/wavlm-large",
        ),
        EncoderName(
            "audiossl.teachers.dasheng:load_named",
            "dasheng_base, dasheng_06B, dasheng_12B or a checkpoint file",
            "dasheng",
            "dasheng:NAME",
            prefix="dasheng:",
            takes_layer=True,
            example="dasheng_12B",
            frame_rate=25.0,
            window_seconds=31,
            teacher_layers=True,
        ),
        EncoderName(
            "audiossl.teachers.onnx:load_named",
            "graph of `audiossl export onnx`, or of others with ?rate=16000 behind it",
            "onnx",
            "onnx:FILE[?rate=HZ]",
            prefix="onnx:",
            takes_options=True,
            example="model.onnx",
        ),
        OWN,
        OUTSIDE,
    )
}
WRITTEN = ", ".join(encoder.written for encoder in ENCODERS.values() if encoder is not OWN)
PLANNED = ("s3prl:",)


def parse_name(text: str) -> tuple[EncoderName, str, int | None]:
    """Split a name into its row of the table, what follows the prefix, and the layer.

    A name is looked up as a known one first, then as a file or folder that exists, then as `FILE.py:Class` or `module:Class`.
    Each may end with `:LAYER`.

    >>> kind, name, layer = parse_name("hf:microsoft/wavlm-large:21")
    >>> kind.kind, name, layer
    ('transformers', 'microsoft/wavlm-large', 21)
    >>> parse_name("my_encoder.py:MyEncoder:3")[1:]
    ('my_encoder.py:MyEncoder', 3)

    Raises:
        ConfigError: if nothing follows a prefix, or the layer is no number.
    """
    if text.startswith(PLANNED):
        raise ConfigError(f"'{text}' is not supported yet; known are: {OWN.written}, {WRITTEN}")
    for encoder in ENCODERS.values():
        is_known = text.partition(":")[0] == encoder.kind if encoder.prefix == "" else text.startswith(encoder.prefix or "\0")
        if is_known:
            return encoder, *_name_and_layer(text, encoder)
    name, _, layer = text.rpartition(":")
    if not layer.isdecimal() or not name or Path(text).exists():
        name, layer = text, ""
    kind = OWN if Path(name).exists() or PLACE.fullmatch(name) is None else OUTSIDE
    return kind, name, int(layer) if layer else None


def _name_and_layer(text: str, encoder: EncoderName) -> tuple[str, int | None]:
    """What follows the prefix of a known name, and the layer after it."""
    rest = text.removeprefix(encoder.prefix or encoder.kind)
    name, colon, layer = rest.rpartition(":")
    if not colon or (encoder.takes_name and Path(rest).exists()):  # a file may have colons in its name
        name, colon = rest, ""
    if bool(name) != encoder.takes_name or (colon and not layer.isdecimal()):
        example = f"{encoder.prefix or encoder.kind}{encoder.example}"
        raise ConfigError(f"expected {encoder.written}, for instance {example}:9, got '{text}'")
    return name, int(layer) if colon else None


def without_options(name: str) -> str:
    """A file without the options that `onnx:FILE?rate=16000` has behind it.

    >>> without_options("perch.onnx?rate=32000")
    'perch.onnx'
    """
    return name.partition("?")[0]


@dataclass(frozen=True)
class Place:
    """A class outside the package.

    Attributes:
        where: `module:Class` or `FILE.py:Class`.
        folder: folder with weights that such an encoder was saved with; "" for a new one.
    """

    where: str
    folder: str = ""


def outside_place(name: str) -> Place | None:
    """The class that a name leads to; None if it is the name of something else.

    >>> outside_place("my_encoder:MyEncoder@runs/mine")
    Place(where='my_encoder:MyEncoder', folder='runs/mine')
    """
    try:
        known, rest, _ = parse_name(name)
    except ConfigError:
        return None
    found = PLACE.fullmatch(rest) if known is OUTSIDE else None
    return Place(found["where"], found["folder"] or "") if found else None


def refuse_place(name: str, origin: Path, trust_code: bool | str | type = False, advice: str = "") -> None:
    """Refuse a name that was read from a file and would import a class, unless the caller trusts it.

    Args:
        name: name that the file holds.
        origin: the file.
        trust_code: whether the caller trusts it.
        advice: another way than `trust_code`, for the message.

    Raises:
        ConfigError: naming the class and what to say.
    """
    if not trust_code and outside_place(name) is not None:
        raise ConfigError(
            f"{origin} names the class {name}, which is not part of audiossl: nothing was imported. If you know that code, say "
            f"trust_code=True (on the command line, --trust-code){advice}"
        )
