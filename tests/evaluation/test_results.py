from __future__ import annotations

import io
import json
import math
from dataclasses import asdict, replace

import pytest
from rich.console import Console

from audiossl.errors import StoreError
from audiossl.evaluation.results import ResultRow, print_results, read_results, write_results

ROWS = [
    ResultRow("asterisk", "frame_phones", "logmel", "accuracy", 0.64, 0.63, 0.65, 12345),
    ResultRow("asterisk", "frame_phones", "student", "accuracy", 0.69, 0.68, 0.70, 12345),
    ResultRow("asterisk", "language", "student", "accuracy", 0.9, 0.85, 0.95, 210),
]


def test_rows_survive_and_have_the_promised_names(tmp_path):
    write_results(tmp_path / "results.json", ROWS)
    assert read_results(tmp_path / "results.json") == ROWS
    plain = json.loads((tmp_path / "results.json").read_text())
    assert isinstance(plain, list)
    assert list(plain[0]) == ["dataset", "task", "model", "metric", "value", "low", "high", "n"]


def test_table_has_the_best_first():
    console = Console(file=io.StringIO(), width=120)
    print_results(ROWS, console)
    text = console.file.getvalue()
    assert text.index("student") < text.index("logmel") < text.index("language")
    assert "0.690" in text and "0.680 .. 0.700" in text and "12,345" in text


@pytest.mark.parametrize("is_terminal", [True, False])
def test_numbers_are_whole_however_narrow_the_console_is(is_terminal):
    """A terminal folds names of models; a log is as wide as the table."""
    rows = [replace(row, model="a[b]_model_" * 9) for row in ROWS]
    console = Console(file=io.StringIO(), width=70, force_terminal=is_terminal, color_system=None)
    print_results(rows, console)
    text = console.file.getvalue()
    assert text.count("0.680 .. 0.700") == 1 and "…" not in text and "asterisk frame_phones accuracy" in text
    assert ("a[b]_model_" * 9 in text) != is_terminal and (max(map(len, text.splitlines())) <= 70) == is_terminal


def test_numbers_that_are_none_are_refused():
    with pytest.raises(ValueError, match="finite"):
        ResultRow("a", "b", "c", "d", math.nan, 0.0, 1.0, 1)
    with pytest.raises(ValueError, match="two ends or none"):
        ResultRow("a", "b", "c", "d", 0.5, None, 1.0, 1)


def test_a_row_without_an_interval_survives_and_is_printed(tmp_path):
    rows = [replace(ROWS[0], groups=9), replace(ROWS[1], low=None, high=None, groups=1)]
    write_results(tmp_path / "results.json", rows)
    assert read_results(tmp_path / "results.json") == rows
    assert json.loads((tmp_path / "results.json").read_text())[1]["low"] is None
    console = Console(file=io.StringIO(), width=120)
    print_results(rows, console)
    assert "0.630 .. 0.650 (9)" in console.file.getvalue() and "none (1)" in console.file.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}x",
        '[{"dataset": "a"}]',
        "[3]",
        json.dumps([{**asdict(ROWS[0]), "groups": "two"}]),
    ],
)
def test_broken_file_is_named(tmp_path, text):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(StoreError, match=r"results\.json"):
        read_results(tmp_path / "results.json")
