from __future__ import annotations

import io

import pytest
from rich.console import Console

from audiossl import progress


def test_items_come_through_and_a_log_gets_lines(capsys, monkeypatch):
    clock = iter(range(0, 1000, 15))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    assert list(progress.track([3, 4, 5], "clips [a]")) == [3, 4, 5]
    said = capsys.readouterr().err.splitlines()
    assert said and all(line.startswith("clips [a]  ") and line.endswith("/3") for line in said)
    assert list(progress.track((n for n in [1]), "no length", shown=False)) == [1]


@pytest.mark.parametrize("kind", ["force_terminal", "force_jupyter"])
def test_terminals_and_notebooks_are_live(kind):
    assert progress.is_live(Console(file=io.StringIO(), **{kind: True}))
    assert not progress.is_live(Console(file=io.StringIO(), force_terminal=False, force_jupyter=False))
