"""A folder of recordings and a table become tokens, a student, a probe and a page by one command; nobody writes a file."""

from __future__ import annotations

import json

import pytest
from own_recordings import RECIPES, TINY, write_recordings, write_rows

from audiossl.errors import ConfigError, DataError
from audiossl.pipelines.catalogue import run_pipeline
from audiossl.pipelines.spear.config import SpearRecipe
from audiossl.signals.corpora.opening import open_corpus

RECIPE = RECIPES / "spear.yaml"
WITH_LABELS = ["corpus=recordings/", "table=metadata.csv", "tasks=speaker", *TINY]


def stages_run(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if " done in " in line]


def test_two_hundred_recordings_and_a_table_by_one_command(tmp_path, monkeypatch, capfd):
    rows = write_recordings(tmp_path, 200, seconds=0.3)
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    output = run_pipeline(RECIPE, WITH_LABELS)
    assert str(output) == "runs/spear-recordings"
    results = json.loads((output / "results.json").read_text())
    assert {row["model"] for row in results} == {"student", "teacher", "logmel", "random"}
    assert {row["dataset"] for row in results} == {"recordings"} and {row["task"] for row in results} == {"speaker"}
    # Hums differ in pitch alone: whatever hears them tells them apart far better than one in four.
    assert min(row["value"] for row in results if row["metric"] == "accuracy") > 0.6
    assert "speaker" in (output / "report.html").read_text() and (output / "tokens" / "logmel").is_dir()
    assert (output / "pretrain" / "student" / "config.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "runs"])
    capfd.readouterr()

    # Another column of labels costs a measurement, not the student.
    write_rows(tmp_path / "metadata.csv", [{**row, "even": str(number % 2)} for number, row in enumerate(rows)])
    run_pipeline(RECIPE, [*WITH_LABELS, "tasks=speaker,even"], last="pretrain")
    assert stages_run(capfd.readouterr().err) == ["labels", "token_quality"]

    # The folder belongs to these recordings.
    write_recordings(tmp_path / "other", 6)
    with pytest.raises(ConfigError, match=r"runs/spear-recordings holds a run that was made from .*/recordings; .* output=DIR"):
        run_pipeline(RECIPE, ["corpus=other/recordings"])


@pytest.mark.parametrize(
    "words, error, message",
    [
        (["tasks=speeker"], ConfigError, r"no column is called 'speeker' \(did you mean speaker\?\); the columns are"),
        (["tasks=speaker", "split.by=speaker"], DataError, "no speaker of the test side occurs in training"),
        (["tasks=speaker", "where=speaker == 'person 1'"], DataError, "all 6 labels in the column 'speaker' are 'person 1'"),
        (["tasks=height"], DataError, r"looks like a quantity \(24 different numbers in 24 recordings"),
        (
            ["tasks=alone"],
            DataError,
            r"1 of 3 classes of 'alone' have one recording only \('x'; .*where=\"alone not in \['x'\]\"",
        ),
        (["tasks=file2"], DataError, "each of the 24 classes of 'file2' is in one recording only"),
        (["tasks=empty"], DataError, "all cells of the column 'empty' are empty"),
        (["split.by=session"], ConfigError, "split.by=session: .* has no such column"),
        (["corpus=metadata.csv", "table=null"], DataError, "none of the 24 files that metadata.csv names is there"),
        (["corpus=null"], ConfigError, "table: expected a corpus too"),
        (["corpus=null", "table=null"], ConfigError, "say where they are, corpus=FOLDER"),
        (["corpus=nowhere"], ConfigError, "nowhere does not exist"),
        (["limit=2"], DataError, "the split by recording has 2 groups for the 3 sides"),
        (["evaluation.tasks=[{name: speaker, kind: clips}]"], ConfigError, "say tasks=COLUMN"),
    ],
)
def test_what_cannot_be_run_is_said_before_work_is_spent(tmp_path, monkeypatch, words, error, message):
    rows = write_recordings(tmp_path, 24, seconds=0.2)
    more = [
        {
            **row,
            "height": f"{150 + number}",
            "alone": "x" if number == 0 else f"y{number % 2}",
            "file2": row["file"],
            "empty": "NaN",
        }
        for number, row in enumerate(rows)
    ]
    write_rows(tmp_path / "metadata.csv", more)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        run_pipeline(RECIPE, ["corpus=recordings", "table=metadata.csv", *TINY, *words])
    assert not (tmp_path / "runs" / "spear-recordings" / "labels").exists()


def test_a_dry_run_says_sides_time_and_disk_and_writes_nothing(tmp_path, monkeypatch, capfd):
    write_recordings(tmp_path, 40)
    (tmp_path / "recordings" / "bad.wav").write_bytes(b"RIFFnothing")
    monkeypatch.chdir(tmp_path)
    run_pipeline(RECIPE, WITH_LABELS, dry_run=True)
    shown, said = capfd.readouterr()
    assert "40 recordings, 20 s; sides by recording" in shown and "classes of speaker" in shown
    assert "time       training about" in said and "disk       recordings stay where they are" in said
    assert "1 would be left out, such as recordings/bad.wav" in said
    assert not (tmp_path / "runs").exists()
    with pytest.raises(ConfigError, match="did you mean speaker"):
        run_pipeline(RECIPE, [*WITH_LABELS, "tasks=speeker"], dry_run=True)


def test_an_opened_corpus_is_a_corpus_of_a_run(tmp_path, monkeypatch):
    write_recordings(tmp_path, 6, seconds=0.2)
    monkeypatch.chdir(tmp_path)
    corpus = open_corpus("recordings", table="metadata.csv", where="speaker != 'person 3'")
    recipe = SpearRecipe(dataset="own", corpus=corpus)
    assert recipe.corpus == [{"path": "recordings", "table": "metadata.csv", "where": "speaker != 'person 3'", "repeats": 1.0}]
    assert (recipe.dataset, str(recipe.output)) == ("recordings", "runs/spear-recordings")
    with pytest.raises(ConfigError, match="is a part of another"):
        SpearRecipe(dataset="own", corpus=corpus.subset([corpus.items[0].id]))
