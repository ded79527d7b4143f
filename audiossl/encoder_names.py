"""The names under which encoders are known: one table for `audiossl.load`, teachers, `audiossl models` and help texts."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from audiossl.errors import ConfigError

if TYPE_CHECKING:
    from audiossl.models.encoder import Encoder


@dataclass(frozen=True)
class Wanted:
    """What is asked of the function that loads an encoder.

    Attributes:
        name: what follows the prefix, or the folder, file or repository.
        last_layer: the highest layer to compute, which is then also the final output; None for all.
        data_root: where wheels were unpacked, or weights downloaded, by hand.
        options: of encoders without weights.
        padding: of Zipformers.
    """

    name: str = ""
    last_layer: int | None = None
    data_root: Path | None = None
    options: Mapping[str, int] = field(default_factory=dict)
    padding: Literal["invariant", "reference"] = "invariant"


@dataclass(frozen=True)
class EncoderName:
    """A name, or a prefix of names.

    Attributes:
        kind: what `TeacherConfig.kind` calls it; also the name itself where there is no prefix.
        written: how people write it.
        about: a line on what it is.
        loader: `module:function`, which takes a `Wanted`.
        prefix: before a name, such as `hf:`; "" where the kind is all of the name, None where any other name is meant.
        takes_layer: whether `:LAYER` may follow.
        example: a name, for messages.
        frame_rate: frames per second that are assumed while nothing is loaded.
        window_seconds: that a teacher reads at once. Attention without positions, trained on utterances, does not know longer
            ones. Dasheng cuts clips itself; SPEAR gave it clips of up to 31 s whole.
        teacher_options: options that a teacher has unless told otherwise.
        teacher_layers: whether a teacher that is read below its top computes no more than that.
    """

    kind: str
    written: str
    about: str
    loader: str
    prefix: str | None = ""
    takes_layer: bool = False
    example: str = ""
    frame_rate: float = 50.0
    window_seconds: int = 20
    teacher_options: Mapping[str, int] = field(default_factory=dict)
    teacher_layers: bool = False

    @property
    def takes_name(self) -> bool:
        """Whether a name follows the prefix, or is all there is."""
        return self.prefix != ""

    def load(self, wanted: Wanted) -> Encoder:
        """Call the loader; its errors are those of `audiossl.load`."""
        module, _, function = self.loader.partition(":")
        return getattr(importlib.import_module(module), function)(wanted)

    def assumed_rate(self, options: Mapping[str, int]) -> float:
        """Frames per second of a teacher with these options, before it is loaded."""
        return self.frame_rate / {**self.teacher_options, **options}.get("stride", 1)


OWN = EncoderName(
    "audiossl",
    "FOLDER or FILE.pt",
    "a checkpoint of ours, a run (its student), a Hugging Face model; FILE.pt has config.json beside it",
    "audiossl.load:load_own",
    prefix=None,
    example="runs/asterisk/pretrain/student",
)
ENCODERS: dict[str, EncoderName] = {
    encoder.kind: encoder
    for encoder in (
        EncoderName(
            "logmel",
            "logmel",
            "Kaldi log-mel features, the baseline",
            "audiossl.teachers.logmel:load_named",
            frame_rate=100.0,
            teacher_options={"stride": 2},
        ),
        EncoderName(
            "hama",
            "hama",
            "phoneme Conformer from its wheel, 144-d at 50 Hz",
            "audiossl.teachers.hama:load_named",
            teacher_layers=True,
        ),
        EncoderName(
            "resemblyzer",
            "resemblyzer",
            "speaker encoder from its wheel, 256-d at 100 Hz",
            "audiossl.teachers.resemblyzer:load_named",
            frame_rate=100.0,
        ),
        EncoderName(
            "transformers",
            "hf:NAME[:LAYER]",
            "Hugging Face audio model, for instance hf:microsoft/wavlm-large:21",
            "audiossl.teachers.hugging_face:load_named",
            prefix="hf:",
            takes_layer=True,
            example="microsoft/wavlm-large",
        ),
        EncoderName(
            "dasheng",
            "dasheng:NAME",
            "dasheng_base, dasheng_06B, dasheng_12B or a checkpoint file",
            "audiossl.teachers.dasheng:load_named",
            prefix="dasheng:",
            example="dasheng_12B",
            frame_rate=25.0,
            window_seconds=31,
            teacher_layers=True,
        ),
        OWN,
    )
}
WRITTEN = ", ".join(encoder.written for encoder in ENCODERS.values() if encoder is not OWN)


def parse_name(text: str) -> tuple[EncoderName, str, int | None]:
    """Split a name into its row of the table, what follows the prefix, and the layer.

    >>> kind, name, layer = parse_name("hf:microsoft/wavlm-large:21")
    >>> kind.kind, name, layer
    ('transformers', 'microsoft/wavlm-large', 21)

    Raises:
        ConfigError: if nothing follows a prefix, or the layer is no number.
    """
    for encoder in ENCODERS.values():
        if encoder.prefix == "" and text == encoder.kind:
            return encoder, "", None
        if encoder.prefix and text.startswith(encoder.prefix):
            name, colon, layer = text.removeprefix(encoder.prefix), "", ""
            if encoder.takes_layer:
                name, colon, layer = name.partition(":")
            if not name or (colon and not layer.isdecimal()):
                example = f"{encoder.prefix}{encoder.example}" + (":9" if encoder.takes_layer else "")
                raise ConfigError(f"expected {encoder.written}, for instance {example}, got '{text}'")
            return encoder, name, int(layer) if colon else None
    return OWN, text, None
