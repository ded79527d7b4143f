"""Sensor recordings of one's own: eight CSVs, one command; who is who, what is refused, and what a dry run says."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_data import write_people
from page_words import prose_of

import audiossl
from audiossl.cli import main
from audiossl.errors import ConfigError
from audiossl.evaluation.results import read_results
from audiossl.files import read_json, read_jsonl
from audiossl.pipelines.catalogue import read_config, run_pipeline
from audiossl.pipelines.sensors import plain_rows
from audiossl.pipelines.sensors.stages import stages

KEYS = ["time=t", "channels=x,y,z", "label=activity", "person=subject"]
TINY = ["training.max_steps=2", "encoder.width=8", "encoder.num_blocks=2", "encoder.dim=8", "task.fractions=[1.0]"]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_eight_tables_by_one_command(desk, capsys):
    write_people(desk / "people")
    before = {path.name for path in desk.iterdir()}
    keys = [*KEYS, *TINY, "models.frame_projection.mappers=[real,none]"]
    assert main(["run", "frame_projection", "corpus=people/*.csv", *keys]) == 0
    run = desk / "runs" / "frame_projection-people"
    assert {path.name for path in desk.iterdir()} - before == {"runs"}, "the user writes no file, and nothing else appears"
    rows = read_results(run / "results.json")
    found = {row.model: row for row in rows if row.metric == "accuracy"}
    assert set(found) == {"frame_projection", "frame_projection_none", "statistics", "random"}
    assert {row.dataset for row in rows} == {"people"} and found["statistics"].value > 0.95, "walking is plain to see"
    assert read_json(run / "recordings" / "set" / "set.json")["subjects"] == 8
    assert "never seen people" in prose_of(run / "report.html")
    encoder = run / "model_frame_projection" / "seed1-fold0" / "encoder"
    assert audiossl.load(encoder).takes.channels == ("x", "y", "z") and audiossl.load(encoder).sample_rate == 52.3
    said = capsys.readouterr().err
    assert "column t is seconds, rate found in the files" in said and "8 people, by column subject" in said
    assert main(["run", "frame_projection", "corpus=people/*.csv", *keys]) == 0
    assert "all stages are up to date" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"was made from .*people"):
        run_pipeline(Path("frame_projection"), ["corpus=people/person1.csv", "output=runs/frame_projection-people", *KEYS])


def test_a_dry_run_says_who_is_where_and_writes_nothing(desk, capsys):
    write_people(desk / "people", 4)
    assert main(["run", "vicreg", "corpus=people", "time=t", "label=activity", *TINY, "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert "every file is taken for one person" in said and "channels: x, y, z" in said
    assert "fold 4" in said and "valid 1" in said and "sit " in said
    assert "time     about" in said and "memory   about" in said and "disk     about" in said
    assert not (desk / "runs").exists()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["time=t"], "label: say which column"),
        (["time=time", "label=activity"], "time: no file has a column 'time'"),
        (["time=t", "label=activty"], r"label: no file has a column 'activty' \(did you mean activity\?\)"),
        (["time=t", "label=activity", "channels=x,w"], "channels: no file has a column 'w'"),
        (["time=t", "label=activity", "person=who"], "person: no file has a column 'who'.*pattern"),
        (["label=activity"], "rate: .*has no times"),
        (["time=t", "label=activity", "units=g,g"], "units: expected one, or one for each"),
    ],
)
def test_mistakes_are_named_before_work(desk, keys, message):
    write_people(desk / "people", 3, seconds=3.0)
    with pytest.raises(ConfigError, match=message):
        run_pipeline(Path("simclr"), ["corpus=people", *keys, *TINY], last="recordings")


OWN = Path(__file__).resolve().parents[3] / "recipes" / "own"
METHODS = sorted(path.stem for path in OWN.glob("*.yaml") if "method: sensors" in path.read_text())


@pytest.mark.parametrize("name", METHODS)
def test_every_recipe_of_its_own_lays_out_stages(desk, name, monkeypatch):
    monkeypatch.setattr(plain_rows, "import_extra", lambda *_: None)  # MiniRocket needs aeon when it runs
    write_people(desk / "people", 3, seconds=3.0)
    config, file = read_config(Path(name), ["corpus=people", *KEYS])
    assert file == OWN / f"{name}.yaml" and config.dataset == "people" and config.task.name == "activity"
    laid = [stage.name for stage in stages(config, file.parent)]
    assert laid == ["recordings", *(f"model_{model}" for model in config.models), "evaluate", "report"]
    axes = [model.options["augmentations"]["axes"] for model in config.models.values() if "augmentations" in model.options]
    assert all(found == [0] for found in axes), "x, y, z are turned together"
    assert f"audiossl run {name} corpus=" in file.read_text() and len(METHODS) >= 10


def test_no_corpus(desk):
    with pytest.raises(ConfigError, match="this recipe is for data of your own"):
        run_pipeline(Path("simclr"), [])
    with pytest.raises(ConfigError, match="found nothing at nowhere"):
        run_pipeline(Path("simclr"), ["corpus=nowhere", *KEYS])


def test_two_people_are_too_few_unless_recordings_are_tested(desk):
    write_people(desk / "people", 2)
    with pytest.raises(ConfigError, match=r"2 of at least 3 people \(p0, p1\).*person=recording"):
        run_pipeline(Path("simclr"), ["corpus=people", *KEYS, *TINY])
    write_people(desk / "more", 3)
    run = run_pipeline(Path("simclr"), ["corpus=more", *KEYS[:3], "person=recording", *TINY])
    assert "recordings, which are no people" in prose_of(run / "report.html")


def test_bad_files_are_listed_and_one_class_is_refused(desk, capsys):
    folder = write_people(desk / "people", 4)
    (folder / "empty.csv").touch()
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    run = run_pipeline(Path("simclr"), ["corpus=people", *KEYS, *TINY], last="recordings")
    rejected = {row["id"]: row["reason"] for row in read_jsonl(run / "recordings" / "set" / "rejected.jsonl")}
    assert "is empty" in rejected["empty"] and "has no column 'x'" in rejected["notes"] and len(rejected) == 2
    assert "2 recordings were rejected" in capsys.readouterr().err
    for path in folder.glob("person*.csv"):
        path.write_text(path.read_text().replace("sit", "walk"))
    with pytest.raises(audiossl.errors.DataError, match="every label is 'walk'"):
        run_pipeline(Path("simclr"), ["corpus=people", *KEYS, *TINY], last="model_simclr")
