"""The model that an export is made of, and the name by which what is written finds it again."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from audiossl.embedding.embedder import Embedder
from audiossl.encoder_names import outside_place, parse_name, without_options
from audiossl.errors import AudiosslError, ConfigError
from audiossl.load import load
from audiossl.models import hub
from audiossl.models.building import describe_encoder
from audiossl.models.encoder import Encoder


@dataclass(frozen=True)
class ModelSource:
    """A model to export.

    Attributes:
        embedder: the loaded model.
        place: a name that `audiossl.load` takes in any working directory; None of an object in memory.
        search: folders that a process needs on its path to load a class from outside the package.

    >>> import audiossl
    >>> ModelSource(audiossl.load("logmel"), "logmel").place
    'logmel'
    """

    embedder: Embedder
    place: str | None
    search: tuple[Path, ...] = ()

    @property
    def is_code(self) -> bool:
        """Whether loading the model again runs a class from outside the package."""
        return is_code(self.place) if self.place is not None else not _is_ours(type(self.embedder.encoder))

    def save(self, folder: Path) -> bool:
        """Save the encoder to a folder that `audiossl.load` takes; false where only its name, or its class, leads to it."""
        if hub.model_type_of(self.embedder.encoder) not in hub.MODELS:
            return False
        hub.save(self.embedder.encoder, folder)
        return True

    def kept(self, folder: Path) -> str:
        """A name that leads to the model from anywhere; an object in memory is saved to `folder` for that.

        Raises:
            ConfigError: if an object in memory cannot be saved, and its name leads to other weights.
        """
        if self.place is not None:
            return self.place
        if self.save(folder):
            return str(folder.absolute())
        if (named := same_by_name(self.embedder)) is not None:
            return named
        try:
            code = _file_of_class(type(self.embedder.encoder))
            _require_made_again(self.embedder.encoder)
            hub.save(self.embedder.encoder, folder, name=code)
        except ConfigError as error:
            raise ConfigError(
                f"{self.embedder!r} is an object in memory, which what is written has to load again, and it cannot be saved: "
                f"{error}. Give a name that audiossl.load takes, such as FILE.py:MyEncoder"
            ) from error
        return f"{code}@{folder.absolute()}"


def model_source(
    model: str | Path | Encoder | nn.Module, padding: Literal["invariant", "reference"] = "invariant"
) -> ModelSource:
    """Load a model for an export.

    Args:
        model: whatever `audiossl.load` takes: a name, a folder, `FILE.py:Class`, `module:Class`, an encoder or an `Embedder`.
        padding: padding of Zipformers that are loaded by name.

    Raises:
        ConfigError: as `audiossl.load`.
    """
    embedder = load(model, padding)
    place = absolute_name(str(model)) if isinstance(model, str | Path) else None
    source = ModelSource(embedder, place)
    if not source.is_code:
        return source
    found = outside_place(str(model)) if place is not None else None
    module = found.where.rpartition(":")[0] if found is not None else type(embedder.encoder).__module__
    return ModelSource(embedder, place, _search(module))


def is_code(name: str) -> bool:
    """Whether a name means a class from outside the package, `FILE.py:Class` or `module:Class`.

    >>> is_code("my_module:MyEncoder"), is_code("hf:microsoft/wavlm-large:21"), is_code("runs/asterisk")
    (True, False, False)
    """
    return outside_place(name) is not None


def absolute_name(name: str) -> str:
    """A name with its folder or file as an absolute path, so that it means the same in another working directory."""
    if Path(name).exists():
        return str(Path(name).absolute())
    known, rest, layer = parse_name(name)
    end = f":{layer}" if layer is not None else ""
    if (place := outside_place(name)) is not None:
        module, _, kind = place.where.rpartition(":")
        file = Path(module) if module.endswith(".py") else _lone_file(module)
        where = f"{file.expanduser().absolute()}:{kind}" if file is not None else place.where
        return where + (f"@{Path(place.folder).absolute()}" if place.folder else "") + end
    if rest and Path(without_options(rest)).exists():
        return f"{known.prefix or ''}{Path(rest).absolute()}{end}"
    return name


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "audiossl"


def _lone_file(module: str) -> Path | None:
    """The file of an imported module that is in no package; None of others: their imports need their name."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file) if file and "." not in module and Path(file).name != "__init__.py" else None


def _file_of_class(kind: type) -> str:
    """A name of a class that another process can import.

    Raises:
        ConfigError: of a class that was typed into a prompt, or lies in a script that is running.
    """
    file = inspect.getsourcefile(kind) if kind.__module__ != "__main__" else None
    if file is None or "<locals>" in kind.__qualname__:
        raise ConfigError(f"{kind.__qualname__} cannot be imported from a file: write it to a module of its own")
    lone = _lone_file(kind.__module__)
    return f"{lone.absolute() if lone is not None else kind.__module__}:{kind.__qualname__}"


def _require_made_again(encoder: object) -> None:
    """Refuse an encoder of a class that needs arguments, where nothing says which.

    Raises:
        ConfigError: naming the arguments.
    """
    try:
        describe_encoder(encoder)
    except ConfigError:
        variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        wanted = inspect.signature(type(encoder)).parameters.values()
        required = [one.name for one in wanted if one.default is one.empty and one.kind not in variadic]
        if required:
            raise ConfigError(
                f"a {type(encoder).__name__} does not say with which {', '.join(required)} it was made; write a function that "
                "returns the encoder to a file and name it, as in my_encoder.py:make"
            ) from None


def _search(module: str) -> tuple[Path, ...]:
    """The folder of a module, or of the package that it is in, and the working directory."""
    file = getattr(sys.modules.get(module.partition(".")[0]), "__file__", None)
    home = Path(file).absolute().parent if file else None
    if home is not None and file and Path(file).name == "__init__.py":
        home = home.parent
    outside = [home] if home is not None and not home.is_relative_to(sys.prefix) else []
    return tuple(dict.fromkeys([*outside, Path.cwd()]))


def same_by_name(embedder: Embedder) -> str | None:
    """The name that an object was loaded by, if that still leads to the same weights."""
    try:
        again = load(embedder.name)
    except AudiosslError:
        return None
    return absolute_name(embedder.name) if again.digest == embedder.digest else None
