"""Import the prepare script of a recipe, with the files that it imports from beside it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from types import ModuleType

from audiossl.errors import ConfigError


@dataclass(frozen=True)
class PrepareScript:
    """An imported script; `sources` are the texts of the files that it was made from, its own first, and `names` theirs."""

    module: ModuleType
    sources: list[str]
    names: tuple[str, ...]


def load_script(path: Path, functions: Sequence[str] = ("prepare_corpus", "prepare_labels")) -> PrepareScript:
    """Import a prepare script as `FOLDER.SCRIPT` of a package of its own, for the folder of recipes that it is in.

    So `from .other import name` finds a file beside it and `from ..asterisk.prepare import name` one of another recipe, without
    a change to `sys.path`. What an earlier load left is forgotten: files are read as they are now.

    Raises:
        ConfigError: if it does not exist or lacks one of the functions.
    """
    path = path.absolute()
    if not path.is_file():
        raise ConfigError(f"the recipe's prepare script {path} does not exist; set prepare=FILE next to the YAML")
    root = f"audiossl_recipes_{blake2b(str(path.parent.parent).encode(), digest_size=6).hexdigest()}"
    for name in [name for name in sys.modules if name.partition(".")[0] == root]:
        del sys.modules[name]
    folder = f"{root}.{path.parent.name.replace('.', '_')}"
    for name, place in ((root, path.parent.parent), (folder, path.parent)):
        package = ModuleType(name)
        package.__path__ = [str(place)]
        sys.modules[name] = package
    module = import_module(f"{folder}.{path.stem}")
    for name in functions:
        if not hasattr(module, name):
            raise ConfigError(f"{path} has no function {name}(...); see recipes/README.md")
    files = [path, *_other_files(root, path)]
    names = tuple(file.relative_to(path.parent.parent).as_posix() for file in files)
    return PrepareScript(module, [file.read_text(encoding="utf-8") for file in files], names)


def _other_files(root: str, script: Path) -> list[Path]:
    files = {
        file for name, module in sys.modules.items() if name.startswith(f"{root}.") and (file := module.__dict__.get("__file__"))
    }
    return [Path(file) for file in sorted(files - {str(script)})]
