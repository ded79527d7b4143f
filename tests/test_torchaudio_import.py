"""A torchaudio whose compiled parts do not load is imported without them."""

from __future__ import annotations

import sys

import pytest

from audiossl.errors import MissingExtraError
from audiossl.torchaudio_import import import_torchaudio


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package torchaudio on the path, whose `_extension` runs some code."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "torchaudio").mkdir()

    def write(code: str) -> None:
        (tmp_path / "torchaudio" / "_extension.py").write_text(code)
        (tmp_path / "torchaudio" / "__init__.py").write_text("from torchaudio import _extension\nmine = True\n")

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        del sys.modules[name]


@pytest.mark.parametrize("error", ["OSError('no libc10_cuda.so')", "RuntimeError('other versions of CUDA')"])
def test_compiled_parts_for_another_torch_are_left_out(install, error):
    install(f"raise {error}")
    torchaudio = import_torchaudio()
    assert torchaudio.mine and not torchaudio._extension._IS_TORCHAUDIO_EXT_AVAILABLE


def test_a_whole_one_is_as_it_is(install):
    install("whole = True")
    assert import_torchaudio()._extension.whole


def test_none_at_all(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    with pytest.raises(MissingExtraError, match=r"audiossl\[audio\]"):
        import_torchaudio()
