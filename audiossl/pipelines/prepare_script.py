"""The prepare script beside a recipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from types import ModuleType

from audiossl.errors import ConfigError


def load_script(path: Path, functions: Sequence[str] = ("prepare_corpus", "prepare_labels")) -> ModuleType:
    """Import the prepare script of a recipe.

    Raises:
        ConfigError: if it does not exist, or lacks one of the functions.
    """
    spec = util.spec_from_file_location(f"audiossl_recipe_{path.parent.name}", path) if path.is_file() else None
    if spec is None or spec.loader is None:
        raise ConfigError(f"the recipe's prepare script {path} does not exist; set prepare=FILE beside the YAML")
    module = util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    for name in functions:
        if not hasattr(module, name):
            raise ConfigError(f"{path} has no function {name}(...); see recipes/README.md")
    return module
