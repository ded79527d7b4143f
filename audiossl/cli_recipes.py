"""`audiossl recipes` and `audiossl kits`."""

from __future__ import annotations

import argparse
from pathlib import Path

from audiossl.errors import ConfigError


def add_recipes(parser: argparse.ArgumentParser) -> None:
    """Add `copy` to the command; without it recipes are listed."""
    parser.set_defaults(command=print_recipes)
    actions = parser.add_subparsers(metavar="copy")
    copy = actions.add_parser("copy", help="copy a recipe, to change it", description=copy_recipe.__doc__)
    copy.add_argument("name", help="folder of recipes, such as asterisk, or one of them, such as asterisk/spear")
    copy.add_argument(
        "folder", type=Path, help="folder to copy to; it gets the folder of the recipe, and those that its scripts import"
    )
    copy.set_defaults(command=copy_recipe)


def print_recipes(options: argparse.Namespace) -> int:
    """List the recipes that `audiossl run` and `finetune` take by name, and those of tasks for `evaluate`."""
    from audiossl.verbs.lists import list_recipes

    for line in list_recipes():
        print(f"{line.name:32s} {line.method:12s} {line.about}")
    return 0


def copy_recipe(options: argparse.Namespace) -> int:
    """Copy a recipe to a folder where it can be changed, with the folders that its scripts import."""
    from audiossl.verbs.lists import copy_recipe as copy

    for folder in copy(options.name, options.folder):
        print(folder)
    return 0


def add_kits(parser: argparse.ArgumentParser) -> None:
    """Add `make` to the command."""
    actions = parser.add_subparsers(required=True, metavar="make")
    make = actions.add_parser("make", help="make or check environments", description=make_kits.__doc__)
    make.add_argument("kits", nargs="+", metavar="KIT", help="names of kits: s3prl, hear, mteb")
    make.add_argument(
        "--folder", type=Path, help="folder of the environments; by default $AUDIOSSL_KITS or the cache of audiossl"
    )
    make.set_defaults(command=make_kits)


def make_kits(options: argparse.Namespace) -> int:
    """Make the isolated environments of s3prl, of heareval with hearvalidator, or of MTEB; those that are there are checked."""
    from audiossl.kits.environments import KITS
    from audiossl.kits.making import make_kit

    if unknown := [name for name in options.kits if name not in KITS]:
        raise ConfigError(f"there is no kit '{unknown[0]}'; choose of {', '.join(KITS)}")
    for name in options.kits:
        kit = make_kit(name, options.folder)
        print(f"{name}: {kit.home}, {kit.size / 1e9:.2f} GB, {kit.seconds / 60:.1f} min")
    return 0
