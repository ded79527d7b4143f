"""Recipes are listed with a sentence each, and copied with what their scripts import."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiossl import recipe_folders
from audiossl.cli import main
from audiossl.errors import ConfigError
from audiossl.pipelines.prepare_script import load_script
from audiossl.verbs.lists import copy_recipe, list_recipes

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path, monkeypatch):
    home = tmp_path / "site-packages" / "audiossl" / "_recipes"
    monkeypatch.setattr(recipe_folders, "PACKAGE", home.parent)
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "one/a.yaml": "# What a is,\n# in two lines: it is a. More of it.\nmethod: spear\n# not this",
        "one/notes.yaml": "just: notes",
        "one/prepare.py": "from ..two.prepare import x\nfrom .near import y\n",
        "one/near.py": "y = 1",
        "one/__pycache__/prepare.pyc": "",
        "one/part/prepare.py": "from ..near import y\nfrom ..other import z\n",
        "two/prepare.py": '"""Makes two. And more."""\nfrom .. import three\nx = 1\n',
        "three/__init__.py": "",
        "other/prepare.py": "z = 1",
    }.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    return home


def test_every_recipe_has_a_line(home, capsys):
    (home.parents[2] / "recipes" / "one").mkdir(parents=True)
    (home.parents[2] / "recipes" / "one" / "b.yml").write_text("method: finetune")
    lines = [(line.name, line.method, line.about) for line in list_recipes()]
    assert lines == [
        ("one/a", "spear", "What a is, in two lines: it is a."),
        ("one/b", "finetune", ""),
        ("other", "tasks", ""),
        ("two", "tasks", "Makes two."),
    ]
    assert main(["recipes"]) == 0
    assert "What a is, in two lines: it is a." in capsys.readouterr().out


def test_a_copy_has_what_its_scripts_import(home, tmp_path, capsys):
    assert main(["recipes", "copy", "one/a", "mine"]) == 0
    assert capsys.readouterr().out.split() == ["mine/one", "mine/two", "mine/three"]
    assert load_script(tmp_path / "mine/one/prepare.py", []).module.x == 1
    assert not list((tmp_path / "mine").rglob("*.pyc"))
    assert sorted(path.name for path in (tmp_path / "mine/one").iterdir() if path.name != "__pycache__") == [
        "a.yaml", "near.py", "notes.yaml", "part", "prepare.py",
    ]  # fmt: skip
    (tmp_path / "mine/one").rename(tmp_path / "mine/kept")
    with pytest.raises(ConfigError, match="mine/two, mine/three is there already"):
        copy_recipe("one", "mine")
    assert not (tmp_path / "mine/one").exists()


@pytest.mark.parametrize("name", ["oen", "recipes", "one/a/b/c"])
def test_a_recipe_that_is_not_there(home, name):
    with pytest.raises(ConfigError, match=rf"there is no recipe '{name}'.*one, other, two"):
        copy_recipe(name, "mine")


def test_the_recipes_of_this_repository(tmp_path):
    lines = {line.name: line for line in list_recipes()}
    assert {"asterisk/spear", "hear", "superb"} <= set(lines)
    assert all(line.about for line in lines.values())
    assert lines["asterisk/spear"].file.resolve() == REPOSITORY / "recipes" / "asterisk" / "spear.yaml"
    folders = copy_recipe("superb", tmp_path)
    assert {folder.name for folder in folders} == {"superb", "asterisk", "packaged"}
