"""Kinds: a name, or `module:Class` from outside the package, into a class."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from audiossl.errors import ConfigError
from audiossl.options import nearest

FILE_MODULE = "audiossl_file_"  # before the name of a module that was imported from a file


@dataclass(frozen=True)
class Kind:
    """A row of a room's table of kinds.

    Attributes:
        place: `module:Class`, imported when it is used.
        about: a line on what it is.
    """

    place: str
    about: str


def find_kind(name: str, table: Mapping[str, Kind], what: str, needs: Iterable[str] = ()) -> Any:
    """Import the class of a kind: a name of the table, else `FILE.py:Class`, else `module:Class`.

    Args:
        name: name as a recipe or a caller says it. A name that a checkpoint, run or store says of itself must be looked up in
            `table`
            alone: it may not choose what is imported.
        table: table of the room, from names to classes.
        what: a kind is a kind of, for messages: "objective".
        needs: attributes that such a class must have.

    Raises:
        ConfigError: if nothing has that name, or the class lacks an attribute.

    >>> find_kind("simclr", {"simclr": Kind("audiossl.objectives.simclr:SimCLR", "")}, "objective").__name__
    'SimCLR'
    """
    known = table.get(name)
    if known is None and ":" not in name:
        meant = nearest(name, table)
        raise ConfigError(f"there is no {what} '{name}'{meant}; choose one of {', '.join(table)}, or my_module:MyClass")
    found = import_place(known.place if known else name, what)
    lacking = [attribute for attribute in needs if not hasattr(found, attribute)]
    if lacking:
        raise ConfigError(f"{what} '{name}': expected a class with {', '.join(needs)}, {found!r} has no {', '.join(lacking)}")
    return found


def import_place(place: str, what: str) -> Any:
    """Import `module:Name` or `FILE.py:Name`; a module is looked for on the path, and in the folder that one works in.

    Raises:
        ConfigError: if the module or the name is not there, or the module cannot be imported.
    """
    module_name, _, name = place.rpartition(":")
    if not module_name or not name.isidentifier():
        raise ConfigError(f"{what}: expected my_module:MyClass or FILE.py:MyClass, got '{place}'")
    module = _import_file(Path(module_name), what) if module_name.endswith(".py") else _import_module(module_name, what)
    if not hasattr(module, name):
        public = [key for key, value in vars(module).items() if not key.startswith("_") and inspect.isclass(value)]
        own = [key for key in public if getattr(module, key).__module__ == module.__name__]
        raise ConfigError(f"{what} '{place}': {module_name} has no {name}{nearest(name, own)}; its classes are {', '.join(own)}")
    return getattr(module, name)


def place_of(kind: type) -> str:
    """Where a class can be imported from: `module:Class`, or `FILE.py:Class` of one that was found in a file.

    >>> place_of(Kind)
    'audiossl.kinds:Kind'
    """
    module = kind.__module__
    if module.startswith(FILE_MODULE):
        module = Path(str(sys.modules[module].__file__)).name
    return f"{module}:{kind.__qualname__}"


def trusted_class(place: str, origin: Path, trust_code: bool | str | type, what: str) -> type:
    """Import the class that a file names, if the caller trusts it.

    Args:
        place: place of the class, as the file says it.
        origin: the file, for messages.
        trust_code: True, or the class itself or its place; without, nothing is imported.
        what: the class is a kind of, for messages.

    Raises:
        ConfigError: if it is not trusted, is not there, or another class was given.
    """
    if not trust_code:
        raise ConfigError(
            f"{origin} names the class {place}, which is not part of audiossl: nothing was imported. If you know that code, load "
            f'with trust_code=True, or name the class yourself, trust_code="{place}"'
        )
    found = trust_code if isinstance(trust_code, type) else import_place(place if trust_code is True else trust_code, what)
    if not isinstance(found, type) or found.__qualname__ != place.rpartition(":")[2]:
        raise ConfigError(f"{origin}: the {what} is a {place}, and {getattr(found, '__qualname__', found)} was given")
    return found


def source_digest(found: object) -> str:
    """Hash the source file of a class from outside the package, which is part of the fingerprint of what it makes.

    Returns:
        The hash; "" for classes of the package itself: stages count their versions.

    Raises:
        ConfigError: if the class has no source file, as one typed into a prompt.
    """
    module = str(getattr(found, "__module__", ""))
    if module.partition(".")[0] == "audiossl":
        return ""
    try:
        path = inspect.getsourcefile(found if inspect.isclass(found) or inspect.isroutine(found) else type(found))
    except TypeError:
        path = None
    if path is None or not Path(path).is_file():
        raise ConfigError(
            f"{found!r} has no source file, so that its stage cannot be distinguished from another: write it to a file"
        )
    return hashlib.blake2b(Path(path).read_bytes(), digest_size=16).hexdigest()


def _import_file(path: Path, what: str) -> ModuleType:
    path = path.expanduser().absolute()
    if not path.is_file():
        raise ConfigError(f"{what}: {path} does not exist; expected FILE.py:MyClass or my_module:MyClass")
    name = f"{FILE_MODULE}{path.stem}_{hashlib.blake2b(str(path).encode(), digest_size=6).hexdigest()}"
    if name in sys.modules and getattr(sys.modules[name], "__source__", None) == path.read_bytes():
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # a .py file always has a loader
    module = importlib.util.module_from_spec(spec)
    module.__dict__["__source__"] = path.read_bytes()
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ConfigError(f"{what}: {path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _import_module(name: str, what: str) -> ModuleType:
    added = str(Path.cwd())
    sys.path.append(added)
    try:
        return importlib.import_module(name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise ConfigError(
                f"{what}: there is no module {name} on the path or in {added}; expected my_module:MyClass or FILE.py:MyClass"
            ) from error
        raise ConfigError(f"{what}: {name} cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        # The one that was put at the end: whoever has this folder further in front keeps it there.
        del sys.path[len(sys.path) - 1 - sys.path[::-1].index(added)]
