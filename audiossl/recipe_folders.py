"""Where recipes lie: below the working directory, in a checkout of audiossl, or in the installed package."""

from __future__ import annotations

from pathlib import Path

HOME = Path("recipes")  # of a clone or of one's own, below the working directory
PACKAGE = Path(__file__).parent
INSIDE = "_recipes"  # of the package: pyproject.toml has the wheel take the folder of recipes under this name
OWN = "own"  # the folder with a recipe for each method, for data of one's own
SUFFIXES = (".yaml", ".yml")


def packaged_recipes() -> Path | None:
    """The recipes that came with audiossl: those of the checkout that it runs from, else those in the installed package.

    An editable install leaves a copy in the environment, which grows stale: it is not read while there is a checkout.
    """
    checkout = PACKAGE.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / HOME / "README.md").is_file():
        return checkout / HOME
    return PACKAGE / INSIDE if (PACKAGE / INSIDE).is_dir() else None


def recipe_homes() -> list[Path]:
    """Folders of recipe folders, in the order in which they are searched."""
    packaged = packaged_recipes()
    own = [HOME] if HOME.is_dir() else []
    return own if packaged is None or (own and HOME.samefile(packaged)) else [*own, packaged]


def below_home(name: Path) -> Path:
    """A name as it is below a folder of recipes: without a leading `recipes/`."""
    return Path(*name.parts[1:]) if name.parts[:1] == (str(HOME),) else name


def find_recipe_folder(name: Path) -> Path | None:
    """A folder by its path, or by the name that it has among the recipes; None if there is none."""
    places = [name, *(home / below_home(name) for home in recipe_homes() if not name.is_absolute())]
    return next((place for place in places if place.is_dir()), None)
