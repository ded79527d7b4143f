"""What a recipe's file says without being run: its method, its comment, the folders that its script imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from audiossl.errors import ConfigError
from audiossl.files import read_yaml
from audiossl.recipe_folders import SUFFIXES


def recipe_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """The YAML files of a folder that are recipes, and the method of each."""
    for file in sorted(folder.glob("*.y*ml")):
        method = recipe_method(file) if file.is_file() and file.suffix in SUFFIXES else None
        if method is not None:
            yield file, method


def recipe_method(file: Path) -> str | None:
    """The method that a YAML file names; None if it is no recipe."""
    try:
        values = read_yaml(file)
    except ConfigError:
        return None
    method = values.get("method") if isinstance(values, dict) else None
    return method if isinstance(method, str) else None


def top_comment(text: str) -> str:
    """The comment at the top of a YAML file; empty if there is none."""
    lines = text.splitlines()
    ends = [number for number, line in enumerate(lines) if not line.startswith("#")]
    return "\n".join(line.lstrip("#").strip() for line in lines[: ends[0] if ends else None])


def first_sentence(text: str) -> str:
    """The first sentence of a comment or docstring, on one line.

    >>> first_sentence("SPEAR on prompts (arXiv 2510.25955),\\non a laptop. Ten minutes.")
    'SPEAR on prompts (arXiv 2510.25955), on a laptop.'
    """
    paragraph = " ".join(text.strip().partition("\n\n")[0].split())
    head, stop, _ = paragraph.partition(". ")
    return f"{head}." if stop else paragraph


def imported_folders(folder: Path) -> list[Path]:
    """The folders of recipes that the scripts of one import from (`from ..asterisk.prepare import`), and theirs in turn."""
    home, found, left = folder.parent, [folder], [folder]
    while left:
        for script in sorted(left.pop().rglob("*.py")):
            for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.level >= 2:
                    # `..` is the folder above that of the script; a name behind it may be a module there.
                    base = script.parents[node.level - 1]
                    names = [node.module.partition(".")[0]] if node.module else [alias.name for alias in node.names]
                    new = [base / name for name in names if base == home and (base / name).is_dir() and base / name not in found]
                    found, left = [*found, *new], [*left, *new]
    return found
