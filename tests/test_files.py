"""Files and folders appear whole or not at all."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiossl.errors import ConfigError
from audiossl.files import read_json, read_jsonl, whole_file, whole_folder, write_json, write_jsonl


def test_folder_replaces_the_old_one_when_it_is_whole(tmp_path):
    path = tmp_path / "sub" / "é out"
    for text in ("first", "second"):
        with whole_folder(path) as partial:
            (partial / text).write_text(text)
            assert not (path / text).exists()
        assert [file.name for file in path.iterdir()] == [text]
    assert list(path.parent.iterdir()) == [path]


def test_failed_folder_leaves_the_old_one(tmp_path):
    path = tmp_path / "out"
    with whole_folder(path) as partial:
        (partial / "old").touch()
    with pytest.raises(KeyboardInterrupt), whole_folder(path) as partial:
        (partial / "new").touch()
        raise KeyboardInterrupt
    assert [file.name for file in path.iterdir()] == ["old"]
    with whole_folder(path) as partial:
        assert list(partial.iterdir()) == []  # what failed is not taken up
    assert list(path.iterdir()) == []


def test_file_replaces_the_old_one_when_it_is_whole(tmp_path):
    path = tmp_path / "sub" / "a.txt"
    with whole_file(path) as partial:
        partial.write_text("old")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and list(path.parent.iterdir()) == [path]


def test_unwritable_places(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(ConfigError, match=r"cannot write .*Choose another"), whole_file(tmp_path / "file" / "a"):
        pass
    with pytest.raises(ConfigError, match=r"cannot write .*Choose another"), whole_folder(tmp_path / "file" / "a"):
        pass
    assert (tmp_path / "file").read_text() == "kept"


def test_what_is_no_json_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", {"é": [1, 2.5, None]})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"bad": object()})
    assert read_json(tmp_path / "a.json") == {"é": [1, 2.5, None]}


texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["a\u2028b", "a\x85b", "a\x1cb", "\r\n", "\v\f", ""])


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(texts, texts | st.integers() | st.booleans(), max_size=3), max_size=4))
def test_jsonl_comes_back_whatever_the_text(tmp_path, rows):
    write_jsonl(tmp_path / "a.jsonl", rows)
    assert read_jsonl(tmp_path / "a.jsonl") == rows


def test_missing_and_blank_lines(tmp_path):
    assert read_jsonl(tmp_path / "nowhere.jsonl") == []
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\r\n\n{"b": 2}')
    assert read_jsonl(tmp_path / "a.jsonl") == [{"a": 1}, {"b": 2}]
