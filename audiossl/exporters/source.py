"""The model that an export is made of, and the name by which what is written finds it again."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from audiossl.embedding.embedder import Embedder
from audiossl.encoder_names import OWN, parse_name
from audiossl.errors import AudiosslError, ConfigError
from audiossl.load import load
from audiossl.models import Zipformer, hub
from audiossl.models.encoder import Encoder


@dataclass(frozen=True)
class ModelSource:
    """A model to export.

    Attributes:
        embedder: the loaded model.
        place: a name that `audiossl.load` takes in any working directory; None of an object in memory.
        search: folders that a process needs on its path to load `place`, which is code from outside the package.
    """

    embedder: Embedder
    place: str | None
    search: tuple[Path, ...] = ()

    @property
    def code(self) -> str | None:
        """The name, if it means a class from outside the package: loading it runs code."""
        return self.place if self.place is not None and is_code(self.place) else None

    def save(self, folder: Path) -> bool:
        """Save the encoder to a folder that `audiossl.load` takes; false where encoders of its class have no layout on disk."""
        encoder = self.embedder.encoder
        if not isinstance(encoder, Zipformer):
            return False
        hub.save(encoder, folder)
        return True

    def kept(self, folder: Path) -> str:
        """A name that leads to the model from anywhere; an object in memory is saved to `folder` for that.

        Raises:
            ConfigError: if an object in memory has no layout on disk, and its name leads to other weights.
        """
        if self.place is not None:
            return self.place
        if self.save(folder):
            return str(folder.absolute())
        if (named := _same_by_name(self.embedder)) is not None:
            return named
        raise ConfigError(
            f"{self.embedder!r} is an object in memory that cannot be saved, and what is written has to load it again: "
            "give a name that audiossl.load takes, such as FILE.py:MyEncoder"
        )


def model_source(
    model: str | Path | Encoder | nn.Module, padding: Literal["invariant", "reference"] = "invariant"
) -> ModelSource:
    """Load a model for an export.

    Args:
        model: whatever `audiossl.load` takes: a name, a folder, `FILE.py:Class`, `module:Class`, an encoder or an `Embedder`.
        padding: of Zipformers that are loaded by name.

    Raises:
        ConfigError: as `audiossl.load`.
    """
    embedder = load(model, padding)
    if not isinstance(model, str | Path):
        return ModelSource(embedder, None)
    place = absolute_name(str(model))
    return ModelSource(embedder, place, _search(str(model)) if is_code(place) else ())


def is_code(name: str) -> bool:
    """Whether a name means a class from outside the package, `FILE.py:Class` or `module:Class`.

    >>> is_code("my_module:MyEncoder"), is_code("hf:microsoft/wavlm-large:21"), is_code("runs/asterisk")
    (True, False, False)
    """
    return ":" in name and not Path(name).exists() and parse_name(name)[0] is OWN


def absolute_name(name: str) -> str:
    """A name with its folder or file as an absolute path, so that it means the same in another working directory."""
    if Path(name).exists():
        return str(Path(name).absolute())
    if is_code(name):
        place, _, kind = name.rpartition(":")
        file = Path(place) if place.endswith(".py") else _file_of(place)
        return f"{file.expanduser().absolute()}:{kind}" if file is not None else name
    known, rest, layer = parse_name(name)
    if known.prefix and Path(rest).exists():
        return f"{known.prefix}{Path(rest).absolute()}" + (f":{layer}" if layer is not None else "")
    return name


def _file_of(module: str) -> Path | None:
    """The file of an imported module that is in no package; None of others, whose imports need their name."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file) if file and "." not in module and Path(file).name != "__init__.py" else None


def _search(name: str) -> tuple[Path, ...]:
    """The working directory, and the folder of the package that a module is in."""
    place = name.rpartition(":")[0]
    file = getattr(sys.modules.get(place.partition(".")[0]), "__file__", None)
    home = Path(file).parent if file else None
    if home is not None and file and Path(file).name == "__init__.py":
        home = home.parent
    outside = [home] if home is not None and not home.is_relative_to(sys.prefix) else []
    return tuple(dict.fromkeys([*outside, Path.cwd()]))


def _same_by_name(embedder: Embedder) -> str | None:
    """The name that an object was loaded by, if that still leads to the same weights."""
    try:
        again = load(embedder.name)
    except AudiosslError:
        return None
    return absolute_name(embedder.name) if again.digest == embedder.digest else None
