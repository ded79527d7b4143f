"""What can be named: models and recipes, and how to take a recipe away to change it."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audiossl.errors import ConfigError
from audiossl.files import whole_folder
from audiossl.options import nearest
from audiossl.recipe_folders import find_recipe_folder, recipe_homes
from audiossl.recipe_text import first_sentence, imported_folders, recipe_files, top_comment

TASKS = "tasks"  # what a recipe without a YAML file makes, for `audiossl evaluate`


@dataclass(frozen=True)
class RecipeLine:
    """A recipe in a list.

    Attributes:
        name: name as `audiossl.run` takes it, `FOLDER/NAME`; the folder, for task folders of `audiossl.evaluate`.
        method: what it runs, or "tasks".
        about: a sentence on what it is.
        file: the YAML file, or the script that makes the tasks.
    """

    name: str
    method: str
    about: str
    file: Path


def list_recipes() -> list[RecipeLine]:
    """List the recipes in `recipes/` of the working directory, then those that came with audiossl.

    >>> {line.name: line.method for line in list_recipes()}["asterisk/spear"]
    'spear'
    """
    found: dict[str, RecipeLine] = {}
    for home in recipe_homes():
        for line in (line for folder in sorted(home.glob("*/")) for line in _lines(folder)):
            found.setdefault(line.name, line)
    return [found[name] for name in sorted(found)]


def copy_recipe(name: str, folder: str | Path) -> list[Path]:
    """Copy a recipe to a folder where it can be changed, with the folders that its scripts import.

    Args:
        name: a folder of recipes, such as "asterisk", or one of its recipes, such as "asterisk/spear".
        folder: folder that gets `asterisk/`, and next to it `packaged/` where a script of it imports from there.

    Returns:
        The folders that were written, that of the recipe first.

    Raises:
        ConfigError: if there is no such recipe, or a folder of that name is there already; nothing is copied then.

    >>> import tempfile
    >>> [path.name for path in copy_recipe("cubnm_hcp", tempfile.mkdtemp())]
    ['cubnm_hcp']
    """
    source = find_recipe_folder(Path(name)) or find_recipe_folder(Path(name).parent if "/" in name else Path(name))
    if source is None or source in recipe_homes():
        known = sorted({line.name.partition("/")[0] for line in list_recipes()})
        raise ConfigError(f"there is no recipe '{name}'{nearest(name, known)}; there are: {', '.join(known)}")
    wanted = {place: Path(folder) / place.name for place in imported_folders(source)}
    if there := [str(copy) for copy in wanted.values() if copy.exists()]:
        raise ConfigError(f"{', '.join(there)} is there already: choose another folder")
    for place, copy in wanted.items():
        with whole_folder(copy) as partial:
            shutil.copytree(place, partial, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return list(wanted.values())


def _lines(folder: Path) -> Iterator[RecipeLine]:
    """The recipes of a folder, with a sentence from the comment at the top of each file."""
    found = False
    for file, method in recipe_files(folder):
        found = True
        yield RecipeLine(
            f"{folder.name}/{file.stem}", method, first_sentence(top_comment(file.read_text(encoding="utf-8"))), file
        )
    script = folder / "prepare.py"
    if not found and script.is_file():
        about = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
        yield RecipeLine(folder.name, TASKS, first_sentence(about), script)


@dataclass(frozen=True)
class ModelName:
    """A name, or a form of names, that `audiossl.load` takes.

    Attributes:
        name: what to write.
        about: a line on what it is.
        frame_rate: frames per second, if the name alone says it.
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
