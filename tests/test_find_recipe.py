"""Recipes by name, folder, or a path that is nearly right."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiossl.errors import ConfigError
from audiossl.find_recipe import find_recipe

METHODS = {"spear", "finetune", "sensors"}


@pytest.fixture
def clone(tmp_path, monkeypatch):
    for name in ("asterisk/spear.yaml", "asterisk/ctc.yaml", "hapt/sensors.yaml", "one/mine.yml"):
        path = tmp_path / "recipes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"method: {'finetune' if path.stem == 'ctc' else 'spear'}\n")
    (tmp_path / "recipes" / "hapt" / "notes.yaml").write_text("just: notes")
    (tmp_path / "recipes" / "hapt" / "broken.yaml").write_text("a: [")
    (tmp_path / "recipes" / "README.md").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


FOUND = {
    "recipes/asterisk/spear.yaml": "recipes/asterisk/spear.yaml",
    "recipes/asterisk/spear.yml": "recipes/asterisk/spear.yaml",
    "recipes/asterisk/spear": "recipes/asterisk/spear.yaml",
    "asterisk/spear": "recipes/asterisk/spear.yaml",
    "hapt": "recipes/hapt/sensors.yaml",
    "recipes/hapt": "recipes/hapt/sensors.yaml",
    "recipes/hapt/": "recipes/hapt/sensors.yaml",
    "one": "recipes/one/mine.yml",
    "recipes/one/mine.yaml": "recipes/one/mine.yml",
}


@pytest.mark.parametrize("name", FOUND)
def test_found(clone, name):
    assert find_recipe(Path(name), METHODS) == Path(FOUND[name])


def test_of_several_the_method_decides(clone):
    assert find_recipe(Path("asterisk"), {"finetune"}) == Path("recipes/asterisk/ctc.yaml")


MISSING = {
    "asterisk": "asterisk holds 2 recipes, name one of them: recipes/asterisk/ctc.yaml, recipes/asterisk/spear.yaml",
    "recipes/asterisk/spaer.yaml": "did you mean recipes/asterisk/spear.yaml.*; there are: recipes/asterisk/ctc.yaml",
    "asteriks": "did you mean asterisk.*recipes/asterisk/spear.yaml",
    "nothing/like/it.yaml": "cannot read nothing/like/it.yaml: No such.*recipes/hapt/sensors.yaml, recipes/one/mine.yml",
}


@pytest.mark.parametrize("name", MISSING)
def test_missing(clone, name):
    with pytest.raises(ConfigError, match=MISSING[name]):
        find_recipe(Path(name), METHODS)


@pytest.mark.parametrize("name", ["asterisk", ".", "recipes/asterisk/spear.yaml", "a/b/c"])
def test_without_any_recipe(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=rf"cannot read {name}: .*such as recipes/asterisk/spear\.yaml of a clone"):
        find_recipe(Path(name), METHODS)


def test_many_are_named_by_folder(clone):
    for number in range(40):
        (clone / "recipes" / f"r{number:02d}").mkdir()
        (clone / "recipes" / f"r{number:02d}" / "spear.yaml").write_text("method: spear")
    with pytest.raises(ConfigError, match=r"there are: recipes/asterisk, recipes/hapt, recipes/one, recipes/r00, .*recipes/r39$"):
        find_recipe(Path("zzz"), METHODS)
