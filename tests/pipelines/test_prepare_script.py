"""Prepare scripts import from their folder and from other recipes."""

from __future__ import annotations

import sys

import pytest

from audiossl.errors import ConfigError
from audiossl.pipelines.prepare_script import load_script

FUNCTIONS = "\ndef prepare_corpus(): return VALUE\ndef prepare_labels(): pass\n"


def recipe(folder, name, **files):
    (folder / name).mkdir(parents=True, exist_ok=True)
    for stem, text in files.items():
        (folder / name / f"{stem}.py").write_text(text)
    return folder / name / "prepare.py"


def test_script_imports_siblings_and_other_recipes(tmp_path):
    recipe(tmp_path, "first", prepare="ONE = 1")
    script = recipe(
        tmp_path, "second.v1", prepare="from ..first.prepare import ONE\nfrom .part import TWO\nVALUE = ONE + TWO" + FUNCTIONS,
        part="TWO = 2", unused="THREE = 3",
    )  # fmt: skip
    path = list(sys.path)
    loaded = load_script(script)
    assert loaded.module.prepare_corpus() == 3
    assert loaded.sources == [script.read_text(), "ONE = 1", "TWO = 2"]
    assert sys.path == path and "part" not in sys.modules


def test_equal_names_in_two_recipes_do_not_meet(tmp_path):
    text = "from .part import VALUE" + FUNCTIONS
    first, second = (recipe(tmp_path / name, "same", prepare=text, part=f"VALUE = '{name}'") for name in ("a", "b"))
    loaded = [load_script(script).module for script in (first, second)]
    assert [module.prepare_corpus() for module in loaded] == ["a", "b"]


def test_edited_files_are_read_again(tmp_path):
    text = "from .part import VALUE" + FUNCTIONS
    before = load_script(recipe(tmp_path, "one", prepare=text, part="VALUE = 'before'"))
    after = load_script(recipe(tmp_path, "one", prepare=text, part="VALUE = 'afterwards'"))
    assert after.module.prepare_corpus() == "afterwards"
    assert before.sources != after.sources


def test_missing_script_and_missing_function(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.py does not exist"):
        load_script(tmp_path / "gone.py")
    with pytest.raises(ConfigError, match="has no function prepare_labels"):
        load_script(recipe(tmp_path, "half", prepare="def prepare_corpus(): pass"))
