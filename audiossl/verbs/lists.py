"""What can be named: `audiossl.list_models`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelName:
    """A name, or a form of names, that `audiossl.load` takes.

    Attributes:
        name: what to write.
        about: a line on what it is.
        frame_rate: frames per second, if the name alone tells.
        example: a name of this form.
    """

    name: str
    about: str
    frame_rate: float | None = None
    example: str = ""

    def __str__(self) -> str:
        return f"{self.name:42s} {self.about}"


def list_models() -> list[ModelName]:
    """List the encoders that `audiossl.load`, `embed`, recipes and teachers take by name; `:LAYER` may follow any of them.

    >>> [model.name for model in list_models()][:4]
    ['logmel', 'hama', 'resemblyzer', 'hf:NAME[:LAYER]']
    """
    from audiossl.encoder_names import ENCODERS
    from audiossl.models.published import PUBLISHED

    rows = [
        ModelName(
            one.written, one.about, None if one.takes_name else one.frame_rate, f"{one.prefix or ''}{one.example}" or one.kind
        )
        for one in ENCODERS.values()
    ]
    for model in PUBLISHED:
        about = ", ".join(filter(None, (model.preset, model.trained_on, model.note)))
        rows.append(ModelName(model.name, about, 50.0, model.name))
    return rows
