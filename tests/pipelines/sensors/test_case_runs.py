"""Sets of archives by one command: the given test side where nobody knows people, folds by people where somebody does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from case_folders import write_monster, write_ts
from page_words import prose_of

from audiossl.cli import main
from audiossl.errors import ConfigError
from audiossl.evaluation.results import read_results
from audiossl.files import read_jsonl
from audiossl.pipelines.catalogue import read_config, run_pipeline
from audiossl.pipelines.sensors.data import FoldsConfig, SensorFolds

TINY = ["training.max_steps=2", "encoder.width=8", "encoder.num_blocks=2", "encoder.dim=8", "task.fractions=[1.0]"]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def folds_of(run, *words):
    config, _ = read_config(Path("simclr"), [*words, *TINY])
    return SensorFolds(run / "recordings" / "set", FoldsConfig.of(config))


@pytest.mark.slow
def test_a_ucr_or_uea_folder_by_one_command(desk, capsys):
    write_ts(desk / "Moves")
    assert main(["run", "simclr", "corpus=Moves", "rate=20", *TINY]) == 0
    run = desk / "runs" / "simclr-Moves"
    found = {row.model: row for row in read_results(run / "results.json") if row.metric == "accuracy"}
    assert set(found) == {"simclr", "statistics", "random"} and found["statistics"].n == 12
    assert found["statistics"].value > 0.9, "what swings is plain to see"
    assert {(row.dataset, row.task) for row in read_results(run / "results.json")} >= {("Moves", "class")}
    said = capsys.readouterr().err
    assert "Moves, UCR/UEA .ts files: 32 cases of 2 channels and up to 40 samples, 20 Hz" in said
    assert "recordings, which are no people" in prose_of(run / "report.html")
    [sides] = folds_of(run, "corpus=Moves", "rate=20").sides
    assert len(sides.test) == 12 and all(name.startswith("test_") for name in sides.test)
    assert len(sides.valid) == 2 and all(name.startswith("train_") for name in (*sides.train, *sides.valid))


def test_people_of_a_monster_folder_are_in_the_given_folds(desk):
    write_monster(desk / "Moves")
    words = ["corpus=Moves", "rate=20", "label=activity"]
    run = run_pipeline(Path("simclr"), [*words, *TINY], last="recordings")
    folds = folds_of(run, *words)
    assert [set(sides.test) for sides in folds.sides] == [{str(k), str(k + 5)} for k in range(5)]
    assert all(len(sides.valid) == 1 and len(sides.train) == 7 for sides in folds.sides)
    assert len(folds.places) == 40 and {place.length for place in folds.places} == {40} and folds.config.task == "activity"
    five = folds_of(run, *words, "subjects.folds=2", "subjects.valid=1")
    assert len(five) == 2, "a recipe may divide people itself"


def test_people_are_divided_here_where_folds_cut_them(desk, capsys):
    write_monster(desk / "Moves", by_person=False)
    words = ["corpus=Moves", "rate=20"]
    run = run_pipeline(Path("simclr"), [*words, *TINY], last="recordings")
    folds = folds_of(run, *words)
    assert sorted(name for sides in folds.sides for name in sides.test) == sorted(map(str, range(10)))
    assert "people are divided here instead" in capsys.readouterr().err


def test_a_smoke_run_has_all_sides_and_classes_and_copies_are_listed(desk):
    write_ts(desk / "Moves")
    lines = (desk / "Moves" / "Moves_TEST.ts").read_text().splitlines()
    copy = (desk / "Moves" / "Moves_TRAIN.ts").read_text().splitlines()[-1]
    (desk / "Moves" / "Moves_TEST.ts").write_text("\n".join([*lines, copy]) + "\n")
    words = ["corpus=Moves", "rate=20"]
    run = run_pipeline(Path("simclr"), [*words, *TINY], last="recordings")
    [rejected] = read_jsonl(run / "recordings" / "set" / "rejected.jsonl")
    assert rejected["id"] == "test_00013" and "very samples of train_00020" in rejected["reason"]
    run = run_pipeline(Path("simclr"), [*words, *TINY, "limit=8", "output=few"], last="recordings")
    [sides] = folds_of(run, *words, "limit=8").sides
    assert len(sides.test) == 4 and len(sides.train) + len(sides.valid) == 4


def test_unequal_cases_are_all_scored(desk):
    head = ["@problemName Odd", "@univariate true", "@classLabel true 1 2", "@data"]
    rng = np.random.default_rng(0)
    for side, count in (("TRAIN", 8), ("TEST", 6)):
        rows = [",".join(f"{x:.3f}" for x in rng.random(5 + 3 * n)) + f":{n % 2 + 1}" for n in range(count)]
        (desk / f"Odd_{side}.ts").write_text("\n".join([*head, *rows]) + "\n")
    config, _ = read_config(Path("simclr"), ["corpus=Odd_TRAIN.ts", "rate=1", *TINY])
    assert (config.windows.seconds, config.windows.min_share, config.task.kind) == (26.0, 0.0, "class")
    run = run_pipeline(Path("simclr"), ["corpus=Odd_TRAIN.ts", "rate=1", *TINY], last="recordings")
    places = folds_of(run, "corpus=Odd_TRAIN.ts", "rate=1").places
    assert [place.length for place in places] == [5 + 3 * n for n in range(8)] + [5 + 3 * n for n in range(6)]
    assert {place.value for place in places} == {"1", "2"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], r"rate: Moves \(UCR/UEA .ts files\) does not say how many samples"),
        (["rate=20", "time=t"], "time: Moves is a set of cases"),
        (["rate=20", "channels=x"], "channels: expected a name for each of 2, got 1"),
        (["rate=20", "windows.seconds=1"], "cut and scored whole"),
        (["rate=20", "person=folder"], "person: expected a key of the metadata"),
        (["rate=20", "units=g,g,g"], "units"),
    ],
)
def test_keys_that_do_not_suit_cases_are_named(desk, words, message):
    write_ts(desk / "Moves")
    with pytest.raises(ConfigError, match=message):
        run_pipeline(Path("simclr"), ["corpus=Moves", *words, *TINY], last="recordings")


def test_a_dry_run_says_who_is_where(desk, capsys):
    write_monster(desk / "Moves")
    assert main(["run", "vicreg", "corpus=Moves", "rate=20", "channels=acc_x,acc_y", *TINY, "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert "its folds, which keep people apart" in said and "fold 5" in said and "(40 samples)" in said
    assert not (desk / "runs").exists()
