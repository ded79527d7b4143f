"""Find the file of a recipe by its name, its folder, or a path that is nearly right."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from audiossl.errors import ConfigError
from audiossl.options import nearest
from audiossl.recipe_folders import HOME, OWN, SUFFIXES, below_home, recipe_homes
from audiossl.recipe_text import recipe_files

MOST_NAMED = 30


def find_recipe(name: Path, methods: Collection[str]) -> Path:
    """Return the file that is meant.

    Args:
        name: a file; a folder with one recipe; a bare name such as `spear`, the recipe in `own/` for data of one's own; a name in
            `recipes/` of the working directory, or among the recipes that came with audiossl, such as `hapt` or
            `asterisk/spear`; or a file with the other suffix, or none, of YAML.
        methods: methods that the recipe may have, where there are several in a folder.

    Raises:
        ConfigError: if there is none, or several; the message lists what there is.
    """
    homes = recipe_homes()
    if file := _file(name, name):
        return file
    if name.parts == (name.stem,):
        for home in homes:
            if file := _file(home / OWN / name, name):
                return file
    for place in dict.fromkeys([name, *(home / below_home(name) for home in homes)]):
        if file := _file(place, name):
            return file
        if place.is_dir() and (found := _recipes(place, methods)):
            if len(found) == 1:
                return found[0]
            raise ConfigError(f"{name} holds {len(found)} recipes, name one of them: {_listed(found)}")
    beside = name if name.is_dir() else name.parent
    known = _recipes(beside, methods) if beside != Path() and beside.is_dir() else []
    known = known or [file for home in homes for folder in sorted(home.glob("*")) for file in _recipes(folder, methods)]
    if not known:
        why = "it holds no recipe" if name.is_dir() else "No such file or directory"
        raise ConfigError(f"cannot read {name}: {why}. A recipe is a YAML file, such as recipes/asterisk/spear.yaml of a clone")
    names = {word: file for file in known for word in (_named(file), file.parent.name, file.name)}
    meant = nearest(str(name), map(_named, known)) or nearest(name.name, names)
    raise ConfigError(f"cannot read {name}: No such file or directory{meant}; there are: {_listed(known)}")


def _file(place: Path, name: Path) -> Path | None:
    """The YAML file of a path, with its own suffix or another; of the very name that was given any file."""
    for file in (place, *(place.with_suffix(suffix) for suffix in SUFFIXES if place.name)):
        if file.is_file() and (file.suffix in SUFFIXES or file == name):
            return file
    return None


def _recipes(folder: Path, methods: Collection[str]) -> list[Path]:
    """The YAML files of a folder that are recipes of one of the methods."""
    return [file for file, method in recipe_files(folder) if method in methods]


def _named(file: Path) -> str:
    """A recipe as it is written: `asterisk/spear` of those that came with audiossl, a path of others."""
    homes = [home for home in recipe_homes() if home != HOME and file.is_relative_to(home)]
    return file.relative_to(homes[0]).with_suffix("").as_posix() if homes else str(file)


def _listed(files: list[Path]) -> str:
    if len(files) <= MOST_NAMED:
        return ", ".join(map(_named, files))
    return ", ".join(dict.fromkeys(Path(_named(file)).parent.as_posix() for file in files))
