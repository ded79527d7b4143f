"""`audiossl compare`: one table over runs, z-scores by hand, agreement of tasks."""

from __future__ import annotations

import csv

import pytest
from page_words import prose_of, raw_python

from audiossl.cli import main
from audiossl.errors import ConfigError, StoreError
from audiossl.evaluation import compare
from audiossl.evaluation.compare import compare_runs, write_csv
from audiossl.evaluation.cost import Cost
from audiossl.evaluation.hear.scores import SCORES
from audiossl.evaluation.results import ResultRow, write_results
from audiossl.files import read_json
from audiossl.report.results import is_share
from audiossl.verbs.compare import compare as compare_verb


def write(folder, rows):
    folder.mkdir()
    write_results(folder / "results.json", [ResultRow(d, t, m, k, v, v - 0.05, v + 0.05, 10) for d, t, m, k, v in rows])
    return folder


@pytest.fixture
def runs(tmp_path):
    values = {"student": 0.9, "logmel": 0.5, "random": 0.7}
    rows = [("a", "words", model, "accuracy", value) for model, value in values.items()]
    first = write(tmp_path / "first", rows + [("a", "words", model, "wer", 1 - value) for model, value in values.items()])
    other = {"student": 0.2, "logmel": 0.8, "random": 0.5}
    second = write(tmp_path / "second", [("b", "tones", model, "accuracy", value) for model, value in other.items()])
    return first, second


def test_z_scores_and_agreement_by_hand(runs):
    found = compare_runs(runs)
    assert found.models == ["student", "logmel", "random"] and len(found.settings) == 3
    unit = 1.5**0.5  # three evenly spaced values lie 1.22 deviations from their mean
    # Both metrics of the first task agree, the second task says the opposite.
    z = found.z_scores()
    assert z["student"] == (pytest.approx(0), 2) and z["random"] == (pytest.approx(0), 2)
    assert compare_runs(runs[:1]).z_scores()["student"] == (pytest.approx(unit), 1)
    agreement = list(found.agreement().values())
    assert agreement == [pytest.approx(1), pytest.approx(-1), pytest.approx(-1)]
    assert compare_runs(runs, ["wer"]).settings == [("a", "words", "wer")]


def test_the_same_model_of_two_runs_is_named_after_them(runs, tmp_path):
    again = write(tmp_path / "again", [("a", "words", "student", "accuracy", 0.95)])
    models = compare_runs([*runs, again]).models
    assert "first/student" in models and "again/student" in models and "logmel" in models


def test_equal_models_say_nothing(tmp_path):
    same = write(tmp_path / "same", [("a", "t", name, "accuracy", 0.5) for name in "xyz"])
    found = compare_runs([same])
    assert found.z_scores() == {} and found.agreement() == {}


def test_the_command_prints_and_writes(runs, tmp_path, capsys):
    files = ["--csv", str(tmp_path / "out.csv"), "--html", str(tmp_path / "out.html")]
    assert main(["compare", *map(str, runs), *files]) == 0
    printed = capsys.readouterr().out
    assert "accuracy %" in printed and "90.0" in printed and "0.9\n" not in printed
    assert "student" in printed and "rank correlation -1.00" in printed
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert len(rows) == 9 and rows[0]["model"] == "student" and float(rows[0]["z"]) > 1
    assert "Mean z-score" in (tmp_path / "out.html").read_text()
    write_csv(compare_runs(runs[:1]), tmp_path / "out.csv")
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 7


def test_costs_stand_beside_their_model(runs, tmp_path, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(compare, "measure_cost", lambda encoder: asked.append(encoder) or Cost(3_774_974, 0.30136, 0.0123, 0.366))
    files = ["--csv", str(tmp_path / "out.csv"), "--html", str(tmp_path / "out.html")]
    assert main(["compare", *map(str, runs), *files, "--cost", "student=runs/asterisk"]) == 0
    assert asked == ["runs/asterisk"]
    printed = capsys.readouterr().out
    assert "GFLOP" in printed and "0.301" in printed
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert rows[0]["num_parameters"] == "3774974" and rows[0]["cpu_seconds"] == "0.0123"
    assert {row["gflop"] for row in rows if row["model"] != "student"} == {""}
    assert "3,774,974" in (tmp_path / "out.html").read_text()
    for cost, expected in (("logmel", "NAME=MODEL"), ("wavlm=hf:x", "no results of wavlm; compared are student")):
        assert main(["compare", *map(str, runs), "--cost", cost]) == 2
        assert expected in capsys.readouterr().err


def test_shares_of_every_family_are_per_cent_and_say_so(tmp_path, capsys):
    folder = write(tmp_path / "hear", [("fsd50k", "hear", "a", "mAP", 0.412), ("fsd50k", "hear", "a", "d_prime", 1.5)])
    assert main(["compare", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "mAP %" in printed and "41.2" in printed and "d_prime %" not in printed and "1.5" in printed
    shares = {name for name in SCORES if name != "d_prime"}
    assert all(is_share(name) for name in shares) and not is_share("d_prime")


def test_mistakes_are_named(runs, tmp_path, capsys):
    with pytest.raises(StoreError, match="nothing has no results"):
        compare_runs([tmp_path / "nothing"])
    with pytest.raises(ConfigError, match="of these metrics"):
        compare_runs(runs, ["bleu"])
    assert main(["compare", str(tmp_path / "nothing")]) == 2
    capsys.readouterr()


def test_rows_without_an_interval_are_compared_and_groups_are_named(tmp_path, capsys):
    """A row of a file that does not say its groups, one of nine people, and one of a single person."""
    (tmp_path / "run").mkdir()
    rows = [
        ResultRow("a", "t", "old", "accuracy", 0.5, 0.4, 0.6, 10),
        ResultRow("a", "t", "new", "accuracy", 0.7, 0.6, 0.8, 10, 9),
    ]
    write_results(tmp_path / "run" / "results.json", [*rows, ResultRow("a", "t", "alone", "accuracy", 0.6, None, None, 10, 1)])
    assert [set(row) >= {"groups"} for row in read_json(tmp_path / "run" / "results.json")] == [False, True, True]
    files = ["--csv", str(tmp_path / "out.csv"), "--html", str(tmp_path / "out.html")]
    assert main(["compare", str(tmp_path / "run"), *files]) == 0
    text = capsys.readouterr().out
    assert "[60.0, 80.0] (9)" in text and "[40.0, 60.0]" in text and "None" not in text
    with (tmp_path / "out.csv").open() as file:
        ends = {row["model"]: (row["low"], row["high"], row["groups"]) for row in csv.DictReader(file)}
    assert ends == {"old": ("0.4", "0.6", ""), "new": ("0.6", "0.8", "9"), "alone": ("", "", "1")}
    page = prose_of(tmp_path / "out.html")
    assert "[60.0, 80.0] (9)" in page and "have no interval" in page and not raw_python(page)


def test_one_run_alone_is_a_comparison_as_well(runs):
    alone, listed = compare_verb(str(runs[0])), compare_verb([runs[0]])
    assert alone.models == listed.models == ["student", "logmel", "random"] and alone.settings == listed.settings
