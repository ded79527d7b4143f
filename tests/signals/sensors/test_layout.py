from __future__ import annotations

import pytest

from audiossl.errors import DataError
from audiossl.signals.sensors.layout import require_files


def test_missing_files_are_named(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.txt").touch()
    assert require_files(tmp_path, ["sub/b.txt"]) == [tmp_path / "sub" / "b.txt"]
    with pytest.raises(DataError, match=r"lacks a\.txt, sub: unpack"):
        require_files(tmp_path, ["a.txt", "sub/b.txt", "sub"])
    with pytest.raises(DataError, match=r"lacks 0, 1, 2 and 4 others"):
        require_files(tmp_path, map(str, range(7)))
