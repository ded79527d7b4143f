"""results.jsonl: what a run leaves in the repository, and the tables that are made from it."""

from __future__ import annotations

import pytest
from tool_modules import load_tool

from audiossl.errors import ConfigError, StoreError
from audiossl.evaluation.results import ResultRow, read_results, write_results
from audiossl.files import read_jsonl, write_json
from audiossl.report.recorded import machine_name, record_run
from audiossl.report.recorded_tables import read_recorded, recorded_tables

SCORES = {"p1": (0.9, 10.0), "p2": (None, 4.0)}
ROWS = [
    ResultRow("hapt", "activity", "simclr", "accuracy", 0.693, 0.51, 0.83, 14, 2, SCORES),
    ResultRow("hapt", "activity", "simclr", "mae", 5.25, None, None, 14, 1),
    ResultRow("hapt", "activity", "random", "accuracy", 0.5, None, None, 14, 1),
]


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run" / "evaluate"
    folder.mkdir(parents=True)
    write_results(folder / "results.json", ROWS)
    write_json(folder / "stage.json", {"versions": {"commit": "abc1234def"}})
    write_json(folder.parent / "recipe.json", {"config": {"seeds": [1, 2]}})
    return folder.parent


def test_rows_are_appended_once_with_origin_and_scores_of_groups(run, tmp_path):
    file = tmp_path / "results.jsonl"
    assert record_run(run, file, machine="a laptop") == 3 and record_run(run, file) == 0
    first = read_jsonl(file)[0]
    assert list(first)[:3] == ["commit", "seed", "machine"] and (first["commit"], first["seed"]) == ("abc1234def", [1, 2])
    assert first["scores"] == {"p1": [0.9, 10.0], "p2": [None, 4.0]} and first["groups"] == 2 and first["machine"] == "a laptop"
    write_json(run / "evaluate" / "stage.json", {"versions": {"commit": "fff"}})
    write_results(run / "evaluate" / "results.json", [ResultRow("hapt", "activity", "random", "accuracy", 0.6, 0.5, 0.7, 14, 9)])
    assert record_run(run, file) == 1 and len(read_jsonl(file)) == 4
    assert [row["value"] for row in read_recorded(file)] == [0.693, 5.25, 0.6]  # the last of each


def test_scores_of_groups_survive_results_json(run):
    rows = read_results(run / "evaluate" / "results.json")
    assert rows == ROWS and rows[0].scores == SCORES and rows[1].scores is None


def test_tables_have_intervals_and_the_number_of_groups(run, tmp_path):
    record_run(run, tmp_path / "results.jsonl", machine="a laptop")
    text = recorded_tables(read_recorded(tmp_path / "results.jsonl"))
    assert "| hapt | activity, accuracy % | activity, mae |" in text
    assert "| simclr | 69.3 [51.0, 83.0] (2) | 5.25 |" in text and "| random | 50.0 |  |" in text
    assert "commit abc1234, seed 1, 2, a laptop." in text
    assert "mae" not in recorded_tables(read_recorded(tmp_path / "results.jsonl"), ["accuracy"])


def test_a_run_that_does_not_say_its_seed_asks_for_it(run, tmp_path):
    (run / "recipe.json").unlink()
    with pytest.raises(ConfigError, match="--seed"):
        record_run(run, tmp_path / "results.jsonl")
    assert record_run(run, tmp_path / "results.jsonl", seed=3) == 3
    assert read_jsonl(tmp_path / "results.jsonl")[0]["machine"] == machine_name()


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(StoreError, match="has no results"):
        record_run(tmp_path, tmp_path / "results.jsonl", seed=1)
    with pytest.raises(StoreError, match="record_results"):
        read_recorded(tmp_path / "none.jsonl")
    (tmp_path / "short.jsonl").write_text('{"commit": "a"}\n')
    with pytest.raises(StoreError, match="row 1 has no seed"):
        read_recorded(tmp_path / "short.jsonl")


def test_the_tools_write_a_readme(run, tmp_path, monkeypatch, capsys):
    file, page = tmp_path / "results.jsonl", tmp_path / "README.md"
    monkeypatch.setattr("sys.argv", ["record_results.py", str(run), str(file)])
    assert load_tool("record_results.py").main() == 0 and "3 new rows" in capsys.readouterr().out
    tables = load_tool("tables.py")
    page.write_text(f"# hapt\n\n{tables.BEGIN}\nold\n{tables.END}\n\nbelow\n")
    monkeypatch.setattr("sys.argv", ["tables.py", str(file), "--metric", "accuracy", "--write", str(page)])
    assert tables.main() == 0 and tables.main() == 0
    text = page.read_text()
    assert "old" not in text and text.count("69.3 [51.0, 83.0] (2)") == 1 and text.endswith("\n\nbelow\n")
    page.write_text("no comments")
    assert tables.main() == 1 and tables.BEGIN in capsys.readouterr().err
