"""Hostile files: refused or rejected in one line, in bounded time, with nothing run and nothing written elsewhere."""

from __future__ import annotations

import signal

import pytest
from hostile_files import CASES, outcome_of

SECONDS = 20


@pytest.fixture
def _bounded():
    def too_long(*_):
        raise AssertionError(f"it takes more than {SECONDS} s")

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)


@pytest.mark.usefixtures("_bounded")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.group}: {case.name}"[:60])
def test_a_hostile_file(case, tmp_path):
    found, said = outcome_of(case, tmp_path)
    assert found in case.outcome.split(" or "), said
    assert "\n" not in said.strip()
