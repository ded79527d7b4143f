"""Melodies for the runs, how often each is killed, and the count at the end: `survived n of n`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from commands import contents, losses, run, toy_words
from toy.prepare import write_melodies


@pytest.fixture(scope="session")
def melodies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("melodies")
    write_melodies(folder)
    return folder


@dataclass
class Run:
    """A finished run of the toy recipe, what it holds, and how many seconds commands take that nothing happens to."""

    output: Path
    words: list[str]
    log: Path
    contents: dict[str, str]
    losses: list[tuple[int, float]]
    seconds: dict[str, float]
    expected: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, melodies: Path) -> Run:
    """A run that nothing happened to; a test that does harm to it leaves it as it was, or fails."""
    folder = tmp_path_factory.mktemp("whole")
    output, words = folder / "run", toy_words(folder / "run", melodies)
    run(["models"], folder / "log")  # the server of processes starts, which takes as long as a run
    done = run(words, folder / "log")
    assert done.code == 0, done.printed
    return Run(output, words, folder / "log", contents(output), losses(output), {"run": done.seconds})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "moment" in metafunc.fixturenames:
        metafunc.parametrize("moment", range(metafunc.config.getoption("--kills")))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counted = {
        outcome: sum("faults/" in report.nodeid for report in terminalreporter.getreports(outcome) if report.when != "teardown")
        for outcome in ("passed", "failed", "error")
    }
    calls = sum("faults/" in report.nodeid and report.when == "call" for report in terminalreporter.getreports("passed"))
    total = calls + counted["failed"] + counted["error"]
    if total:
        terminalreporter.write_line(f"survived {calls} of {total}")
