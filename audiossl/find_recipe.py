"""Find the file of a recipe by its name, its folder, or a path that is nearly right."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from audiossl.errors import ConfigError
from audiossl.files import read_yaml
from audiossl.options import nearest

HOME = Path("recipes")  # of a clone, below the working directory
CLONE = Path(__file__).parents[1] / "recipes"  # wherever one works
OWN = "own"  # the folder of recipes for data of one's own: a bare name of a method means one of them
SUFFIXES = (".yaml", ".yml")
MOST_NAMED = 30


def find_recipe(name: Path, methods: Collection[str]) -> Path:
    """Return the file that is meant.

    Args:
        name: a file; a folder with one recipe; a name in `recipes/` of the working directory, such as `asterisk` or
            `asterisk/spear`; the name of a method, such as `simclr`, of `recipes/own/`; or a file with the other suffix, or
            none, of YAML.
        methods: that the recipe may have, where there are several in a folder.

    Raises:
        ConfigError: if there is none, or several; the message lists what there is.
    """
    own = [home / OWN / name for home in (HOME, CLONE)] if len(name.parts) == 1 else []
    for place in dict.fromkeys((name, HOME / name, *own)):
        for file in (place, *(place.with_suffix(suffix) for suffix in SUFFIXES if place.name)):
            if file.is_file() and (file.suffix in SUFFIXES or file == name):
                return file
        if place.is_dir() and (found := _recipes(place, methods)):
            if len(found) == 1:
                return found[0]
            raise ConfigError(f"{name} holds {len(found)} recipes, name one of them: {_listed(found)}")
    beside = name if name.is_dir() else name.parent
    known = _recipes(beside, methods) if beside != Path() and beside.is_dir() else []
    known = known or [file for folder in sorted(HOME.glob("*")) for file in _recipes(folder, methods)]
    if not known:
        why = "it holds no recipe" if name.is_dir() else "No such file or directory"
        raise ConfigError(f"cannot read {name}: {why}. A recipe is a YAML file, such as recipes/asterisk/spear.yaml of a clone")
    names = {word: file for file in known for word in (str(file), str(file.parent.relative_to(file.parents[1])), file.name)}
    meant = nearest(str(name), [str(file) for file in known]) or nearest(name.name, names)
    raise ConfigError(f"cannot read {name}: No such file or directory{meant}; there are: {_listed(known)}")


def _recipes(folder: Path, methods: Collection[str]) -> list[Path]:
    """The YAML files of a folder that are recipes of one of the methods."""
    return [file for file in sorted(folder.glob("*.y*ml")) if file.is_file() and _method(file) in methods]


def _method(file: Path) -> str | None:
    try:
        values = read_yaml(file)
    except ConfigError:
        return None
    method = values.get("method") if isinstance(values, dict) else None
    return method if isinstance(method, str) else None


def _listed(files: list[Path]) -> str:
    if len(files) <= MOST_NAMED:
        return ", ".join(map(str, files))
    return ", ".join(dict.fromkeys(str(file.parent) for file in files))
