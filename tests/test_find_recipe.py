"""Recipes by name, folder, or a path that is nearly right."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiossl import recipe_folders
from audiossl.errors import ConfigError
from audiossl.find_recipe import find_recipe

METHODS = {"spear", "finetune", "sensors"}


@pytest.fixture(autouse=True)
def installed(tmp_path, monkeypatch):
    """An installed package that came without recipes; the working directory is another."""
    monkeypatch.setattr(recipe_folders, "PACKAGE", tmp_path / "site-packages" / "audiossl")
    return tmp_path / "site-packages" / "audiossl"


def write(file, method):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"# About it.\nmethod: {method}\n")


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


def test_recipes_of_the_package_are_found_by_name_wherever_one_works(clone, installed, monkeypatch):
    for name in ("asterisk/spear", "hapt/sensors", "own/spear", "spear/base"):
        write(installed / "_recipes" / f"{name}.yaml", "spear")
    assert find_recipe(Path("asterisk/spear"), METHODS) == Path("recipes/asterisk/spear.yaml")  # one's own come first
    for folder in (clone, clone / "recipes" / "hapt"):
        monkeypatch.chdir(folder)
        assert find_recipe(Path("spear/base"), METHODS) == installed / "_recipes/spear/base.yaml"
        assert find_recipe(Path("recipes/spear"), METHODS) == installed / "_recipes/spear/base.yaml"
        assert find_recipe(Path("spear"), METHODS) == installed / "_recipes/own/spear.yaml"
    assert find_recipe(Path("asterisk/spear"), METHODS) == installed / "_recipes/asterisk/spear.yaml"
    assert find_recipe(Path("recipes/asterisk/spear.yaml"), METHODS) == installed / "_recipes/asterisk/spear.yaml"
    with pytest.raises(ConfigError, match=r"did you mean asterisk/spear\?\); there are: asterisk/spear, hapt/sensors, own/spear"):
        find_recipe(Path("asterisk/spaer"), METHODS)


def test_a_bare_name_means_data_of_ones_own_before_a_folder(clone, monkeypatch):
    write(clone / "recipes/spear/base.yaml", "spear")
    assert find_recipe(Path("spear"), METHODS) == Path("recipes/spear/base.yaml")
    write(clone / "recipes/own/spear.yaml", "spear")
    assert find_recipe(Path("spear"), METHODS) == Path("recipes/own/spear.yaml")
    write(clone / "spear.yaml", "spear")
    assert find_recipe(Path("spear"), METHODS) == Path("spear.yaml")


def test_a_checkout_is_read_and_not_the_stale_copy_that_an_editable_install_leaves(tmp_path, monkeypatch):
    checkout = tmp_path / "checkout"
    monkeypatch.setattr(recipe_folders, "PACKAGE", checkout / "audiossl")
    write(checkout / "recipes" / "asterisk" / "spear.yaml", "spear")
    write(checkout / "audiossl" / "_recipes" / "asterisk" / "spear.yaml", "stale")
    write(checkout / "audiossl" / "_recipes" / "asterisk" / "gone.yaml", "spear")
    for name in ("README.md", "../pyproject.toml"):
        (checkout / "recipes" / name).touch()
    monkeypatch.chdir(tmp_path)
    assert find_recipe(Path("asterisk"), METHODS) == checkout / "recipes/asterisk/spear.yaml"
    monkeypatch.chdir(checkout)
    assert find_recipe(Path("asterisk"), METHODS) == Path("recipes/asterisk/spear.yaml")
    with pytest.raises(ConfigError, match=r"there are: recipes/asterisk/spear\.yaml"):
        find_recipe(Path("asterisk/gone"), METHODS)
