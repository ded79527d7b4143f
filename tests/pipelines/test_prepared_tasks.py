"""Task folders that a recipe prepares: made once, and again when the script or the user's data change."""

from __future__ import annotations

import os

import pytest

from audiossl.errors import ConfigError
from audiossl.pipelines.prepared_tasks import prepared_tasks

SCRIPT = """
def prepare_tasks(out, data_root):
    (out / "task").write_text((data_root / "a.txt").read_text() + "VERSION")
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "recipes" / "mine").mkdir(parents=True)
    (tmp_path / "recipes" / "mine" / "prepare.py").write_text(SCRIPT)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("one")
    return tmp_path / "recipes" / "mine"


def test_made_again_when_script_or_data_change(recipe, tmp_path, capsys):
    def made() -> str:
        return (prepared_tasks(recipe, tmp_path / "out" / "x", tmp_path / "data") / "task").read_text()

    assert made() == "oneVERSION" and "preparing" in capsys.readouterr().err
    os.utime(tmp_path / "data" / "a.txt", ns=(5, 5))
    assert made() == "oneVERSION" and capsys.readouterr().err == ""
    (tmp_path / "data" / "a.txt").write_text("two")
    assert made() == "twoVERSION" and "a.txt has changed" in capsys.readouterr().err
    (recipe / "prepare.py").write_text(SCRIPT.replace("VERSION", "!"))
    assert made() == "two!" and "script" in capsys.readouterr().err


def test_tasks_of_an_earlier_version_stay_and_record_their_data_now(recipe, tmp_path):
    folder = prepared_tasks(recipe, tmp_path / "out" / "x", tmp_path / "data")
    (folder / "data.json").unlink()
    (folder / "task").write_text("kept")
    assert prepared_tasks(recipe, tmp_path / "out" / "x", tmp_path / "data") == folder
    assert (folder / "task").read_text() == "kept" and (folder / "data.json").is_file()
    (tmp_path / "data" / "a.txt").write_text("other")
    assert (prepared_tasks(recipe, tmp_path / "out" / "x", tmp_path / "data") / "task").read_text() == "otherVERSION"


def test_a_folder_of_tasks_is_taken_as_it_is(tmp_path):
    assert prepared_tasks(tmp_path, tmp_path / "out") == tmp_path
    with pytest.raises(ConfigError, match="is no folder"):
        prepared_tasks(tmp_path / "none", tmp_path / "out")
