from __future__ import annotations

import pytest

from audiossl.errors import ConfigError
from audiossl.kinds import Kind, find_kind, import_place, source_digest

TABLE = {"simclr": Kind("audiossl.objectives.simclr:SimCLR", "contrast of two views")}


def test_name_of_the_table_is_its_class():
    from audiossl.objectives.simclr import SimCLR

    assert find_kind("simclr", TABLE, "objective") is SimCLR
    assert source_digest(SimCLR) == ""


def test_unknown_name_asks_for_the_nearest():
    with pytest.raises(ConfigError, match=r"no objective 'simlcr' \(did you mean simclr\?\)"):
        find_kind("simlcr", TABLE, "objective")


def test_file_and_module_from_outside(tmp_path, monkeypatch):
    (tmp_path / "mine_for_kinds.py").write_text("class Mine:\n    rate = 3\n")
    monkeypatch.chdir(tmp_path)
    by_module = find_kind("mine_for_kinds:Mine", TABLE, "objective", needs=["rate"])
    by_file = find_kind("mine_for_kinds.py:Mine", TABLE, "objective")
    assert by_module.rate == by_file.rate == 3
    assert source_digest(by_module) == source_digest(by_file) != ""
    with pytest.raises(ConfigError, match="has no forward"):
        find_kind("mine_for_kinds:Mine", TABLE, "objective", needs=["rate", "forward"])
    with pytest.raises(ConfigError, match=r"has no Main \(did you mean Mine\?\)"):
        import_place("mine_for_kinds.py:Main", "objective")


def test_edited_file_is_read_again(tmp_path):
    file = tmp_path / "edited.py"
    file.write_text("class A:\n    x = 1\n")
    assert import_place(f"{file}:A", "encoder").x == 1
    file.write_text("class A:\n    x = 2\n")
    assert import_place(f"{file}:A", "encoder").x == 2


@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        ("no_such_module_here:A", "there is no module no_such_module_here"),
        ("nowhere.py:A", "does not exist"),
        ("broken.py:A", "cannot be imported: ZeroDivisionError"),
        (":A", "expected my_module:MyClass"),
        ("os:", "expected my_module:MyClass"),
    ],
)
def test_what_cannot_be_imported_is_named(tmp_path, monkeypatch, place, complaint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    with pytest.raises(ConfigError, match=complaint):
        import_place(place, "encoder")
