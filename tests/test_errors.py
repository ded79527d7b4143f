"""Errors for the user, and the hint that names the missing extra."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from audiossl import errors
from audiossl.errors import AudiosslError, DataError, MissingExtraError, import_extra, naming


def test_every_error_has_one_base():
    kinds = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(kinds) == 5 and all(issubclass(kind, AudiosslError) for kind in kinds)


def test_naming_puts_the_file_before_the_message_of_data_errors_alone():
    with pytest.raises(DataError, match=r"^a\.mat: too short$"), naming(Path("folder/a.mat")):
        raise DataError("too short")
    with pytest.raises(ValueError, match=r"^too short$"), naming(Path("a.mat")):
        raise ValueError("too short")


def test_import_extra(monkeypatch):
    assert import_extra("json", "hf") is json
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"'transformers'.*pip install \"audiossl\[hf\]\""):
        import_extra("transformers", "hf")


def test_a_broken_extra_says_why(monkeypatch, tmp_path):
    (tmp_path / "broken_extra.py").write_text("raise ImportError('libsomething.so is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match=r"libsomething\.so is missing"):
        import_extra("broken_extra", "audio")


def test_named_extras_are_declared():
    """Every extra that the code names is one that pip can install."""
    import re
    import tomllib
    from pathlib import Path

    root = Path(errors.__file__).parents[1]
    declared = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    sources = [path.read_text() for path in (root / "audiossl").rglob("*.py")]
    named = {extra for text in sources for extra in re.findall(r'import_extra\(\s*"[\w.]+", "(\w+)"', text)}
    assert "hf" in named and named <= set(declared)
