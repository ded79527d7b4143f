"""BOLD runs of one's own: 48 tables and a table of people, one command; who is who, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from own_data import write_runs

from audiossl.cli import main
from audiossl.errors import AudiosslError, ConfigError
from audiossl.evaluation.results import read_results
from audiossl.files import read_json, read_jsonl
from audiossl.pipelines.catalogue import run_pipeline

TINY = ["training.max_steps=2", "encoder.dim=8", "encoder.num_layers=1", "scoring.repeats=1"]
TWO = "models={connectivity_mae: {kind: connectivity_mae}, raw_fc: {kind: raw_fc}}"


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_48_tables_and_their_people_by_one_command(desk, capsys):
    write_runs(desk / "tables")
    (desk / "tables" / "task-rest_bold.json").write_text(json.dumps({"RepetitionTime": 2.0}))
    before = {path.name for path in desk.iterdir()}
    assert main(["run", "connectivity", "corpus=tables", "phenotypes=people.csv", "tasks=sex,age", TWO, *TINY]) == 0
    run = desk / "runs" / "connectivity-tables"
    assert {path.name for path in desk.iterdir()} - before == {"runs"}, "the user writes no file, and nothing else appears"
    rows = {(row.task, row.model, row.metric): row for row in read_results(run / "results.json")}
    assert rows["phenotype_sex", "raw_fc", "auroc"].value > 0.9, "one edge differs"
    assert ("phenotype_age", "raw_fc", "mae") in rows and ("phenotype_sex", "connectivity_mae", "auroc") in rows
    assert (run / "report.html").stat().st_size > 10_000 and read_json(run / "recordings" / "set" / "set.json")["subjects"] == 48
    said = capsys.readouterr().err
    assert "48 runs of 48 people" in said and "people.csv: 48 of 48 people have a row" in said, "ids are 1 and 01"
    assert "phenotypes: sex (class), age (quantity)" in said


def test_a_dry_run_counts_people_and_classes(desk, capsys):
    write_runs(desk / "tables", 16)
    lines = (desk / "people.csv").read_text().splitlines()
    (desk / "people.csv").write_text("\n".join([*lines[:-1], "77,f,30.5,"]))
    assert main(["run", "connectivity", "corpus=tables", "phenotypes=people.csv", "tr=2", TWO, *TINY, "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert "15 of 16 people have a row; without one, and in no phenotype: 15; rows without a run: 77" in said
    assert "sex: 15 people, f 8, m 7; 1 lack it" in said and "not scored: note has one value" in said
    assert "time     about" in said and "disk     about" in said and not (desk / "runs").exists()


def test_what_is_not_plain_is_asked_for(desk):
    write_runs(desk / "tables", 12, volumes=40)
    rows = (desk / "people.csv").read_text().splitlines()
    grades = [rows[0] + ",grade", *(f"{row},{number % 4}" for number, row in enumerate(rows[1:]))]
    (desk / "people.csv").write_text("\n".join(grades))
    for keys, message in (
        (["phenotypes=people.csv"], "tr: no JSON file next to .*tr=SECONDS"),
        (["tr=2", "phenotypes=nobody.csv"], "nobody.csv is not there"),
        (["tr=2", "phenotypes=people.csv", "tasks=grade"], "grade:class or grade:quantity"),
        (["tr=2", "phenotypes=people.csv", "tasks=sexx"], r"no column 'sexx' \(did you mean sex\?\)"),
        (["tr=2", "phenotypes=people.csv", "confounds=motion"], "no column 'motion'"),
        (["tr=2"], "expected at least one task"),
    ):
        with pytest.raises(AudiosslError, match=message):
            run_pipeline(Path("connectivity"), ["corpus=tables", TWO, *keys, *TINY], last="recordings")
    run = run_pipeline(Path("connectivity"), ["corpus=tables", "tr=2", "phenotypes=people.csv", TWO, *TINY], last="recordings")
    about = read_jsonl(run / "recordings" / "set" / "recordings.jsonl")[3]["custom"]
    assert about["sex"] == "m" and about["task"] == "rest" and about["grade"] == 3


def test_odd_tables_are_rejected_by_name(desk, capsys):
    folder = write_runs(desk / "tables", 12)
    odd = (folder / "sub-05_task-rest_timeseries.csv").read_text().splitlines()
    (folder / "sub-05_task-rest_timeseries.csv").write_text("\n".join(line.rpartition(",")[0] for line in odd))
    (folder / "sub-06_task-rest_timeseries.csv").write_text("")
    run = run_pipeline(Path("connectivity"), ["corpus=tables", "tr=2", "phenotypes=people.csv", TWO, *TINY], last="recordings")
    rejected = {row["id"]: row["reason"] for row in read_jsonl(run / "recordings" / "set" / "rejected.jsonl")}
    assert len(rejected) == 2
    assert "its 7 regions x 60 volumes are not the 8 regions" in rejected["sub-05_task-rest_timeseries"]
    assert "2 runs were rejected" in capsys.readouterr().err


def test_no_folder(desk):
    with pytest.raises(ConfigError, match="this recipe is for data of your own"):
        run_pipeline(Path("connectivity"), [])
    with pytest.raises(ConfigError, match="expected a folder of runs, found none at nowhere"):
        run_pipeline(Path("connectivity"), ["corpus=nowhere", "tr=2", "phenotypes=people.csv"])
